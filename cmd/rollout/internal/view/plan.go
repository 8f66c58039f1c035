package view

import (
	"fmt"
	"slices"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// plan is what a release goes through.
type plan []line

// line is one entry of a plan.
type line struct {
	words string
	// step says that it counts as a step. The others belong to every release, even if nobody writes them down.
	step bool
	// pause is the wait that it is, if it is one.
	pause *v1alpha1.Pause
	// analysis is what has to pass there, if anything has besides what is watched in the background.
	analysis *v1alpha1.Analysis
}

// planOf is the plan of the Rollout's strategy, empty if it has none that this program knows.
func planOf(r *v1alpha1.Rollout) plan {
	switch strategy := r.Spec.Strategy; {
	case strategy.BlueGreen != nil:
		return blueGreenPlan(r, strategy.BlueGreen)
	case strategy.Canary != nil:
		return canaryPlan(strategy.Canary)
	default:
		return nil
	}
}

func canaryPlan(canary *v1alpha1.Canary) plan {
	var p plan
	for _, step := range canary.Steps {
		p = append(p, line{words: Step(step), step: true, pause: step.Pause, analysis: step.Analysis})
	}
	last := line{words: "promote: all traffic to the new revision"}
	if bake := canary.Bake; bake != nil {
		last.words += bakeWords(bake)
		last.analysis = bake.Analysis
	}
	return append(p, last)
}

func (p plan) steps() plan {
	return slices.DeleteFunc(slices.Clone(p), func(l line) bool { return !l.step })
}

// mark says how far the release has come with one line of the plan.
type mark string

const (
	markDone    mark = "✔"
	markCurrent mark = "▶"
	markStopped mark = "✖"
	markNext    mark = "·"
)

func (m mark) paints() (sign, words paint) {
	switch m {
	case markDone:
		return green, plain
	case markCurrent:
		return blue, bold
	case markStopped:
		return red, plain
	default:
		return dim, dim
	}
}

func (c *canvas) plan(r *v1alpha1.Rollout) {
	lines := planOf(r)
	if lines == nil {
		return
	}
	release := r.Status.Release
	if release != nil && Installing(release) {
		// The first revision is installed without steps.
		release = nil
	}
	title, current := "Plan for the next revision", -1
	if release != nil {
		title, current = "Plan for revision "+release.Revision, currentLine(r, release, lines)
	}
	c.section(title)
	var rows [][]cell
	number := 0
	for i, l := range lines {
		label := ""
		if l.step {
			number++
			label = fmt.Sprint(number)
		}
		m := markOf(i, current, release)
		if m == markCurrent || m == markStopped {
			if progress := c.progress(l, release); progress != "" {
				l.words += " (" + progress + ")"
			}
		}
		sign, text := m.paints()
		rows = append(rows, []cell{{text: string(m), paint: sign}, {text: label, paint: text}, {text: l.words, paint: text}})
	}
	c.table(rows)
}

// currentLine is the line of the plan that a release is at.
func currentLine(r *v1alpha1.Rollout, release *v1alpha1.Release, lines plan) int {
	if r.Spec.Strategy.BlueGreen != nil {
		return blueGreenLine(r, release, lines)
	}
	return int(release.StepIndex)
}

func markOf(index, current int, release *v1alpha1.Release) mark {
	switch {
	case release == nil || index > current:
		return markNext
	case index < current:
		return markDone
	case TakenBack(release):
		return markStopped
	default:
		return markCurrent
	}
}

// progress says since when the current line of the plan is being carried out, and when it ends by itself.
func (c *canvas) progress(l line, release *v1alpha1.Release) string {
	switch {
	case release.Phase == aborting:
		return "being taken back"
	case release.Phase == aborted:
		return "taken back here"
	case release.StepStartedAt == nil:
		return ""
	}
	text := "for " + roughly(c.now.Sub(release.StepStartedAt.Time))
	if l.pause != nil && l.pause.Duration != nil {
		end := release.StepStartedAt.Add(l.pause.Duration.Duration)
		return text + ", " + roughly(end.Sub(c.now)) + " left"
	}
	if release.Deadline != nil {
		return text + ", taken back in " + roughly(release.Deadline.Sub(c.now)) + " unless it makes progress"
	}
	return text
}
