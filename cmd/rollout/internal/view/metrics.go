package view

import (
	"fmt"
	"strings"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// The verdicts, as the status spells them.
const (
	pass   = "pass"
	fail   = "fail"
	noData = "no data"
	failed = "error"
)

func (c *canvas) metrics(r *v1alpha1.Rollout) {
	analysis := analysisOf(r)
	if analysis == nil {
		return
	}
	measured := map[string]v1alpha1.MetricStatus{}
	for _, m := range r.Status.Release.Metrics {
		measured[m.Name] = m
	}
	c.section("Metrics")
	rows := [][]cell{cells("NAME", "VERDICT", "VALUE", "THRESHOLD", "MEASURED", "RESULTS", "")}
	for _, spec := range analysis.Metrics {
		rows = append(rows, c.metric(spec, measured[spec.Name]))
	}
	c.table(rows)
}

// analysisOf is what is measured now, nil for nothing. Without a release nothing is, and an old value next to a healthy
// Rollout would only mislead. Of an analysis at one line of the plan nothing is left once the release has gone on or back.
func analysisOf(r *v1alpha1.Rollout) *v1alpha1.Analysis {
	release := r.Status.Release
	switch {
	case release == nil:
		return nil
	case r.Spec.Strategy.Canary != nil:
		return r.Spec.Strategy.Canary.Analysis
	}
	lines := planOf(r)
	if current := currentLine(r, release, lines); current < len(lines) && !TakenBack(release) {
		return lines[current].analysis
	}
	return nil
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
	switch verdict {
	case pass:
		return green
	case fail:
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
	add := func(count int32, verdict, remark string) {
		if count > 0 {
			words = append(words, fmt.Sprintf("%d %s%s", count, verdict, remark))
		}
	}
	add(m.Passes, pass, "")
	add(m.Failures, fail, fmt.Sprintf(" (%d allowed)", spec.FailureLimit))
	add(m.NoData, noData, "")
	add(m.Errors, failed, "")
	return strings.Join(words, ", ")
}
