package rollout

import (
	"fmt"
	"slices"

	"github.com/rollout-dev/rollout/analysis"
)

// ownPlace names the analysis that only matters at this point of the release.
func (d *decision) ownPlace() string {
	switch {
	case d.o.mode() != BySelector && d.next.Release.Phase == Promoting:
		return "bake"
	case d.o.mode() != BySelector:
		return fmt.Sprintf("step-%d", d.next.Release.Step+1)
	case d.next.Release.Phase == Promoting:
		return "post-promotion"
	}
	return "pre-promotion"
}

// concludeOwn notes that the analysis of this step, or of the time after the switch, is over. Whoever goes on without a verdict,
// because a person asked or somebody aborted, cancels it.
func (d *decision) concludeOwn(cancelled string) {
	if own := d.ownMetrics(); len(own) > 0 {
		d.concludeAnalysis(d.ownPlace(), own, cancelled)
	}
}

// concludeBackground notes that the release is over for what was watched all the way.
func (d *decision) concludeBackground(cancelled string) {
	if metrics := d.background(); len(metrics) > 0 {
		d.concludeAnalysis("background", metrics, cancelled)
	}
}

// concludeAnalysis says how an analysis ended: condemned, cancelled for a reason, or passed. One that never measured anything
// leaves nothing to record.
func (d *decision) concludeAnalysis(place string, metrics []analysis.Metric, cancelled string) {
	release := d.next.Release
	a := Analysis{Place: place, Run: release.Run, Revision: release.Revision, Started: release.StepStarted}
	if place == "background" {
		a.Started = release.Started
	}
	for _, m := range metrics {
		at := slices.IndexFunc(release.Metrics, func(r analysis.Record) bool { return r.Metric == m.Name && r.Verdict != "" })
		if at >= 0 {
			a.Records = append(a.Records, release.Metrics[at])
		}
	}
	if len(a.Records) == 0 {
		return
	}
	switch c := d.conclude(metrics); {
	case c.Condemned:
		a.Conclusion = c
	case cancelled != "":
		a.Conclusion.Reason = cancelled
	default:
		a.Conclusion.Verdict = analysis.Pass
	}
	d.plan.Analyses = append(d.plan.Analyses, a)
}

// skipped is why an analysis is cancelled that the release goes on without; empty if it needn't.
func (d *decision) skipped() string {
	if d.next.Release.Approved {
		return "a person let the release go on without a verdict"
	}
	return ""
}
