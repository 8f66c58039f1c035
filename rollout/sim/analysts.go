package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
)

// analysts write more into metrics than a threshold, and ask a source that goes wrong again and again, so that every outcome can
// come at every place. Like gatekeepers they draw from numbers of their own.
type analysts struct{ *rand.Rand }

// ordeal is one more release, which waits for nobody, and in which nothing goes wrong but the metric source.
func (a analysts) ordeal(h *history) {
	if a.IntN(2) == 0 || h.Status().UndoTo != "" {
		return
	}
	revision := h.newRevision()
	h.Edit(func(s *rollout.Spec) {
		s.Target, s.Paused = revision, false
		s.Steps = slices.DeleteFunc(slices.Clone(s.Steps), func(step rollout.Step) bool { return step.Kind == rollout.Pause && step.Duration == 0 })
	})
	h.say("person", "pushes %s (%+v)", revision, h.quality[revision])
	outages := []Outage{"", Down, Silent, NaN, Torn, Few, Few, Infinite, Lying}
	for range 1 + a.IntN(4) {
		h.outage = a.aim(outages[a.IntN(len(outages))])
		h.say("metrics", "outage: %q", h.outage)
		h.Run(time.Duration(5+a.IntN(20))*time.Second, func() bool { return len(h.violations) > 0 })
	}
	h.outage = ""
}

// widen adds to what is watched: numbers of requests, limits, a metric relative to stable, and one for the time in which a
// revision has all traffic.
func (a analysts) widen(s *rollout.Spec) {
	for i := range s.Metrics {
		a.qualify(&s.Metrics[i])
	}
	if a.IntN(3) == 0 {
		s.Metrics = append(s.Metrics, a.compared())
	}
	if s.Wiring.Mode != rollout.BySelector && a.IntN(2) == 0 {
		low := 0.99
		late := analysis.Metric{Name: "late-errors", Threshold: analysis.Threshold{Min: &low, Text: ">= 0.99"}, Interval: 2 * time.Second}
		a.qualify(&late)
		s.PostMetrics = []analysis.Metric{late}
		s.Bake = max(s.Bake, 3*time.Second)
	}
}

// compared is a metric that compares with stable.
func (a analysts) compared() analysis.Metric {
	high := 1.1
	m := analysis.Metric{Name: "compared", Threshold: analysis.Threshold{Max: &high, Text: "<= 1.1"}, Interval: 3 * time.Second,
		Baseline: &analysis.Baseline{By: analysis.Ratio}}
	a.qualify(&m)
	return m
}

// qualify gives some metrics a number of requests below which they say nothing, and other limits.
func (a analysts) qualify(m *analysis.Metric) {
	if a.IntN(2) == 0 {
		m.MinRequests = 100
	}
	if a.IntN(3) > 0 {
		m.Limits = a.limits()
	}
}

// limits are strict about whatever is no pass, or about nothing.
func (a analysts) limits() analysis.Limits {
	switch a.IntN(4) {
	case 0, 1:
		return analysis.Limits{ConsecutiveErrors: new(a.IntN(2)), Inconclusive: new(a.IntN(2)), NoData: analysis.AsFail}
	case 2:
		return analysis.Limits{Failures: -1, NoData: analysis.AsPass}
	}
	return analysis.Limits{Failures: a.IntN(2)}
}

// aim lets an outage be one of what is asked about stable alone, now and then.
func (a analysts) aim(o Outage) Outage {
	narrow, there := map[Outage]Outage{Down: StableDown, Silent: StableSilent, NaN: StableNaN, Infinite: StableInfinite}[o]
	if there && a.IntN(4) == 0 {
		return narrow
	}
	return o
}
