package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/rollout-dev/rollout/analysis"
)

// metrics are those that matter now: in the background, and those of the step or of the time after the switch.
func (d *decision) metrics() []analysis.Metric {
	return slices.Concat(d.background(), d.ownMetrics())
}

// background are the metrics that are watched all the way, or from a step on.
func (d *decision) background() []analysis.Metric {
	if release := d.next.Release; release != nil && release.Phase == Stepping && release.Step < d.o.Spec.MetricsFrom {
		return nil
	}
	return d.o.Spec.Metrics
}

// ownMetrics are those that only matter at this point of the release: what was measured before counts for nothing.
func (d *decision) ownMetrics() []analysis.Metric {
	release, steps := d.next.Release, d.o.Spec.Steps
	switch {
	case release == nil:
	case release.Phase == Promoting && d.next.Ledger.exactly(100):
		return d.o.Spec.PostMetrics
	case release.Phase == Stepping && release.Step < len(steps):
		return steps[release.Step].Metrics
	}
	return nil
}

// startJudging forgets, at the beginning of a step or of a phase, what was measured for others.
func (d *decision) startJudging() {
	release := d.next.Release
	d.judging = false
	release.Metrics = slices.DeleteFunc(release.Metrics, func(r analysis.Record) bool {
		return !slices.ContainsFunc(d.o.Spec.Metrics, func(m analysis.Metric) bool { return m.Name == r.Metric })
	})
}

// fold adds what was measured to the record of this run and takes the release back if a metric failed.
func (d *decision) fold() {
	release := d.next.Release
	if !d.judged() {
		return
	}
	var records []analysis.Record
	background, since := len(d.background()), d.verdictSince()
	for i, m := range d.metrics() {
		record := analysis.Record{Metric: m.Name}
		if known := slices.IndexFunc(release.Metrics, func(r analysis.Record) bool { return r.Metric == m.Name }); known >= 0 {
			record = release.Metrics[known]
		}
		if record.At.After(d.o.Now) {
			// A clock was wrong then. Such a measurement would be newer than every change of the traffic to come.
			record.Verdict = ""
		}
		if record.Threshold, record.DryRun = m.Wanted(), m.DryRun; m.Count > 1 {
			record = record.Under(since)
		}
		own := i >= background
		for _, measurement := range d.o.Measurements {
			if measurement.Metric == m.Name && d.counts(measurement, own) {
				record = record.Add(measurement)
			}
		}
		records = append(records, record)
	}
	release.Metrics = records
	if d.moved {
		return
	}
	if c := d.conclude(d.metrics()); c.Condemned {
		d.warn("AnalysisFailed", "%s", c.Reason)
		d.abort(ByAnalysis, "%s", c.Reason)
	}
}

// counts says whether a measurement is about this run, and for a metric of the step's own about this step.
func (d *decision) counts(m analysis.Measurement, own bool) bool {
	if m.Run != d.next.Release.Run || m.At.After(d.o.Now) {
		return false
	}
	return !own || m.Step == d.next.Release.Step && !m.At.Before(d.ownSince())
}

// ownSince is since when measurements of the step, or of the time after the switch, count.
func (d *decision) ownSince() time.Time {
	since := d.next.Release.StepStarted
	if switched := d.next.Ledger.Since; d.next.Release.Phase == Promoting && switched.After(since) {
		since = switched
	}
	return since
}

// judged says whether what is measured matters: a release is under way and no person took the responsibility for it.
func (d *decision) judged() bool {
	release := d.next.Release
	if release == nil || len(d.metrics()) == 0 {
		return false
	}
	return release.Phase == Stepping || release.Phase == Promoting && !release.Approved
}

// conclude is what the measurements of this run say about the share that the revision has now.
func (d *decision) conclude(metrics []analysis.Metric) analysis.Conclusion {
	return analysis.Conclude(d.next.Release.Metrics, metrics, d.verdictSince())
}

// verdictSince is since when a measurement speaks for the share that the revision has now.
func (d *decision) verdictSince() time.Time {
	since := d.next.Ledger.Since.Add(d.o.Spec.Settle)
	if d.judgedFrom().After(since) {
		since = d.judgedFrom()
	}
	return since
}

// judgedFrom is since when there is something to wait for a verdict on.
func (d *decision) judgedFrom() time.Time {
	if own := d.ownSince(); len(d.ownMetrics()) > 0 && own.After(d.next.Ledger.Since) {
		return own
	}
	return d.next.Ledger.Since
}

// approvedToGoOn says whether the release may expose more users: every metric passed at the present share, or a person
// said so. Without an answer it waits, and neither promotes nor condemns the revision; after the time that a release may
// go without progress it says that it waits for a person, and goes on by itself should an answer come.
func (d *decision) approvedToGoOn(format string, args ...any) bool {
	if !d.judged() || d.next.Release.Approved {
		return true
	}
	metrics := d.metrics()
	if d.next.Ledger.High == 0 {
		// Metrics in the background look at users' requests, of which there are none yet.
		metrics = d.ownMetrics()
	}
	c := d.conclude(metrics)
	if c.Verdict == analysis.Pass {
		return true
	}
	d.patient = true
	position := fmt.Sprintf(format, args...)
	since := d.judgedFrom()
	if d.reached(since.Add(d.o.Spec.ProgressDeadline)) {
		d.report(Waiting, "Held", "%s: no verdict since %s: %s; rollout promote goes on without one, rollout abort takes the release back",
			position, since.UTC().Format("15:04:05 UTC"), c.Reason)
		field := "spec.strategy.canary.analysis"
		if d.o.mode() == BySelector {
			field = "spec.strategy.blueGreen"
		}
		d.stall("Held", "%s: %s", field, d.plan.Report.Message)
		return false
	}
	d.report(Progressing, "WaitingForVerdict", "%s: %s", position, c.Reason)
	return false
}

// measurable are the metrics that there is something to say about now.
func (d *decision) measurable() []analysis.Metric {
	switch {
	case !d.judged() || d.next.Ledger.High == 0 && !d.o.exposedByRule() && !d.judging:
		return nil
	case d.next.Release.Phase == Stepping && !d.judging:
		return d.background()
	}
	return d.metrics()
}

// measure says what to measure: every metric, as long as there is something to look at and the outcome matters, and every gate
// that hasn't answered.
func (d *decision) measure() *Measure {
	metrics, gates := d.measurable(), d.waitingGates()
	if len(metrics)+len(gates) == 0 {
		return nil
	}
	release := d.next.Release
	m := &Measure{Run: release.Run, Step: release.Step, Metrics: append(slices.Clone(metrics), gates...), Since: release.ExposedAt,
		Last: map[string]time.Time{}, From: map[string]time.Time{}}
	if release.ExposedAt.IsZero() {
		m.Since = release.StepStarted
	}
	for i, metric := range metrics {
		since := m.Since
		if i >= len(d.background()) {
			since = d.ownSince()
		}
		if metric.InitialDelay > 0 {
			m.From[metric.Name] = since.Add(metric.InitialDelay)
		}
	}
	for _, record := range release.Metrics {
		m.Last[record.Metric] = record.At
	}
	for _, record := range release.Gates {
		m.Last[gatePrefix+record.Name] = record.At
	}
	return m
}
