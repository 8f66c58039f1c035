package view

import (
	"slices"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// gates are those that were asked where the release is now, and what they said.
func (c *canvas) gates(r *v1alpha1.Rollout) {
	if r.Status.Release == nil || len(r.Status.Release.Gates) == 0 {
		return
	}
	rows := [][]cell{cells("NAME", "AT", "ANSWER", "WAITED", "ASKED", "")}
	for _, g := range r.Status.Release.Gates {
		at := ""
		if i := slices.IndexFunc(r.Spec.Gates, func(spec v1alpha1.Gate) bool { return spec.Name == g.Name }); i >= 0 {
			at = r.Spec.Gates[i].At
		}
		answer, paint := answerWords(g)
		rows = append(rows, []cell{{text: g.Name}, {text: orDash(at)}, {text: answer, paint: paint}, {text: ago(g.Since.Time, c.now)},
			{text: orDash(microAgo(g.AskedAt, c.now))}, {text: g.Message, paint: dim}})
	}
	c.section("Gates")
	c.table(rows)
}

// answerWords are what a gate said last.
func answerWords(g v1alpha1.GateStatus) (string, paint) {
	switch {
	case g.Waived:
		return "went on without", yellow
	case g.Verdict == pass:
		return "confirmed", green
	case g.Verdict == fail:
		return "refused", red
	case g.Verdict == inconclusive:
		return "not yet", yellow
	case g.Verdict == failed:
		return "could not be asked", yellow
	}
	return "none yet", dim
}
