package sim

import (
	"fmt"
	"time"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/traffic"
)

// drawSettings draws a Rollout.
func (h *history) drawSettings() Settings {
	s := Settings{Installed: !h.oneIn(4), Spec: rollout.Spec{
		Target:              "v1",
		Replicas:            1 + h.random.IntN(5),
		MaxSurge:            h.random.IntN(3),
		MaxUnavailable:      h.random.IntN(2),
		Settle:              time.Duration(1+h.random.IntN(4)) * time.Second,
		Drain:               time.Duration(h.random.IntN(3)) * 5 * time.Second,
		ProgressDeadline:    time.Duration(1+h.random.IntN(3)) * time.Minute,
		AbortScaleDownDelay: time.Duration(h.random.IntN(2)) * 20 * time.Second,
		ScaleDownDelay:      time.Duration(h.random.IntN(2)) * 20 * time.Second,
		HistoryLimit:        h.random.IntN(3),
		RollbackWindow:      h.random.IntN(3),
		DynamicStable:       h.oneIn(3),
		MinPods:             h.random.IntN(3),
		PreviewReplicas:     h.random.IntN(3),
	}}
	s.Spec.Wiring = h.wiring()
	s.Spec.Steps = h.steps(s.Spec.Wiring.Mode)
	h.watch(&s.Spec)
	if s.Spec.MaxSurge == 0 && s.Spec.MaxUnavailable == 0 {
		s.Spec.MaxSurge = 1
	}
	s.Routes = 1 + h.random.IntN(2)
	if h.oneIn(3) {
		s.MinReady = 2 * time.Second
	}
	if s.Routes > 1 && s.MinReady > 0 {
		s.Spec.Affinity = &traffic.Affinity{Cookie: "session", TTL: time.Minute}
	}
	h.revisions = 1
	return s
}

// wiring draws what carries the traffic.
func (h *history) wiring() rollout.Wiring {
	switch h.random.IntN(8) {
	case 0, 1:
		return rollout.Wiring{Mode: rollout.ByPods}
	case 2:
		return rollout.Wiring{Mode: rollout.BySelector, Stable: serviceNames[active]}
	case 3:
		return rollout.Wiring{Mode: rollout.BySelector, Stable: serviceNames[active], Canary: serviceNames[preview]}
	case 4:
		return rollout.Wiring{Mode: rollout.ByRoutes, Stable: serviceNames[stable], Canary: serviceNames[canary], Alternate: true}
	}
	return rollout.Wiring{Mode: rollout.ByRoutes, Stable: serviceNames[stable], Canary: serviceNames[canary]}
}

// watch draws the metrics that fit what carries the traffic.
func (h *history) watch(s *rollout.Spec) {
	s.Metrics, s.PostMetrics = h.metrics(), nil
	s.MetricsFrom, s.Bake = h.random.IntN(2), time.Duration(max(h.random.IntN(12)-6, 0))*time.Second
	h.analysts.widen(s)
	if s.Wiring.Mode == rollout.BySelector {
		s.Metrics, s.PostMetrics = nil, s.Metrics
	}
}

// steps draws a plan; few of them are sensible.
func (h *history) steps(mode rollout.Mode) []rollout.Step {
	var steps []rollout.Step
	for range h.random.IntN(4) {
		switch n := h.random.IntN(6); {
		case n == 4 && mode == rollout.ByRoutes:
			steps = append(steps, rollout.Step{Kind: rollout.SetScale, Pods: h.random.IntN(6) - 1})
		case n == 5 && mode != rollout.ByPods:
			steps = append(steps, rollout.Step{Kind: rollout.Judge, Metrics: h.judges()})
		case n == 3 && mode == rollout.ByRoutes && h.oneIn(2):
			steps = append(steps, h.setRule())
		case n == 0:
			steps = append(steps, rollout.Step{Kind: rollout.Pause, Duration: time.Duration(1+h.random.IntN(8)) * time.Second})
		case n == 1:
			steps = append(steps, rollout.Step{Kind: rollout.Pause})
		case mode != rollout.BySelector:
			weights := []int{0, 1, 10, 20, 50, 80, 100}
			steps = append(steps, rollout.Step{Kind: rollout.SetWeight, Weight: weights[h.random.IntN(len(weights))]})
		}
	}
	return steps
}

// setRule draws a rule that is added, or removed.
func (h *history) setRule() rollout.Step {
	s := rollout.Step{Kind: rollout.SetRule, Remove: h.oneIn(4), Rule: traffic.ManagedRule{Name: "testers"}}
	if h.oneIn(2) {
		s.Rule = traffic.ManagedRule{Name: "shadow", Mirror: 100}
	}
	return s
}

// judges draws the metrics of a step.
func (h *history) judges() []analysis.Metric {
	low := 0.99
	return []analysis.Metric{{Name: "smoke-test", Threshold: analysis.Threshold{Min: &low, Text: ">= 0.99"}, Interval: 2 * time.Second,
		InitialDelay: time.Duration(h.random.IntN(3)) * time.Second, Count: h.random.IntN(4), MinRequests: float64(h.random.IntN(2) * 100),
		Limits: h.analysts.limits()}}
}

