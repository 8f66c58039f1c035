package rollout

import "slices"

// promoting gives the revision everything, watches it once more, and makes it stable.
func (d *decision) promoting() {
	release := d.next.Release
	if d.superseded() {
		return
	}
	d.report(Progressing, "Promoting", "promoting revision %s: shifting all traffic to it", release.Revision)
	there := d.way().give(100)
	if d.moved {
		return
	}
	if d.paused() {
		d.patient = true
		d.report(Waiting, "Paused", "%s: revision %s is not promoted", d.pausedBy(), release.Revision)
		return
	}
	if !there || !d.baked() || !d.approvedToGoOn("revision %s serves everything; before it becomes stable", release.Revision) ||
		!d.opened(BeforePromotion, AfterPromotion) {
		return
	}
	d.concludeOwn(d.skipped())
	d.concludeBackground(d.skipped())
	d.makeStable(release.Revision)
	d.event("Promoted", "revision %s is stable", release.Revision)
	d.report(Progressing, "HandingOver", "revision %s is stable; handing everything over to it", release.Revision)
	d.end()
}

// baked says whether the revision has had all traffic for as long as the user wants, or a person said that it is enough. Until
// then it isn't stable, and what was stable is kept for the way back.
func (d *decision) baked() bool {
	release, bake := d.next.Release, d.o.Spec.Bake
	if bake == 0 || release.Approved {
		return true
	}
	d.patient = true
	end := d.ownSince().Add(bake)
	d.report(Progressing, "Baking", "revision %s serves everything, and bakes for %s, until %s, before it becomes stable",
		release.Revision, bake, end.UTC().Format("15:04:05 UTC"))
	return d.reached(end)
}

// makeStable is the one-way door. With backends that alternate, the one that has the traffic becomes the stable one as it is.
func (d *decision) makeStable(revision Revision) {
	if before := d.next.Stable; before != "" {
		d.next.Former = slices.DeleteFunc(d.next.Former, func(r Revision) bool { return r == before || r == revision })
		d.next.Former = append(d.next.Former, before)
		if d.next.Wiring.Alternate {
			d.next.Swapped = !d.next.Swapped
			d.next.Ledger = d.next.Ledger.swapped()
		}
	}
	d.next.Stable = revision
}
