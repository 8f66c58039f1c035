package rollout

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/traffic"
)

// FuzzDecide draws observations that no history may ever lead to: what a person, another version of the engine or a
// restored backup left behind.
func FuzzDecide(f *testing.F) {
	random := rand.NewChaCha8([32]byte{})
	for range 5000 {
		data := make([]byte, 260) // as many choices as an observation takes
		_, _ = random.Read(data)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o := (&source{data: data}).observed()
		plan := Decide(o)
		require.Equal(t, plan, Decide(o), "the same observation leads to another plan")
		for _, i := range Invariants() {
			if i.OfPlan != nil {
				require.NoError(t, i.OfPlan(o, plan), "%s: %+v", i.Name, o)
			}
		}
		for _, e := range plan.Events {
			require.NotEmpty(t, e.Reason)
			require.NotContains(t, e.Message, "%!", "a format is wrong")
		}
		require.NotEmpty(t, plan.Report.State, "%+v", o)
		require.NotEmpty(t, plan.Report.Message, "%+v", o)
		require.NotContains(t, plan.Report.Message, "%!", "a format is wrong")
	})
}

// source turns bytes into choices; when they run out everything is the first choice.
type source struct{ data []byte }

func (s *source) below(n int) int {
	if len(s.data) == 0 {
		return 0
	}
	b := int(s.data[0])
	s.data = s.data[1:]
	return b % n
}

func (s *source) maybe() bool { return s.below(2) == 1 }

var base = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// at is a time around now, or none.
func (s *source) at() time.Time {
	if s.below(4) == 0 {
		return time.Time{}
	}
	return base.Add(time.Duration(s.below(256)-128) * time.Second)
}

func (s *source) revision() Revision { return []Revision{"v1", "v2", "v3", ""}[s.below(4)] }

func (s *source) observed() Observed {
	o := Observed{Now: base, Spec: s.spec(), Status: s.status()}
	for i := range s.below(4) {
		w := Workload{Revision: fmt.Sprintf("v%d", i+1), Number: int64(i), Replicas: s.below(6)}
		w.Ready = s.below(w.Replicas + 1)
		w.Available = s.below(w.Ready + 1)
		w.Outdated, w.Listed, w.Youngest, w.Look = s.below(4), s.below(6), s.at(), []string{"", "a"}[s.below(2)]
		o.Workloads = append(o.Workloads, w)
	}
	if s.below(6) == 0 {
		o.Problems = append(o.Problems, Problem{Reason: "Fuzzed", Message: "something is wrong", Reference: s.maybe()})
	}
	switch o.mode() {
	case ByPods:
	case BySelector:
		o.Stable, o.Canary = s.backend("active"), s.backend("preview")
	case ByRoutes:
		o.Stable, o.Canary = s.backend("stable"), s.backend("canary")
		for i := range s.below(3) {
			o.Routes.Routes = append(o.Routes.Routes, s.route(i))
		}
	}
	if s.maybe() {
		verbs := []Verb{Promote, PromoteFull, Abort, Retry, Freeze, Resume, Undo, Restart, "dance"}
		o.Request = &Request{ID: fmt.Sprint(s.below(2)), Verb: verbs[s.below(len(verbs))], Revision: s.revision(), Step: s.below(3)}
	}
	for range s.below(3) {
		verdicts := []analysis.Verdict{analysis.Pass, analysis.Fail, analysis.NoData, analysis.Error, analysis.Inconclusive}
		o.Measurements = append(o.Measurements, analysis.Measurement{Run: int64(s.below(3)), Step: s.below(2), Metric: []string{"m", "own", "gate/g0", "gate/g1"}[s.below(4)], At: s.at(), Judgement: analysis.Judgement{Verdict: verdicts[s.below(5)]}})
	}
	return o
}

