package view

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// Picture is everything that Tree draws.
type Picture struct {
	// Rollout to draw.
	Rollout *v1alpha1.Rollout
	// ReplicaSets of the Rollout; they give revisions their age and image.
	ReplicaSets []appsv1.ReplicaSet
	// Note is a remark about the picture itself, for example why a part of it is missing.
	Note string
}

// Tree draws a Rollout: what it is doing and why, its plan, its revisions and its metrics.
func Tree(p Picture, s Style, now time.Time) string {
	c := canvas{style: s, now: now}
	c.head(p.Rollout)
	c.plan(p.Rollout)
	c.revisions(p)
	c.metrics(p.Rollout)
	c.gates(p.Rollout)
	if p.Note != "" {
		c.printf("\n%s\n", s.apply(dim, p.Note))
	}
	return c.out.String()
}

type canvas struct {
	style Style
	now   time.Time
	out   strings.Builder
}

func (c *canvas) printf(format string, args ...any) { fmt.Fprintf(&c.out, format, args...) }

func (c *canvas) table(rows [][]cell) {
	var columns columns
	columns.fit(rows)
	for _, row := range rows {
		c.out.WriteString(columns.line(c.style, row, 0) + "\n")
	}
}

func (c *canvas) section(title string) {
	c.printf("\n%s\n", c.style.apply(bold, title))
}

func (c *canvas) head(r *v1alpha1.Rollout) {
	status := r.Status
	rows := [][]cell{{{text: "Rollout"}, {text: r.Namespace + "/" + r.Name, paint: bold}}}
	add := func(label, text string, p paint) {
		if text != "" {
			rows = append(rows, []cell{{text: label}, {text: text, paint: p}})
		}
	}
	add("Phase", string(status.Phase), phasePaint(status.Phase))
	add("Message", status.Message, plain)
	add("Waiting", Behind(r), yellow)
	add("Paused", Paused(r), yellow)
	add("Restart", c.restart(r), yellow)
	if status.UndoTo != "" {
		add("Undo", fmt.Sprintf("going back to revision %s, as requested", status.UndoTo), yellow)
	}
	if stalled := condition(r, v1alpha1.ConditionStalled, metav1.ConditionTrue); stalled != status.Message {
		add("Stalled", stalled, red)
	}
	add("Unavailable", condition(r, v1alpha1.ConditionAvailable, metav1.ConditionFalse), red)
	if status.Step != "" {
		add("Step", status.Step+" done", plain)
	}
	add("Traffic", c.traffic(r), plain)
	if ref := r.Spec.WorkloadRef; ref != nil {
		add("Template", "that of Deployment "+ref.Name, plain)
	}
	add("Pods", pods(r), plain)
	add("Request", c.request(r), plain)
	c.table(rows)
}

func pods(r *v1alpha1.Rollout) string {
	status := r.Status
	n, known := desired(r)
	wanted := fmt.Sprintf("%d desired", n)
	if !known {
		wanted = fmt.Sprintf("as many as the Deployment asks for, %d serving", status.ServingReplicas)
	}
	return fmt.Sprintf("%s, %d ready, %d available", wanted, status.ReadyReplicas, status.AvailableReplicas)
}

// restart says how far a replacement of pods has come, or when the next one is to begin.
func (c *canvas) restart(r *v1alpha1.Rollout) string {
	restart, planned := r.Status.Restart, r.Spec.RestartAt
	switch {
	case Restarting(r) && restart.Until == nil:
		return "asked for " + ago(restart.At.Time, c.now) + "; it begins when nothing else is under way"
	case Restarting(r):
		text := fmt.Sprintf("%s left of those older than %s", count(restart.Left, "pod"), roughly(c.now.Sub(restart.Until.Time)))
		if since := microAgo(restart.ProgressAt, c.now); since != "" {
			text += "; the last one went " + since
		}
		return text
	case planned != nil && planned.After(c.now):
		return "of all pods in " + roughly(planned.Sub(c.now)) + ", as spec.restartAt says"
	default:
		return ""
	}
}

// condition is the message of a condition that has the given status, empty if it hasn't.
func condition(r *v1alpha1.Rollout, kind string, status metav1.ConditionStatus) string {
	for _, c := range r.Status.Conditions {
		if c.Type == kind && c.Status == status {
			return c.Message
		}
	}
	return ""
}

