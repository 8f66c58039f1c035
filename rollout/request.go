package rollout

import "fmt"

// answer carries a person's request out, or refuses it, exactly once: the answer is persisted together with what the
// request led to.
func (d *decision) answer() {
	r := d.o.Request
	if r == nil || r.ID == d.next.Answer.ID {
		return
	}
	refusal := d.refuse(*r)
	d.next.Answer = Answer{ID: r.ID, Verb: r.Verb, Accepted: refusal == "", Message: refusal, At: d.o.Now}
	if refusal != "" {
		d.warn("RequestRefused", "%s was refused: %s", r.Verb, refusal)
		return
	}
	d.event("RequestAccepted", "%s of revision %s", r.Verb, r.Revision)
	d.carryOut(*r)
}

// refuse says why a request can't be carried out, empty if it can. A person asked because of what they saw; if that is
// no longer so they should look again.
func (d *decision) refuse(r Request) string {
	switch r.Verb {
	case Freeze:
		if d.next.Held {
			return "it is paused by request already"
		}
		return ""
	case Resume:
		return d.refuseResume()
	case Restart:
		if d.next.Stable == "" {
			return "no revision is stable yet: there is nothing to restart"
		}
		return ""
	case Undo:
		return d.refuseUndo(r)
	case Promote, PromoteFull, Abort, Retry:
		return d.refuseForRelease(r)
	}
	return fmt.Sprintf("this version knows no request %q", r.Verb)
}

// refuseForRelease is about requests that are made for the release under way.
func (d *decision) refuseForRelease(r Request) string {
	release := d.next.Release
	switch {
	case release == nil && d.next.Stable == r.Revision:
		return fmt.Sprintf("revision %s is stable already; no release is under way", r.Revision)
	case release == nil:
		return "no release is under way"
	case r.Revision != release.Revision:
		return fmt.Sprintf("it was made for revision %s, but the release is of revision %s", r.Revision, release.Revision)
	case release.Phase == Installing:
		return fmt.Sprintf("revision %s is the first one: there is no stable revision to go back to and nothing to skip", r.Revision)
	case r.Verb == Promote || r.Verb == PromoteFull:
		return d.refusePromotion(r)
	case r.Verb == Retry:
		return d.refuseRetry()
	}
	return ""
}

func (d *decision) refuseResume() string {
	switch {
	case d.next.Held:
		return ""
	case d.o.Spec.Paused:
		return "spec.paused is true; set it to false instead"
	}
	return "it is not paused by request; rollout promote ends a step that waits"
}

// refuseUndo wants the template of the revision to be in the spec already: the two are written together.
func (d *decision) refuseUndo(r Request) string {
	switch {
	case r.Revision != d.o.Spec.Target:
		return fmt.Sprintf("spec.template is that of revision %s, not of revision %s", d.o.Spec.Target, r.Revision)
	case d.next.Release == nil && r.Revision == d.next.Stable:
		return fmt.Sprintf("revision %s is stable already", r.Revision)
	}
	return ""
}

func (d *decision) refusePromotion(r Request) string {
	release := d.next.Release
	switch {
	case release.Phase != Stepping && release.Phase != Promoting:
		return fmt.Sprintf("revision %s was taken back: try it again with rollout retry", release.Revision)
	case d.o.Spec.Paused:
		return "spec.paused is true; set it to false first"
	case d.next.Held:
		return "it is paused by request; rollout resume first"
	case r.Verb == Promote && r.Step != release.Step:
		return fmt.Sprintf("it was made at step %d, but the release is at step %d", r.Step+1, release.Step+1)
	}
	return ""
}

func (d *decision) refuseRetry() string {
	release := d.next.Release
	switch {
	case release.Phase != Aborting && release.Phase != Aborted:
		return fmt.Sprintf("the release of revision %s is under way; there is nothing to retry", release.Revision)
	case d.o.Spec.Target != release.Revision:
		return fmt.Sprintf("spec.template is now revision %s", d.o.Spec.Target)
	case d.o.blocking(true) != nil:
		return d.o.blocking(true).Message
	}
	return ""
}

func (d *decision) carryOut(r Request) {
	release := d.next.Release
	switch r.Verb {
	case Freeze, Resume:
		d.next.Held = r.Verb == Freeze
	case Restart:
		d.next.Restart = Restarting{At: d.o.Now, All: true, Progress: d.o.Now}
	case Undo:
		d.undo(r.Revision)
	case Promote:
		d.promoteOne()
	case PromoteFull:
		d.promoteFull()
	case Abort:
		if release.Phase == Stepping || release.Phase == Promoting {
			d.abort(ByRequest, "aborted by request")
		}
	case Retry:
		d.begin(release.Revision, Stepping)
		d.event("ReleaseStarted", "releasing revision %s once more", release.Revision)
		d.report(Progressing, "Releasing", "releasing revision %s once more", release.Revision)
	}
}

// promoteFull skips all steps and the analysis.
func (d *decision) promoteFull() {
	release := d.next.Release
	if release.Phase == Stepping {
		d.concludeOwn("a person promoted the revision without waiting for it")
	}
	release.Step = len(d.o.Spec.Steps)
	d.enter(Promoting)
	release.Approved = true
	d.report(Progressing, "Promoting", "promoting revision %s, as requested", release.Revision)
}

// undo goes back to a revision. What is under way ends as with every change of the template; then the revision is released
// without steps.
func (d *decision) undo(revision Revision) {
	release := d.next.Release
	if release != nil && release.Revision == revision && (release.Phase == Stepping || release.Phase == Promoting) {
		d.promoteFull()
		return
	}
	if revision != d.next.Stable {
		d.next.UndoTo = revision
	}
}

// promoteOne ends what the release waits for: a step, or a verdict.
func (d *decision) promoteOne() {
	release, steps := d.next.Release, d.o.Spec.Steps
	if d.waiveGates() {
		d.moved = true
		d.report(Progressing, "Releasing", "%s: going on without the gate, as requested", d.position())
		return
	}
	if release.Phase == Stepping && release.Step < len(steps) && steps[release.Step].Kind == Pause {
		d.nextStep("promoted by request")
		return
	}
	release.Approved = true
	d.moved = true
	d.report(Progressing, "Releasing", "%s: going on without a verdict, as requested", d.position())
}
