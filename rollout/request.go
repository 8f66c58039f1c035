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
	}
	switch r.Verb {
	case Promote, PromoteFull:
		return d.refusePromotion(r)
	case Retry:
		return d.refuseRetry()
	case Abort:
		return ""
	}
	return fmt.Sprintf("this version knows no request %q", r.Verb)
}

func (d *decision) refusePromotion(r Request) string {
	release := d.next.Release
	switch {
	case release.Phase != Stepping && release.Phase != Promoting:
		return fmt.Sprintf("revision %s was taken back: try it again with rollout retry", release.Revision)
	case d.o.Spec.Paused:
		return "spec.paused is true; set it to false first"
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
	case Promote:
		d.promoteOne()
	case PromoteFull:
		release.Step = len(d.o.Spec.Steps)
		d.enter(Promoting)
		release.Approved = true
		d.report(Progressing, "Promoting", "promoting revision %s, as requested", release.Revision)
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

// promoteOne ends what the release waits for: a step, or a verdict.
func (d *decision) promoteOne() {
	release, steps := d.next.Release, d.o.Spec.Steps
	if release.Phase == Stepping && release.Step < len(steps) && steps[release.Step].Kind == Pause {
		d.nextStep("promoted by request")
		return
	}
	release.Approved = true
	d.moved = true
	d.report(Progressing, "Releasing", "%s: going on without a verdict, as requested", d.position())
}
