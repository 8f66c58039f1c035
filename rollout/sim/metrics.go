package sim

import (
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
)

// due is when the next measurement is due, for a process that wants some.
func (p *process) due(metric analysis.Metric) time.Time {
	last := p.measure.Last[metric.Name]
	for _, r := range p.results {
		if r.Metric == metric.Name && r.Run == p.measure.Run && r.At.After(last) {
			last = r.At
		}
	}
	if due, from := last.Add(metric.Interval), p.measure.From[metric.Name]; due.After(from) {
		return due
	}
	return p.measure.From[metric.Name]
}

// measureDue asks the metric source what is due, and says whether anything was.
func (c *Cluster) measureDue(p *process) bool {
	if p.measure == nil {
		return false
	}
	asked := false
	for _, metric := range p.measure.Metrics {
		if p.due(metric).After(p.now(c)) {
			continue
		}
		m := c.ask(p.measure, metric)
		m.At = p.now(c)
		p.results = append(p.results, m)
		p.fresh, asked = false, true
	}
	return asked
}

// Outage is what the metric source answers instead of the truth.
type Outage string

// The outages.
const (
	// Down: it can't be asked.
	Down Outage = "down"
	// Silent: it has no series.
	Silent Outage = "silent"
	// NaN: it has no number, as for a ratio without requests.
	NaN Outage = "NaN"
	// Infinite: it divides by nothing.
	Infinite Outage = "infinite"
	// Torn: it has several series instead of one.
	Torn Outage = "torn"
	// Few: it has seen hardly any requests.
	Few Outage = "few"
	// Lying: bad revisions look good, and good ones bad.
	Lying Outage = "lying"
	// StableDown, StableSilent, StableNaN and StableInfinite are the same about stable, where it is compared with, and the
	// truth about the revision under test.
	StableDown     Outage = "stable down"
	StableSilent   Outage = "stable silent"
	StableNaN      Outage = "stable NaN"
	StableInfinite Outage = "stable infinite"
)

// enough requests are behind every answer, unless there are Few.
const enough = 1000

// ask is the metric source. It notes a pass that was measured while the canary was sure to have all traffic.
func (c *Cluster) ask(measure *rollout.Measure, metric analysis.Metric) analysis.Measurement {
	if metric.Gate {
		return c.reply(measure, metric)
	}
	run := measure.Run
	m := analysis.Measurement{Run: run, Step: measure.Step, Metric: metric.Name}
	release := c.Status().Release
	var evidence analysis.Evidence
	if release != nil && release.Run == run {
		evidence = c.answer(release.Revision, metric)
	}
	m.Judgement = analysis.Judge(metric, evidence)
	c.say("metrics", "%s of run %d: %s %s", metric.Name, run, m.Verdict, m.Message)
	passed := m.Verdict == analysis.Pass || m.Verdict == analysis.NoData && metric.Limits.NoData == analysis.AsPass
	if passed && release != nil {
		at := place{run: run, step: release.Step}
		c.evidence.stepPassed[at] = append(c.evidence.stepPassed[at], metric.Name)
		if c.canaryHasEverything() {
			c.evidence.passed[run] = append(c.evidence.passed[run], metric.Name)
		}
	}
	return m
}

// answer is what the source says of a revision.
func (c *Cluster) answer(revision rollout.Revision, metric analysis.Metric) analysis.Evidence {
	e := analysis.Evidence{Counts: []analysis.Counts{{Requests: enough}}}
	if metric.Baseline != nil {
		c.compare(&e, metric)
	}
	switch c.outage {
	case Down:
		e.Err = errors.New("the metric source is down")
	case Silent:
	case NaN:
		e.Sample = analysis.Number(math.NaN())
	case Infinite:
		e.Sample = analysis.Number(math.Inf(1))
	case Torn:
		value := c.value(revision, metric)
		e.Sample.Series = []analysis.Series{{Labels: map[string]string{"pod": "a"}, Value: value}, {Labels: map[string]string{"pod": "b"}, Value: value}}
	case Few:
		e.Sample, e.Counts = analysis.Number(c.value(revision, metric)), []analysis.Counts{{Requests: 1}}
	case Lying:
		e.Sample = analysis.Number(c.value(revision, metric))
		if analysis.Judge(metric, e).Verdict == analysis.Pass {
			e.Sample = analysis.Number(bad(metric))
		} else {
			e.Sample = analysis.Number(good(metric))
		}
	default:
		e.Sample = analysis.Number(c.value(revision, metric))
	}
	return e
}

// compare adds what the source says of stable.
func (c *Cluster) compare(e *analysis.Evidence, metric analysis.Metric) {
	switch c.outage {
	case StableDown:
		e.Err = errors.New("stable: the metric source is down")
	case StableSilent:
	case StableNaN:
		e.Baseline = analysis.Number(math.NaN())
	case StableInfinite:
		e.Baseline = analysis.Number(math.Inf(1))
	default:
		e.Baseline = analysis.Number(c.value(c.Status().Stable, metric))
	}
}

// value is what the revision is like.
func (c *Cluster) value(revision rollout.Revision, metric analysis.Metric) float64 {
	c.asked++
	q := c.quality[revision]
	if value, there := q.Values[metric.Name]; there {
		return value
	}
	if q.Flaky && c.asked%3 == 0 {
		return bad(metric)
	}
	return good(metric)
}

// good is a value that is just good enough.
func good(metric analysis.Metric) float64 {
	switch t := metric.Threshold; {
	case t.Min != nil:
		return *t.Min
	case t.Max != nil:
		return *t.Max
	}
	return 0
}

// bad is a value that isn't.
func bad(metric analysis.Metric) float64 {
	if metric.Threshold.Max != nil {
		return good(metric) + 1
	}
	return good(metric) - 1
}

// canaryHasEverything says whether no gateway sends anything to stable any more.
func (c *Cluster) canaryHasEverything() bool {
	o := c.store.rollouts.last()
	switch o.wiring().Mode {
	case rollout.ByRoutes:
		none := o.service(rollout.StableRole)
		return c.data.largest(c.now, 0)[none] == 0
	case rollout.BySelector:
		reached := c.data.reaches(active, c.now, 0)
		return len(reached) == 1 && reached[0] == o.status.Release.Revision
	case rollout.ByPods:
	}
	for _, set := range c.store.sets.last() {
		if set.Revision != o.status.Release.Revision && set.Replicas > 0 {
			return false
		}
	}
	return true
}

// forgetPersisted drops the results that the status shows.
func (p *process) forgetPersisted(status rollout.Status) {
	p.results = slices.DeleteFunc(p.results, func(m analysis.Measurement) bool {
		if status.Release == nil || status.Release.Run > m.Run {
			return true
		}
		return status.Release.Run == m.Run && (slices.ContainsFunc(status.Release.Metrics, func(r analysis.Record) bool {
			return r.Metric == m.Metric && !m.At.After(r.At)
		}) || slices.ContainsFunc(status.Release.Gates, func(r rollout.GateRecord) bool {
			return "gate/"+r.Name == m.Metric && !m.At.After(r.At)
		}) || strings.HasPrefix(m.Metric, "gate/") && m.Step < status.Release.Step)
	})
}
