package view

import (
	"fmt"
	"strings"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func (c *canvas) metrics(r *v1alpha1.Rollout) {
	// Without a release nothing is measured, and an old value next to a healthy Rollout would only mislead.
	if r.Status.Release == nil || r.Spec.Strategy.Canary == nil || r.Spec.Strategy.Canary.Analysis == nil {
		return
	}
	measured := map[string]v1alpha1.MetricStatus{}
	for _, m := range r.Status.Release.Metrics {
		measured[m.Name] = m
	}
	c.section("Metrics")
	rows := [][]cell{cells("NAME", "VERDICT", "VALUE", "THRESHOLD", "MEASURED", "RESULTS", "")}
	for _, spec := range r.Spec.Strategy.Canary.Analysis.Metrics {
		rows = append(rows, c.metric(spec, measured[spec.Name]))
	}
	c.table(rows)
}

func (c *canvas) metric(spec v1alpha1.Metric, m v1alpha1.MetricStatus) []cell {
	threshold := m.Threshold
	if threshold == "" {
		threshold = thresholdWords(spec.Threshold)
	}
	verdict := m.Verdict
	if verdict == "" {
		verdict = "not yet"
	}
	return []cell{
		{text: spec.Name},
		{text: verdict, paint: verdictPaint(m.Verdict)},
		{text: orDash(m.Value)},
		{text: threshold},
		{text: orDash(microAgo(m.MeasuredAt, c.now))},
		{text: orDash(results(spec, m))},
		{text: m.Message, paint: dim},
	}
}

func verdictPaint(verdict string) paint {
	switch analysis.Verdict(verdict) {
	case analysis.Pass:
		return green
	case analysis.Fail:
		return red
	case "":
		return dim
	default:
		return yellow
	}
}

func thresholdWords(t v1alpha1.Threshold) string {
	var words []string
	if t.Min != "" {
		words = append(words, ">= "+t.Min)
	}
	if t.Max != "" {
		words = append(words, "<= "+t.Max)
	}
	return strings.Join(words, ", ")
}

func results(spec v1alpha1.Metric, m v1alpha1.MetricStatus) string {
	var words []string
	add := func(count int32, verdict analysis.Verdict, remark string) {
		if count > 0 {
			words = append(words, fmt.Sprintf("%d %s%s", count, verdict, remark))
		}
	}
	add(m.Passes, analysis.Pass, "")
	add(m.Failures, analysis.Fail, fmt.Sprintf(" (%d allowed)", spec.FailureLimit))
	add(m.NoData, analysis.NoData, "")
	add(m.Errors, analysis.Error, "")
	return strings.Join(words, ", ")
}
