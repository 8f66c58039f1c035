package view

import (
	"time"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// Run draws an AnalysisRun: its verdict and why, and its metrics.
func Run(run *v1alpha1.AnalysisRun, s Style, now time.Time) string {
	c := canvas{style: s, now: now}
	paint := yellow
	switch run.Status.Phase {
	case v1alpha1.RunPassed:
		paint = green
	case v1alpha1.RunFailed:
		paint = red
	}
	rows := [][]cell{
		{{text: "AnalysisRun"}, {text: run.Namespace + "/" + run.Name, paint: bold}},
		{{text: "Phase"}, {text: orDash(run.Status.Phase), paint: paint}},
	}
	if run.Status.Message != "" {
		rows = append(rows, []cell{{text: "Message"}, {text: run.Status.Message}})
	}
	c.table(rows)
	var written []v1alpha1.Metric
	if run.Spec.Analysis != nil {
		written = run.Spec.Analysis.Metrics
	}
	if metrics := c.measured(written, run.Status.Metrics); len(metrics) > 1 {
		c.section("Metrics")
		c.table(metrics)
	}
	return c.out.String()
}
