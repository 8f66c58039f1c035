package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollout-dev/rollout/cmd/rollout/internal/view"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// history is what it takes to choose the revision to go back to.
type history struct {
	// program is how the person called the program, for advice.
	program string
	rollout *v1alpha1.Rollout
	// template that is asked for now.
	template v1alpha1.PodTemplate
	// kept revisions, newest first.
	kept []kept
}

// goal is the revision to go back to: the one with a number or a hash or, if none is given, the one that people mean.
func (h history) goal(to string, now time.Time) (kept, error) {
	if h.rollout.Status.StableRevision == "" {
		return kept{}, fmt.Errorf("nothing to go back to: no revision of %s has been stable yet", h.rollout.Name)
	}
	goal, err := h.meant(now)
	if to != "" {
		goal, err = h.named(to, now)
	}
	if err != nil {
		return kept{}, err
	}
	return goal, h.objection(goal)
}

func (h history) named(to string, now time.Time) (kept, error) {
	number, err := strconv.ParseInt(to, 10, 64)
	numbered := err == nil
	for _, k := range h.kept {
		if k.hash == to || numbered && k.number == number {
			return k, nil
		}
	}
	if len(h.kept) == 0 {
		return kept{}, fmt.Errorf("there is no revision %s of %s: none is kept", to, h.rollout.Name)
	}
	return kept{}, fmt.Errorf("there is no revision %s of %s; there are: %s", to, h.rollout.Name, h.list(now))
}

// meant is the stable revision if something else is asked for, released or was taken back, and else the one before it.
func (h history) meant(now time.Time) (kept, error) {
	status := h.rollout.Status
	at := slices.IndexFunc(h.kept, func(k kept) bool { return k.hash == status.StableRevision })
	if at < 0 {
		return kept{}, fmt.Errorf("can't tell which revision to go back to: there is no ReplicaSet of the stable revision %s; "+
			"name one with --to-revision", status.StableRevision)
	}
	stable := h.kept[at]
	// The release of a template that was written a moment ago may not have begun. Only what was kept as it was written
	// can be compared with it.
	switch {
	case status.Release != nil, !stable.rebuilt && !sameTemplate(stable.template, h.template):
		return stable, nil
	case stable.rebuilt && view.Behind(h.rollout) != "":
		return kept{}, fmt.Errorf("can't tell which revision to go back to: %s; try again in a moment, or name one with --to-revision",
			view.Behind(h.rollout))
	}
	// What was undone has a higher number: who goes back twice means two revisions, not there and back again.
	for _, former := range slices.Backward(status.FormerRevisions) {
		for _, k := range h.kept {
			if k.hash == former && k.number < stable.number {
				return k, nil
			}
		}
	}
	return kept{}, fmt.Errorf("nothing to go back to: %s is stable, and no older revision that was stable is kept; "+
		"--to-revision goes to any of those that are: %s", stable, h.list(now))
}

// neverServed says that a revision was never stable, as far as is known.
func (h history) neverServed(goal kept) bool {
	return goal.hash != h.rollout.Status.StableRevision && !slices.Contains(h.rollout.Status.FormerRevisions, goal.hash)
}

func (h history) list(now time.Time) string {
	var there []string
	for _, k := range h.kept {
		there = append(there, k.describe(now))
	}
	return strings.Join(there, "; ")
}

// objection says why going back to a revision makes no sense.
func (h history) objection(goal kept) error {
	if !sameTemplate(goal.template, h.template) {
		return nil
	}
	release := h.rollout.Status.Release
	switch {
	case goal.hash == h.rollout.Status.StableRevision:
		return fmt.Errorf("nothing to undo: %s is stable, and the spec asks for it already", goal)
	case release == nil || release.Revision != goal.hash:
		return nil
	case view.TakenBack(release):
		return fmt.Errorf("nothing to undo: the spec asks for %s, which %s; %s retry %s starts it again",
			goal, view.Back(release), h.program, h.rollout.Name)
	default:
		return fmt.Errorf("nothing to undo: %s is being released already; %s promote %s --full skips what is left",
			goal, h.program, h.rollout.Name)
	}
}
