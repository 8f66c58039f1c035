package controller

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/traffic"
)

// fullStatus has every field set, so that one that is forgotten on the way shows.
func fullStatus() rollout.Status {
	at := func(s int) time.Time { return time.Unix(int64(1700000000+s), 123456000).UTC() }
	return rollout.Status{
		Stable: "sss", Runs: 4,
		Release: &rollout.Release{
			Run: 4, Revision: "ccc", Phase: rollout.Aborted, Step: 2, Started: at(1), StepStarted: at(2), Deadline: at(3),
			ReadyHighWater: 5, WeightHighWater: 25, Capacity: rollout.Capacity{Endpoints: 25, Since: at(4)},
			StableCapacity: rollout.Capacity{Endpoints: 3, Since: at(12)}, ExposedAt: at(5), Approved: true,
			Cause: rollout.ByAnalysis, CauseMessage: "bad", AbortedAt: at(6),
			Metrics: []analysis.Record{{Metric: "m", Threshold: ">= 1", Verdict: analysis.Fail, Text: "0.5", Message: "was 0.5", At: at(7),
				Passes: 1, Failures: 2, NoData: 3, Errors: 4, Inconclusive: 5, DryRun: true, Requests: 6, Streak: 7, FailureStreak: 8, ErrorStreak: 9,
				Judged: 10, JudgedSince: at(16), Recent: []analysis.Point{{At: at(17), Verdict: analysis.Fail, Text: "0.5"}}}},
			Gates: []rollout.GateRecord{{Name: "window", Since: at(18), At: at(19), Verdict: analysis.Inconclusive, Message: "until Monday", Waived: true}},
		},
		Ledger: rollout.Ledger{Low: 5, High: 25, Accepted: true, Since: at(8), Rules: "shadow, testers", Astray: true,
			Stable: rollout.Pointer{Revision: "sss", Since: at(9)}, Canary: rollout.Pointer{Revision: "ccc", Since: at(10)}},
		Wiring: rollout.Wiring{Mode: rollout.ByRoutes, Stable: "ping", Canary: "pong", Alternate: true, SubsetsOf: "mesh/app", Routes: `{"routes":[{"kind":"GRPCRoute","name":"a"},{"kind":"HTTPRoute","name":"a"}]}`}, Swapped: true,
		Held: true, UndoTo: "uuu", Former: []rollout.Revision{"aaa", "bbb"},
		Restart: rollout.Restarting{At: at(13), All: true, Until: at(14), Left: 2, Progress: at(15), Done: true},
		Answer:  rollout.Answer{ID: "id", Verb: rollout.Promote, Accepted: true, Message: "m", At: at(11)},
	}
}

func TestAStatusReadsBackFromTheAPIAsItWasWritten(t *testing.T) {
	noZeros(t, reflect.ValueOf(fullStatus()), "status")
	w := &world{object: exampleRollout(exampleTemplate)}
	text, err := json.Marshal(newStatus(w, rollout.Plan{Status: fullStatus()}))
	require.NoError(t, err)
	var read v1alpha1.RolloutStatus
	require.NoError(t, json.Unmarshal(text, &read))
	back := readStatus(read)
	normalize(&back)
	require.Equal(t, fullStatus(), back)
}

