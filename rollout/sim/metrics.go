package sim

import (
	"errors"
	"slices"
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
	return last.Add(metric.Interval)
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

// ask is the metric source. It notes a pass that was measured while the canary was sure to have all traffic.
func (c *Cluster) ask(measure *rollout.Measure, metric analysis.Metric) analysis.Measurement {
	run := measure.Run
	m := analysis.Measurement{Run: run, Step: measure.Step, Metric: metric.Name}
	release := c.Status().Release
	var sample analysis.Sample
	var err error
	switch {
	case c.outage == analysis.Error:
		err = errors.New("the metric source is down")
	case c.outage == analysis.NoData || release == nil || release.Run != run:
	default:
		sample = c.sample(release.Revision, metric)
	}
	m.Verdict, m.Value, m.Message = analysis.Judge(metric.Threshold, sample, err)
	c.say("metrics", "%s of run %d: %s %s", metric.Name, run, m.Verdict, m.Message)
	if m.Verdict == analysis.Pass && release != nil {
		at := place{run: run, step: release.Step}
		c.evidence.stepPassed[at] = append(c.evidence.stepPassed[at], metric.Name)
		if c.canaryHasEverything() {
			c.evidence.passed[run] = append(c.evidence.passed[run], metric.Name)
		}
	}
	return m
}

// sample is what the revision is like.
func (c *Cluster) sample(revision rollout.Revision, metric analysis.Metric) analysis.Sample {
	c.asked++
	q := c.quality[revision]
	good := 0.0
	switch {
	case metric.Threshold.Min != nil:
		good = *metric.Threshold.Min
	case metric.Threshold.Max != nil:
		good = *metric.Threshold.Max
	}
	if value, there := q.Values[metric.Name]; there {
		return analysis.Number(value)
	}
	if q.Flaky && c.asked%3 == 0 {
		if metric.Threshold.Max != nil {
			good++
		} else {
			good--
		}
	}
	return analysis.Number(good)
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
		return status.Release.Run == m.Run && slices.ContainsFunc(status.Release.Metrics, func(r analysis.Record) bool {
			return r.Metric == m.Metric && !m.At.After(r.At)
		})
	})
}