func (h *history) metrics() []analysis.Metric {
	low, high := 0.99, 0.5
	all := []analysis.Metric{
		{Name: "success-rate", Threshold: analysis.Threshold{Min: &low, Text: ">= 0.99"}, Interval: 3 * time.Second, Limits: h.limits(), Count: h.random.IntN(3)},
		{Name: "latency", Threshold: analysis.Threshold{Max: &high, Text: "<= 0.5"}, Interval: 5 * time.Second},
	}
	return all[:h.random.IntN(len(all)+1)]
}

func (h *history) limits() analysis.Limits {
	l := analysis.Limits{Failures: h.random.IntN(3) - 1}
	switch h.random.IntN(8) {
	case 0:
		l.ConsecutiveErrors = new(h.random.IntN(3))
	case 1:
		l.Inconclusive = new(h.random.IntN(3))
	case 2:
		l.NoData = analysis.AsFail
	}
	if l.Failures < 0 {
		l.ConsecutiveFailures = new(h.random.IntN(2))
	}
	return l
}

// newRevision draws what a new revision is like.
func (h *history) newRevision() rollout.Revision {
	h.revisions++
	revision := fmt.Sprintf("v%d", h.revisions)
	q := Quality{Startup: time.Duration(h.random.IntN(4)) * time.Second}
	switch h.random.IntN(8) {
	case 0:
		q.Startup = -1
	case 4:
		q.Values = map[string]float64{"smoke-test": 0.4, "late-errors": 0.4}
	case 1:
		q.Values = map[string]float64{"success-rate": 0.4}
	case 2:
		q.Values = map[string]float64{"latency": 2, "compared": 4}
	case 3:
		q.Flaky = true
	}
	h.SetQuality(revision, q)
	return revision
}

// person lets a user or an operator do something that the Rollout is for.
func (h *history) person() {
	switch n := h.random.IntN(16); {
	case n < 4:
		h.push()
	case n < 9:
		h.request()
	case n == 9:
		h.undo()
	case n == 10:
		at := h.now.Add(time.Duration(h.random.IntN(40)-20) * time.Second)
		h.Edit(func(s *rollout.Spec) { s.RestartAt = at })
		h.say("person", "wants pods from before %s replaced", at.Format(time.TimeOnly))
	case n == 11:
		h.rewire()
	case n < 13:
		paused := h.oneIn(3)
		h.Edit(func(s *rollout.Spec) { s.Paused = paused })
		h.say("person", "sets spec.paused to %t", paused)
	case n < 14:
		steps := h.steps(h.store.rollouts.last().spec.Wiring.Mode)
		h.Edit(func(s *rollout.Spec) { s.Steps = steps })
		h.say("person", "changes the steps to %s", plan(steps))
	default:
		h.Edit(h.watch)
		h.say("person", "watches other metrics")
	}
}

// rewire changes what is to carry the traffic.
func (h *history) rewire() {
	if !h.rewires {
		return
	}
	w := h.wiring()
	steps := h.steps(w.Mode)
	h.Edit(func(s *rollout.Spec) {
		s.Wiring, s.Steps = w, steps
		h.watch(s)
	})
	h.say("person", "wants %+v", w)
}

// undo goes back to a revision that is kept.
func (h *history) undo() {
	sets := h.store.sets.last()
	if len(sets) == 0 {
		return
	}
	revision := sets[h.random.IntN(len(sets))].Revision
	if former := h.Status().Former; len(former) > 0 && !h.oneIn(3) {
		revision = former[len(former)-1]
	}
	h.requests++
	h.Edit(func(s *rollout.Spec) { s.Target = revision })
	h.store.editRollout(func(o *object) {
		o.invalid = false
		o.request = &rollout.Request{ID: fmt.Sprint(h.requests), Verb: rollout.Undo, Revision: revision}
	})
	h.say("person", "goes back to %s", revision)
}

// push changes the template: to something new, which may be nonsense, or back to something old.
func (h *history) push() {
	revision := fmt.Sprintf("v%d", 1+h.random.IntN(h.revisions))
	if h.oneIn(2) {
		revision = h.newRevision()
	}
	invalid := h.oneIn(10)
	h.Edit(func(s *rollout.Spec) { s.Target = revision })
	h.store.editRollout(func(o *object) { o.invalid = invalid })
	h.say("person", "pushes %s (invalid %t, %+v)", revision, invalid, h.quality[revision])
}

// request asks for something, because of what the Rollout is now or what it was some time ago. Sometimes it is sent twice.
func (h *history) request() {
	old := h.store.rollouts.last()
	if h.oneIn(4) {
		old = h.store.rollouts[h.random.IntN(len(h.store.rollouts))]
	}
	if old.request != nil && h.oneIn(6) {
		h.Ask(*old.request)
		h.say("person", "asks once more: %+v", *old.request)
		return
	}
	verbs := []rollout.Verb{rollout.Promote, rollout.Promote, rollout.Promote, rollout.Promote, rollout.PromoteFull, rollout.Abort,
		rollout.Abort, rollout.Retry, rollout.Retry, rollout.Freeze, rollout.Resume, rollout.Resume, rollout.Restart}
	h.requests++
	r := rollout.Request{ID: fmt.Sprint(h.requests), Verb: verbs[h.random.IntN(len(verbs))], Revision: old.spec.Target}
	if release := old.status.Release; release != nil {
		r.Revision, r.Step = release.Revision, release.Step
		if release.Cause != "" && !h.oneIn(3) {
			r.Verb = rollout.Retry
		}
	}
	h.Ask(r)
	h.say("person", "asks: %+v", r)
}
