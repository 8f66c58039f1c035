package rollout

// promoting gives the revision everything, watches it once more, and makes it stable.
func (d *decision) promoting() {
	release := d.next.Release
	if d.superseded() {
		return
	}
	d.report(Progressing, "Promoting", "promoting revision %s: shifting all traffic to it", release.Revision)
	there := d.give(100)
	if d.moved {
		return
	}
	if d.o.Spec.Paused {
		d.patient = true
		d.report(Waiting, "Paused", "spec.paused is true: revision %s is not promoted", release.Revision)
		return
	}
	if !there || !d.approvedToGoOn("revision %s serves everything; before it becomes stable", release.Revision) {
		return
	}
	d.next.Stable = release.Revision
	d.event("Promoted", "revision %s is stable", release.Revision)
	d.report(Progressing, "HandingOver", "revision %s is stable; handing everything over to it", release.Revision)
	d.end()
}