// noZeros fails for a field that has no value: its way there and back would not be tested.
func noZeros(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	require.False(t, v.IsZero(), "%s is not set", path)
	switch {
	case v.Kind() == reflect.Pointer:
		noZeros(t, v.Elem(), path)
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			noZeros(t, v.Index(i), path)
		}
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for i := range v.NumField() {
			noZeros(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	}
}

// normalize makes times comparable: the API gives them back in the local zone.
func normalize(s *rollout.Status) {
	r, l := s.Release, &s.Ledger
	for _, t := range []*time.Time{&r.Started, &r.StepStarted, &r.Deadline, &r.Capacity.Since, &r.StableCapacity.Since, &r.ExposedAt, &r.AbortedAt,
		&r.Metrics[0].At, &r.Metrics[0].JudgedSince, &r.Metrics[0].Recent[0].At, &r.Gates[0].Since, &r.Gates[0].At, &l.Since, &l.Stable.Since, &l.Canary.Since, &s.Restart.At, &s.Restart.Until, &s.Restart.Progress, &s.Answer.At} {
		*t = t.UTC()
	}
}

// earlierStatus is what a controller wrote in the middle of a release that knew only routes and pods.
const earlierStatus = `{
  "observedGeneration": 2, "phase": "Progressing", "message": "step 2 of 4: pausing", "step": "1/4", "stableRevision": "sss", "runs": 2,
  "release": {"run": 2, "revision": "ccc", "phase": "Stepping", "stepIndex": 1, "startedAt": "2026-03-01T12:00:00.000000Z",
    "stepStartedAt": "2026-03-01T12:00:09.000000Z", "readyHighWater": 1, "weightHighWater": 20, "capacityWeight": 20,
    "capacityAt": "2026-03-01T12:00:03.000000Z", "exposedAt": "2026-03-01T12:00:06.000000Z"},
  "traffic": {"canaryWeight": 20, "lowestCanaryWeight": 20, "accepted": true, "since": "2026-03-01T12:00:06.000000Z",
    "stableBackend": "sss", "stableBackendSince": "2026-03-01T11:00:00.000000Z",
    "canaryBackend": "ccc", "canaryBackendSince": "2026-03-01T12:00:01.000000Z"},
  "replicas": 5, "updatedReplicas": 1, "readyReplicas": 5, "availableReplicas": 5, "selector": "app=checkout"}`

func TestAReleaseGoesOnWhereAnEarlierControllerLeftIt(t *testing.T) {
	var stored v1alpha1.RolloutStatus
	require.NoError(t, json.Unmarshal([]byte(earlierStatus), &stored))
	r := exampleRollout(exampleTemplate)
	r.Spec.Strategy.Canary = routed("stable", "canary")
	r.Spec.Strategy.Canary.Steps = []v1alpha1.Step{{SetWeight: new(int32(20))}, {Pause: &v1alpha1.Pause{}}, {SetWeight: new(int32(60))}, {Pause: &v1alpha1.Pause{}}}
	r.Spec.Replicas = new(int32(4))
	r.Status = stored
	w := &world{object: r, key: keyOf(r)}
	w.observed.Status = readStatus(stored)
	spec := withQueries().resolve(w).spec
	spec.Target = "ccc"
	w.observed.Spec = spec
	w.observed.Now = time.Date(2026, 3, 1, 12, 1, 0, 0, time.UTC)
	pair := backends(w.inForce(), w.observed.Status.Swapped)
	require.Equal(t, traffic.Pair{Stable: "stable", Canary: "canary"}, pair)
	w.observed.Workloads = []rollout.Workload{
		{Revision: "sss", Number: 1, Replicas: 4, Ready: 4, Available: 4}, {Revision: "ccc", Number: 2, Replicas: 1, Ready: 1, Available: 1},
	}
	w.observed.Stable = rollout.Backend{Name: pair.Stable, Revision: "sss", Endpoints: map[rollout.Revision]int{"sss": 4}}
	w.observed.Canary = rollout.Backend{Name: pair.Canary, Revision: "ccc", Endpoints: map[rollout.Revision]int{"ccc": 1}}
	w.observed.Routes = traffic.Observation{Routes: []traffic.RouteObservation{{RouteName: traffic.RouteName{Kind: "HTTPRoute", Name: "checkout"},
		Share: traffic.Range{Low: 20, High: 20}, Accepted: true}}}

	plan := rollout.Decide(w.observed)
	require.Empty(t, plan.Actions, "nothing is undone and nothing begins anew")
	require.Equal(t, 1, plan.Status.Release.Step)
	require.Equal(t, int64(2), plan.Status.Runs)
	require.Equal(t, w.observed.Status.Ledger, plan.Status.Ledger)
	require.Equal(t, &v1alpha1.Wiring{Mode: "Routes", StableService: "stable", CanaryService: "canary",
		Routes: []v1alpha1.WiredRoute{{Kind: "HTTPRoute", Name: "checkout"}}}, newStatus(w, plan).Traffic.Wiring)
}

func TestAnAutoscalerIsToldOfThePodsThatServe(t *testing.T) {
	w := exampleWorld(t, exampleRollout(exampleTemplate))
	w.observed.Spec.Replicas = 4
	w.observed.Workloads = []rollout.Workload{{Revision: "aaa", Replicas: 4}, {Revision: "bbb", Replicas: 3}}
	s := newStatus(w, rollout.Plan{})
	require.EqualValues(t, 4, s.ServingReplicas)
	require.Equal(t, "app=checkout", s.ServingSelector)

	w.observed.Status.Wiring = rollout.Wiring{Mode: rollout.BySelector, Stable: "active"}
	w.observed.Stable = rollout.Backend{Name: "active", Revision: "bbb"}
	s = newStatus(w, rollout.Plan{})
	require.EqualValues(t, 4, s.ServingReplicas)
	require.Equal(t, "app=checkout,pod-template-hash=bbb", s.ServingSelector)
	require.Equal(t, "app=checkout", s.Selector)
}

func TestTheRevisionUnderTestIsCalledAsTheStrategyCallsIt(t *testing.T) {
	w := exampleWorld(t, exampleRollout(exampleTemplate))
	w.observed.Workloads = []rollout.Workload{{Revision: "ccc", Number: 2}, {Revision: "sss", Number: 1}}
	status := rollout.Status{Stable: "sss", Release: &rollout.Release{Revision: "ccc"}}
	require.Equal(t, []string{"canary", "stable"}, roles(revisionStatuses(w, status)))
	status.Wiring.Mode = rollout.BySelector
	require.Equal(t, []string{"preview", "stable"}, roles(revisionStatuses(w, status)))
}

func roles(revisions []v1alpha1.RevisionStatus) []string {
	var all []string
	for _, r := range revisions {
		all = append(all, r.Role)
	}
	return all
}

func TestARequestThatCannotBeReadIsRefusedAndNotIgnored(t *testing.T) {
	r := readRequest(map[string]string{v1alpha1.RequestAnnotation: "promote!"})
	require.Equal(t, &rollout.Request{ID: "promote!", Verb: "unreadable"}, r)
	require.Nil(t, readRequest(nil))
}
