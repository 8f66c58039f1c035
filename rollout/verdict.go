package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/rollout-dev/rollout/analysis"
)

// fold adds what was measured to the record of this run and takes the release back if a metric failed.
func (d *decision) fold() {
	release := d.next.Release
	if !d.judged() {
		return
	}
	var records []analysis.Record
	for _, m := range d.o.Spec.Metrics {
		record := analysis.Record{Metric: m.Name}
		if i := slices.IndexFunc(release.Metrics, func(r analysis.Record) bool { return r.Metric == m.Name }); i >= 0 {
			record = release.Metrics[i]
		}
		if record.At.After(d.o.Now) {
			// A clock was wrong then. Such a measurement would be newer than every change of the traffic to come.
			record.Verdict = ""
		}
		record.Threshold = m.Threshold.Text
		for _, measurement := range d.o.Measurements {
			if measurement.Run == release.Run && measurement.Metric == m.Name && !measurement.At.After(d.o.Now) {
				record = record.Add(measurement)
			}
		}
		records = append(records, record)
	}
	release.Metrics = records
	if d.moved {
		return
	}
	if c := d.conclude(); c.Verdict == analysis.Fail {
		d.warn("AnalysisFailed", "%s", c.Reason)
		d.abort(ByAnalysis, "%s", c.Reason)
	}
}

// judged says whether what is measured matters: a release is under way and no person took the responsibility for it.
func (d *decision) judged() bool {
	release := d.next.Release
	if release == nil || len(d.o.Spec.Metrics) == 0 {
		return false
	}
	return release.Phase == Stepping || release.Phase == Promoting && !release.Approved
}

// conclude is what the measurements of this run say about the share that the canary has now.
func (d *decision) conclude() analysis.Conclusion {
	return analysis.Conclude(d.next.Release.Metrics, d.o.Spec.Metrics, d.next.Ledger.Since.Add(d.o.Spec.Settle))
}

// approvedToGoOn says whether the release may expose more users: every metric passed at the present share, or a person
// said so. Without an answer it waits, and neither promotes nor condemns the revision; after the time that a release may
// go without progress it says that it waits for a person, and goes on by itself should an answer come.
func (d *decision) approvedToGoOn(format string, args ...any) bool {
	if !d.judged() || d.next.Release.Approved {
		return true
	}
	c := d.conclude()
	if c.Verdict == analysis.Pass {
		return true
	}
	d.patient = true
	position := fmt.Sprintf(format, args...)
	if d.reached(d.next.Ledger.Since.Add(d.o.Spec.ProgressDeadline)) {
		d.report(Waiting, "Held", "%s: no verdict since %s: %s; rollout promote goes on without one, rollout abort takes the release back",
			position, d.next.Ledger.Since.UTC().Format("15:04:05 UTC"), c.Reason)
		d.stall("Held", "spec.strategy.canary.analysis: %s", d.plan.Report.Message)
		return false
	}
	d.report(Progressing, "WaitingForVerdict", "%s: %s", position, c.Reason)
	return false
}

// measure says what to measure: every metric, as long as the canary has traffic and the outcome matters.
func (d *decision) measure() *Measure {
	if !d.judged() || d.next.Ledger.High == 0 {
		return nil
	}
	release := d.next.Release
	m := &Measure{Run: release.Run, Metrics: d.o.Spec.Metrics, Since: release.ExposedAt, Last: map[string]time.Time{}}
	for _, record := range release.Metrics {
		m.Last[record.Metric] = record.At
	}
	return m
}