func (c *canvas) traffic(r *v1alpha1.Rollout) string {
	t := r.Status.Traffic
	if t == nil {
		return ""
	}
	if mode(r) == bySelector {
		return c.serviceTraffic(r)
	}
	text := fmt.Sprintf("canary weight %d", t.CanaryWeight)
	if t.LowestCanaryWeight != t.CanaryWeight {
		text = fmt.Sprintf("canary weight %d to %d, the routes differ", t.LowestCanaryWeight, t.CanaryWeight)
	}
	if t.Received != nil {
		text += fmt.Sprintf(", received %s%%", t.Received.Percent)
	}
	if len(t.ManagedRoutes) > 0 {
		text += ", managed routes " + strings.Join(t.ManagedRoutes, ", ")
	}
	switch {
	case mode(r) == byPods:
		return text + ", by the number of pods"
	case !t.Accepted:
		return text + ", not accepted by every route yet"
	case t.Since == nil:
		return text
	default:
		return text + ", for " + roughly(c.now.Sub(t.Since.Time))
	}
}

func (c *canvas) request(r *v1alpha1.Rollout) string {
	if pending := Unanswered(r); pending != nil {
		return Request(pending, c.now) + ": not answered yet"
	}
	last := r.Status.LastRequest
	if last == nil {
		return ""
	}
	text := string(last.Verb) + ": " + last.Outcome
	if since := microAgo(last.At, c.now); since != "" {
		text += " " + since
	}
	if last.Message != "" {
		text += ", " + last.Message
	}
	return text
}

func (c *canvas) revisions(p Picture) {
	r := p.Rollout
	if len(r.Status.Revisions) == 0 {
		return
	}
	sets := byHash(p)
	c.section("Revisions")
	rows := [][]cell{
		cells("NAME", "ROLE", "READY", "TRAFFIC", "AGE", "IMAGES"),
		cells(r.Name, "", fmt.Sprintf("%d/%d", r.Status.ReadyReplicas, r.Status.Replicas), "", age(r.CreationTimestamp, c.now), ""),
	}
	for i, revision := range r.Status.Revisions {
		branch := "├── "
		if i == len(r.Status.Revisions)-1 {
			branch = "└── "
		}
		born, images := "-", "-"
		if set, there := sets[revision.Hash]; there {
			born, images = age(set.CreationTimestamp, c.now), imagesOf(set)
		}
		rows = append(rows, []cell{
			{text: branch + revisionName(revision)},
			{text: orDash(role(r, revision)), paint: rolePaint(revision.Role)},
			{text: fmt.Sprintf("%d/%d", revision.Ready, revision.Replicas), paint: readyPaint(revision)},
			{text: share(r, revision)},
			{text: born},
			{text: images},
		})
	}
	c.table(rows)
}

func revisionName(r v1alpha1.RevisionStatus) string {
	if r.Number == 0 {
		return r.Hash
	}
	return fmt.Sprintf("revision %d, %s", r.Number, r.Hash)
}

func rolePaint(role string) paint {
	switch role {
	case stableRole:
		return green
	case canaryRole, previewRole:
		return yellow
	default:
		return dim
	}
}

func readyPaint(r v1alpha1.RevisionStatus) paint {
	if r.Ready < r.Replicas {
		return yellow
	}
	return plain
}

// share is what a revision is given of the traffic. With routes it follows what the two Services point at, because after
// a promotion both reach the same revision.
func share(r *v1alpha1.Rollout, revision v1alpha1.RevisionStatus) string {
	t := r.Status.Traffic
	if t == nil {
		return "-"
	}
	if mode(r) == bySelector {
		if t.StableBackend == revision.Hash {
			return "100%"
		}
		return "0%"
	}
	var percent int32
	if t.CanaryBackend == revision.Hash || (t.CanaryBackend == "" && revision.Role == canaryRole) {
		percent += t.CanaryWeight
	}
	if t.StableBackend == revision.Hash || (t.StableBackend == "" && revision.Role == stableRole) {
		percent += 100 - t.CanaryWeight
	}
	return fmt.Sprintf("%d%%", percent)
}

func byHash(p Picture) map[string]appsv1.ReplicaSet {
	sets := map[string]appsv1.ReplicaSet{}
	for _, set := range p.ReplicaSets {
		if owner := metav1.GetControllerOf(&set); owner != nil && owner.UID == p.Rollout.UID {
			sets[set.Labels[v1alpha1.PodTemplateHashLabel]] = set
		}
	}
	return sets
}

func imagesOf(set appsv1.ReplicaSet) string {
	var images []string
	for _, container := range set.Spec.Template.Spec.Containers {
		images = append(images, container.Image)
	}
	return strings.Join(images, ", ")
}
