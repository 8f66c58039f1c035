package view

import (
	"fmt"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

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
	if r.Spec.Strategy.Canary == nil {
		return
	}
	steps := r.Spec.Strategy.Canary.Steps
	release := r.Status.Release
	if release != nil && rollout.Phase(release.Phase) == rollout.Installing {
		// The first revision is installed without steps.
		release = nil
	}
	title := "Plan for the next revision"
	if release != nil {
		title = "Plan for revision " + release.Revision
	}
	c.section(title)
	var rows [][]cell
	for i, step := range steps {
		rows = append(rows, c.planRow(fmt.Sprint(i+1), Step(step), i, step, release))
	}
	// Promotion follows the last step even if nobody writes it down.
	rows = append(rows, c.planRow("", "promote: all traffic to the new revision", len(steps), v1alpha1.Step{}, release))
	c.table(rows)
}

func (c *canvas) planRow(number, words string, index int, step v1alpha1.Step, release *v1alpha1.Release) []cell {
	m := markOf(index, release)
	if m == markCurrent || m == markStopped {
		if progress := c.progress(step, release); progress != "" {
			words += " (" + progress + ")"
		}
	}
	sign, text := m.paints()
	return []cell{{text: string(m), paint: sign}, {text: number, paint: text}, {text: words, paint: text}}
}

func markOf(index int, release *v1alpha1.Release) mark {
	if release == nil {
		return markNext
	}
	switch current := int(release.StepIndex); {
	case index < current:
		return markDone
	case index > current:
		return markNext
	case rollout.Phase(release.Phase) == rollout.Aborting || rollout.Phase(release.Phase) == rollout.Aborted:
		return markStopped
	default:
		return markCurrent
	}
}

// progress says since when the current line of the plan is being carried out, and when it ends by itself.
func (c *canvas) progress(step v1alpha1.Step, release *v1alpha1.Release) string {
	switch rollout.Phase(release.Phase) {
	case rollout.Aborting:
		return "being taken back"
	case rollout.Aborted:
		return "taken back here"
	default:
	}
	if release.StepStartedAt == nil {
		return ""
	}
	text := "for " + roughly(c.now.Sub(release.StepStartedAt.Time))
	if step.Pause != nil && step.Pause.Duration != nil {
		end := release.StepStartedAt.Add(step.Pause.Duration.Duration)
		return text + ", " + roughly(end.Sub(c.now)) + " left"
	}
	if release.Deadline != nil {
		return text + ", taken back in " + roughly(release.Deadline.Sub(c.now)) + " unless it makes progress"
	}
	return text
}
