package rollout

import (
	"fmt"
	"slices"
)

// OnlyVerdictsPromote holds if only a revision with a positive verdict for this run, or a person's explicit request, becomes
// stable. Cancelled, inconclusive, no data and error are not passes, and a metric that is run dry has no say. The first revision needs none: there is nothing to compare with.
func OnlyVerdictsPromote(w Write) error {
	before, after := w.Before.Status, w.After.Status
	if err := w.judged(); err != nil || before.Stable == after.Stable {
		return err
	}
	release, metrics := before.Release, len(w.Decided.Spec.Metrics)+len(w.Decided.Spec.PostMetrics)
	switch {
	case w.first():
		return nil
	case release == nil || release.Revision != after.Stable:
		return fmt.Errorf("revision %s becomes stable without a release", after.Stable)
	case release.Phase != Promoting:
		return fmt.Errorf("revision %s becomes stable from phase %s", after.Stable, release.Phase)
	case metrics > 0 && !w.Before.Passed && !w.Before.Approved:
		return fmt.Errorf("revision %s becomes stable; run %d had no verdict with all traffic and nobody asked to go on without", after.Stable, release.Run)
	}
	return nil
}

// first: the first revision is installed, or taken over with the Deployment that runs it.
func (w Write) first() bool {
	release := w.Before.Status.Release
	if w.Before.Status.Stable != "" {
		return false
	}
	return release == nil && w.Decided.Source != nil ||
		release != nil && release.Phase == Installing && release.Revision == w.After.Status.Stable
}

// judged: a step that waits for a verdict is passed only with one, or because a person asked.
func (w Write) judged() error {
	before, after, steps := w.Before.Status.Release, w.After.Status.Release, w.Decided.Spec.Steps
	if w.Action != nil || before == nil || after == nil || before.Run != after.Run || before.Phase != Stepping || before.Step >= len(steps) {
		return nil
	}
	went := after.Phase == Stepping && after.Step > before.Step
	if step := steps[before.Step]; went && len(step.Metrics) > 0 && !w.Before.StepPassed && !w.Before.StepApproved {
		return fmt.Errorf("step %d of run %d is done without a verdict and nobody asked to go on without", before.Step+1, before.Run)
	}
	return nil
}

// DeletionMovesNothing holds if deleting the Rollout, the controller or its CRDs never moves traffic. Whatever is still under
// way then is not carried out.
func DeletionMovesNothing(w Write) error {
	switch w.Action.(type) {
	case Shift, Point, Widen:
		if w.Before.Deleted {
			return fmt.Errorf("the Rollout is gone, and yet: %v", w.Action)
		}
	}
	return nil
}

// StatusGoesForward holds if no write of a status undoes another one. Runs are only added, the phases and the steps of a run only
// go forward, and a request stays answered, so that nothing that a person or the analysis decided is ever forgotten.
func StatusGoesForward(w Write) error {
	before, after := w.Before.Status, w.After.Status
	b, a := before.Release, after.Release
	switch {
	case w.Action != nil:
		return nil
	case after.Runs < before.Runs:
		return fmt.Errorf("run %d becomes run %d again", before.Runs, after.Runs)
	case b == nil && a != nil && after.Runs == before.Runs:
		return fmt.Errorf("run %d was over and is under way again", after.Runs)
	case before.Answer.ID != after.Answer.ID && !w.answers(after.Answer):
		return fmt.Errorf("the answer to request %q becomes that to request %q", before.Answer.ID, after.Answer.ID)
	case b != nil && a != nil && a.Run == b.Run && a.behind(*b):
		return fmt.Errorf("run %d goes back from %s at step %d to %s at step %d", a.Run, b.Phase, b.Step+1, a.Phase, a.Step+1)
	}
	return nil
}

// answers says whether an answer is one to the request that was there to be answered.
func (w Write) answers(answer Answer) bool {
	request := w.Decided.Request
	return request != nil && request.ID == answer.ID && w.Before.Status.Answer == w.Decided.Status.Answer
}

// behind says whether a run is less far than it was.
func (r Release) behind(before Release) bool {
	order := []Phase{Installing, Stepping, Promoting, Aborting, Aborted}
	from, to := slices.Index(order, before.Phase), slices.Index(order, r.Phase)
	return to < from || r.Phase == Stepping && before.Phase == Stepping && r.Step < before.Step
}
