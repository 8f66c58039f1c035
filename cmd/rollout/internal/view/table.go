package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// Table lists Rollouts, one a row. It remembers the width of its columns, so that rows that are rendered later line up
// with the earlier ones.
type Table struct {
	// Style of the text.
	Style Style
	// Namespaces adds a column with the namespace.
	Namespaces bool
	// Width of the terminal, in columns; messages are cut there. 0 cuts nothing.
	Width int

	columns columns
}

// Sort puts Rollouts in the order in which people look for them: by namespace, then by name.
func Sort(rollouts []*v1alpha1.Rollout) {
	slices.SortFunc(rollouts, func(a, b *v1alpha1.Rollout) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

// Render returns the heading and one line for each Rollout.
func (t *Table) Render(rollouts []*v1alpha1.Rollout, now time.Time) string {
	titles := []string{"NAME", "PHASE", "STEP", "WEIGHT", "READY", "STABLE", "AGE", "MESSAGE"}
	if t.Namespaces {
		titles = append([]string{"NAMESPACE"}, titles...)
	}
	rows := [][]cell{cells(titles...)}
	for _, r := range rollouts {
		rows = append(rows, t.row(r, now))
	}
	return t.lines(rows)
}

// Row returns the line of one Rollout.
func (t *Table) Row(r *v1alpha1.Rollout, now time.Time) string {
	return t.lines([][]cell{t.row(r, now)})
}

func (t *Table) lines(rows [][]cell) string {
	t.columns.fit(rows)
	var out strings.Builder
	for _, row := range rows {
		out.WriteString(t.columns.line(t.Style, row, t.Width) + "\n")
	}
	return out.String()
}

func (t *Table) row(r *v1alpha1.Rollout, now time.Time) []cell {
	text := Behind(r)
	if text == "" {
		text = message(r)
	}
	row := []cell{
		{text: r.Name},
		{text: orDash(string(r.Status.Phase)), paint: phasePaint(r.Status.Phase)},
		{text: orDash(r.Status.Step)},
		{text: weight(r)},
		{text: fmt.Sprintf("%d/%s", r.Status.ReadyReplicas, desiredText(r))},
		{text: orDash(r.Status.StableRevision)},
		{text: age(r.CreationTimestamp, now)},
		{text: text},
	}
	if t.Namespaces {
		row = append([]cell{{text: r.Namespace}}, row...)
	}
	return row
}

// weight is the share of the revision under test. In a blue-green release it has all or nothing.
func weight(r *v1alpha1.Rollout) string {
	switch {
	case r.Status.Traffic == nil:
		return "-"
	case mode(r) != bySelector:
		return fmt.Sprintf("%d%%", r.Status.Traffic.CanaryWeight)
	case switched(r):
		return "100%"
	default:
		return "0%"
	}
}

// desired is the number of pods that are wanted; false if the Rollout leaves that to its Deployment.
func desired(r *v1alpha1.Rollout) (int32, bool) {
	switch {
	case r.Spec.Replicas != nil:
		return *r.Spec.Replicas, true
	case r.Spec.WorkloadRef != nil:
		return 0, false
	default:
		return 1, true
	}
}

func desiredText(r *v1alpha1.Rollout) string {
	if pods, known := desired(r); known {
		return fmt.Sprint(pods)
	}
	return "-"
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
