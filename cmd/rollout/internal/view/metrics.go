package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// The verdicts, as the status spells them.
const (
	pass         = "pass"
	fail         = "fail"
	inconclusive = "inconclusive"
	noData       = "no data"
	failed       = "error"
)

func (c *canvas) metrics(r *v1alpha1.Rollout) {
	if r.Status.Release == nil {
		// Nothing is measured without a release, and an old value next to a healthy Rollout would only mislead.
		return
	}
	rows := c.measured(writtenMetrics(r), r.Status.Release.Metrics)
	if len(rows) > 1 {
		c.section("Metrics")
		c.table(rows)
	}
}

// measured are the rows of a table of metrics: first those that are written down, then those that templates add to them.
func (c *canvas) measured(written []v1alpha1.Metric, status []v1alpha1.MetricStatus) [][]cell {
	rows := [][]cell{cells("NAME", "VERDICT", "VALUE", "THRESHOLD", "LAST", "MEASURED", "RESULTS", "")}
	for _, spec := range written {
		var m v1alpha1.MetricStatus
		if i := slices.IndexFunc(status, func(m v1alpha1.MetricStatus) bool { return m.Name == spec.Name }); i >= 0 {
			m = status[i]
		}
		rows = append(rows, c.metric(spec, m))
	}
	for _, m := range status {
		if !slices.ContainsFunc(written, func(spec v1alpha1.Metric) bool { return spec.Name == m.Name }) {
			rows = append(rows, c.metric(v1alpha1.Metric{Name: m.Name}, m))
		}
	}
	return rows
}

// writtenMetrics are those that the Rollout itself spells out for where its release is: in the background, and at the current
// line of the plan. Of an analysis at one line nothing is left once the release has gone on or back.
func writtenMetrics(r *v1alpha1.Rollout) []v1alpha1.Metric {
	var metrics []v1alpha1.Metric
	if canary := r.Spec.Strategy.Canary; canary != nil && canary.Analysis != nil {
		metrics = canary.Analysis.Metrics
	}
	release, lines := r.Status.Release, planOf(r)
	if current := currentLine(r, release, lines); current < len(lines) && !TakenBack(release) && lines[current].analysis != nil {
		metrics = slices.Concat(metrics, lines[current].analysis.Metrics)
	}
	return metrics
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
	name := spec.Name
	if m.DryRun {
		name += " (dry run)"
	}
	return []cell{
		{text: name},
		{text: verdict, paint: verdictPaint(m.Verdict)},
		{text: orDash(m.Value)},
		{text: orDash(threshold)},
		{text: orDash(sparkline(m.Measurements))},
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

func thresholdWords(t *v1alpha1.Threshold) string {
	if t == nil {
		return ""
	}
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
	add(m.Failures, fail, allowed(spec))
	add(m.Inconclusive, inconclusive, "")
	add(m.NoData, noData, "")
	add(m.Errors, failed, "")
	if m.Requests > 0 {
		words = append(words, fmt.Sprintf("of %d requests", m.Requests))
	}
	return strings.Join(words, ", ")
}

// allowed says how many failures are. A metric of a template doesn't say it here.
func allowed(spec v1alpha1.Metric) string {
	switch {
	case spec.FailureLimit != nil && *spec.FailureLimit >= 0:
		return fmt.Sprintf(" (%d allowed)", *spec.FailureLimit)
	case spec.FailureLimit == nil && spec.ConsecutiveFailureLimit == nil && (spec.Threshold != nil || spec.Query != ""):
		return " (0 allowed)"
	}
	return ""
}
