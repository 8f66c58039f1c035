package view

import "github.com/rollout-dev/rollout/rollout/api/v1alpha1"

// The phases of a release that people are told apart, as its status spells them.
const (
	installing = "Installing"
	promoting  = "Promoting"
	aborting   = "Aborting"
	aborted    = "Aborted"
)

// The roles of a revision, as its status spells them. Preview is what people call the canary of a blue-green release.
const (
	stableRole  = "stable"
	canaryRole  = "canary"
	previewRole = "preview"
)

// The modes of the wiring, as the status spells them.
const (
	byRoutes   = "Routes"
	byPods     = "Pods"
	bySelector = "Selector"
)

// Installing says whether a release is that of the first revision, which there is nothing to compare with or to go back to.
func Installing(release *v1alpha1.Release) bool { return release.Phase == installing }

// TakenBack says whether a release was taken back, or is just being.
func TakenBack(release *v1alpha1.Release) bool {
	return release.Phase == aborting || release.Phase == aborted
}

// Back says in words that a release was or is being taken back, and why.
func Back(release *v1alpha1.Release) string {
	words := "was taken back"
	if release.Phase == aborting {
		words = "is being taken back"
	}
	if release.CauseMessage != "" {
		words += " (" + release.CauseMessage + ")"
	}
	return words
}

// WaitingStep is the number of the step, counting from 1, whose pause a release is at, and how many steps there are; ok is
// false if it is at none.
func WaitingStep(r *v1alpha1.Rollout) (step, of int, ok bool) {
	release := r.Status.Release
	if release == nil || Installing(release) || TakenBack(release) {
		return 0, 0, false
	}
	steps := planOf(r).steps()
	index := int(release.StepIndex)
	if release.Phase == promoting || index >= len(steps) || steps[index].pause == nil {
		return 0, 0, false
	}
	return index + 1, len(steps), true
}

// mode is what carries the traffic: what the engine says it is, which outlasts a change of the spec for a while, or what
// the spec asks for.
func mode(r *v1alpha1.Rollout) string {
	strategy := r.Spec.Strategy
	switch {
	case r.Status.Traffic != nil && r.Status.Traffic.Wiring != nil:
		return r.Status.Traffic.Wiring.Mode
	case strategy.BlueGreen != nil:
		return bySelector
	case strategy.Canary != nil && strategy.Canary.TrafficRouting != nil:
		return byRoutes
	default:
		return byPods
	}
}

// role is what a revision is to people.
func role(r *v1alpha1.Rollout, revision v1alpha1.RevisionStatus) string {
	if revision.Role == canaryRole && mode(r) == bySelector {
		return previewRole
	}
	return revision.Role
}

// switched says whether the active Service reaches the revision under test already.
func switched(r *v1alpha1.Rollout) bool {
	release, traffic := r.Status.Release, r.Status.Traffic
	return release != nil && traffic != nil && traffic.StableBackend == release.Revision
}