func (s *source) spec() Spec {
	spec := Spec{
		Target: s.revision(), Replicas: s.below(6), MaxSurge: s.below(3), MaxUnavailable: 1, Wiring: s.wiring(), Paused: s.below(5) == 0,
		Settle: time.Duration(s.below(5)) * time.Second, Drain: time.Duration(s.below(20)) * time.Second,
		ProgressDeadline: time.Minute, AbortScaleDownDelay: time.Duration(s.below(60)) * time.Second, HistoryLimit: s.below(3),
	}
	for range s.below(4) {
		spec.Steps = append(spec.Steps, Step{Kind: StepKind(1 + s.below(3)), Weight: s.below(101), Duration: time.Duration(s.below(20)) * time.Second, Pods: s.below(7) - 1})
	}
	if s.maybe() {
		spec.Steps = append(spec.Steps, Step{Kind: SetRule, Rule: traffic.ManagedRule{Name: "rule", Mirror: s.below(2)}, Remove: s.maybe()})
	}
	if s.maybe() {
		spec.Steps = append(spec.Steps, Step{Kind: Judge, Metrics: []analysis.Metric{{Name: "own", Interval: time.Second}}})
	}
	spec.DynamicStable, spec.MinPods, spec.PreviewReplicas, spec.RollbackWindow = s.maybe(), s.below(4), s.below(4), s.below(3)
	spec.RestartAt, spec.StableLook, spec.CanaryLook = s.at(), []string{"", "a"}[s.below(2)], []string{"", "b"}[s.below(2)]
	spec.MetricsFrom, spec.Bake = s.below(3), time.Duration(s.below(3)*10)*time.Second
	for i := range s.below(3) {
		occasions := []Occasion{BeforeRelease, BeforeTraffic, BeforeIncrease, AfterStep, BeforePromotion, AfterPromotion, Rollback, AfterAbort}
		spec.Gates = append(spec.Gates, Gate{Name: fmt.Sprint("g", i), At: occasions[s.below(8)], Interval: time.Second,
			Deadline: time.Duration(s.below(60)) * time.Second, OnDeadline: []Default{Hold, Continue, GiveUp}[s.below(3)]})
	}
	if s.maybe() {
		spec.PostMetrics = []analysis.Metric{{Name: "own", Interval: time.Second}}
	}
	if s.maybe() {
		spec.Metrics = []analysis.Metric{{Name: "m", Interval: time.Second, Limits: analysis.Limits{Failures: s.below(3) - 1}, Count: s.below(3), InitialDelay: time.Duration(s.below(3)) * time.Second}}
	}
	return spec
}

// wiring is whatever may carry the traffic, or nothing.
func (s *source) wiring() Wiring {
	switch s.below(5) {
	case 0:
		return Wiring{}
	case 1:
		return Wiring{Mode: ByPods}
	case 2:
		return Wiring{Mode: BySelector, Stable: "active", Canary: []string{"", "preview"}[s.below(2)]}
	}
	return Wiring{Mode: ByRoutes, Stable: "stable", Canary: "canary", Alternate: s.maybe()}
}

func (s *source) status() Status {
	status := Status{Stable: s.revision(), Runs: int64(s.below(3)), Answer: Answer{ID: fmt.Sprint(s.below(3))}}
	status.Wiring, status.Swapped, status.Held, status.UndoTo = s.wiring(), s.maybe(), s.below(4) == 0, s.revision()
	status.Restart = Restarting{At: s.at(), All: s.maybe(), Until: s.at(), Left: s.below(4), Progress: s.at(), Done: s.maybe()}
	for range s.below(3) {
		status.Former = append(status.Former, s.revision())
	}
	status.Ledger = Ledger{Low: s.below(101), High: s.below(101), Accepted: s.maybe(), Since: s.at(), Rules: []string{"", "rule"}[s.below(2)], Astray: s.maybe(),
		Stable: Pointer{s.revision(), s.at()}, Canary: Pointer{s.revision(), s.at()}}
	if s.maybe() {
		phases := []Phase{Installing, Stepping, Promoting, Aborting, Aborted, "Unheard"}
		status.Release = &Release{
			Run: status.Runs, Revision: s.revision(), Phase: phases[s.below(6)], Step: s.below(5), Started: s.at(), StepStarted: s.at(),
			Deadline: s.at(), ReadyHighWater: s.below(5), WeightHighWater: s.below(101), Capacity: Capacity{s.below(7), s.at()}, StableCapacity: Capacity{s.below(7), s.at()},
			ExposedAt: s.at(), Approved: s.maybe(), CauseMessage: "100% bad", AbortedAt: s.at(),
		}
		for i := range s.below(3) {
			verdicts := []analysis.Verdict{"", analysis.Pass, analysis.Fail, analysis.Inconclusive, analysis.Error}
			status.Release.Gates = append(status.Release.Gates, GateRecord{Name: fmt.Sprint("g", i), Since: s.at(), At: s.at(),
				Verdict: verdicts[s.below(5)], Message: "100% sure", Waived: s.below(4) == 0})
		}
	}
	return status
}

func (s *source) backend(name string) Backend {
	b := Backend{Name: name, Missing: s.below(5) == 0}
	if !b.Missing {
		b.Revision = s.revision()
		b.Endpoints = map[Revision]int{"v1": s.below(4), "v2": s.below(4)}
	}
	return b
}

func (s *source) route(i int) traffic.RouteObservation {
	r := traffic.RouteObservation{RouteName: traffic.RouteName{Kind: "HTTPRoute", Name: fmt.Sprint(i)}, Missing: s.below(5) == 0}
	if !r.Missing {
		r.Share = traffic.Range{Low: s.below(51), High: 50 + s.below(51)}
		r.Accepted = s.maybe()
		if !r.Accepted {
			r.Waiting = "it is not accepted"
		}
		if s.below(3) == 0 {
			r.Managed, r.Astray = []string{"rule"}, []string{"", "the rule is to be removed"}[s.below(2)]
		}
	}
	return r
}
