package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
)

// What becomes of a release by the outcome of a metric.
const (
	wentOn    = "went on"
	waited    = "waited"
	takenBack = "was taken back"
)

// cell names what became of a release by an outcome at a place where analysis stands.
func cell(place string, outcome analysis.Verdict, effect string) string {
	return fmt.Sprintf("%s: %s, %s", place, outcome, effect)
}

// placeOf is where a metric stands; each place has metrics of its own.
func placeOf(metric string, mode rollout.Mode) string {
	switch {
	case metric == "compared":
		return "relative to stable"
	case metric == "late-errors":
		return "bake"
	case metric == "smoke-test" && mode == rollout.BySelector:
		return "pre-promotion"
	case metric == "smoke-test":
		return "step"
	case mode == rollout.BySelector:
		return "post-promotion"
	}
	return "background"
}

// cells are what a write of the status shows of analysis: which metric it names as the reason to wait or to go back, or which
// ones must have passed.
func cells(before, after object) []string {
	release := after.status.Release
	if promoted := cellsOfProgress(before, after); len(promoted) > 0 || release == nil {
		return promoted
	}
	waits := after.report.Reason == "WaitingForVerdict" || after.report.Reason == "Held"
	back := entered(before.status.Release, release) == "aborted by "+string(rollout.ByAnalysis)
	var all []string
	for _, r := range release.Metrics {
		place := placeOf(r.Metric, after.status.Wiring.Mode)
		switch {
		case r.Verdict == "":
		case back && strings.HasPrefix(release.CauseMessage, r.Metric+" "):
			all = append(all, cell(place, r.Verdict, takenBack))
		case waits && strings.Contains(after.report.Message, ": "+r.Metric+" "):
			all = append(all, cell(place, r.Verdict, waited))
		}
	}
	return all
}

// cellsOfProgress are those of a step that was done, or a promotion, without a word of a person.
func cellsOfProgress(before, after object) []string {
	from, to := before.status.Release, after.status.Release
	if from == nil || from.Approved {
		return nil
	}
	var passed []analysis.Metric
	switch {
	case from.Phase == rollout.Promoting && before.status.Stable != after.status.Stable:
		passed = slices.Concat(before.spec.Metrics, before.spec.PostMetrics)
	case judged(from, to, before.spec.Steps) && before.status.Answer == after.status.Answer:
		passed = before.spec.Steps[from.Step].Metrics
	}
	var all []string
	for _, m := range passed {
		all = append(all, cell(placeOf(m.Name, before.status.Wiring.Mode), analysis.Pass, wentOn))
	}
	return all
}
