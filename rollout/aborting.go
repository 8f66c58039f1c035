package rollout

// aborting gives stable everything back. It depends on stable's endpoints and on nothing else: not on the canary, the
// analysis, the rest of the spec, or a route that has gone missing.
func (d *decision) aborting() {
	release := d.next.Release
	d.report(Progressing, "Aborting", "taking revision %s back: %s%s", release.Revision, release.CauseMessage, d.waitingForRouter())
	if d.way().takeBack() && d.fenced() {
		d.takenBack()
		return
	}
	if blocked := !d.movesTraffic() && d.plan.Wake.IsZero(); blocked && d.overdue() {
		d.stall("AbortBlocked", "revision %s can't be taken back: stable %s has %d ready endpoints of revision %s, canary weight is %d%s",
			release.Revision, d.o.Stable, d.o.Stable.Ready(d.next.Stable), d.next.Stable, d.next.Ledger.High, d.waitingForRouter())
	}
}

// fenced says whether whoever decided on this release before the abort can carry nothing out any more. A controller that was
// frozen with a plan to give the revision its first share fails on nothing: no route and no Service of the plan has changed.
func (d *decision) fenced() bool {
	return d.reached(d.next.Release.StepStarted.Add(d.o.Spec.Expiry()))
}

// takenBack ends the abort: the next revision may start, or this one is held for a retry.
func (d *decision) takenBack() {
	release, target := d.next.Release, d.o.Spec.Target
	if target != release.Revision && target != "" || d.outdated() || d.next.UndoTo == release.Revision {
		d.event("RolledBack", "revision %s has no traffic any more", release.Revision)
		d.report(Progressing, "HandingOver", "revision %s has no traffic any more", release.Revision)
		d.end()
		return
	}
	d.warn("RolledBack", "revision %s has no traffic any more; stable revision %s serves everything", release.Revision, d.next.Stable)
	release.AbortedAt = d.o.Now
	d.enter(Aborted)
	d.describeAborted()
}

// aborted holds a revision that was taken back. Its pods stay for a while, for a retry.
func (d *decision) aborted() {
	release, target := d.next.Release, d.o.Spec.Target
	d.patient = true
	d.ask(AfterAbort)
	if target != release.Revision && target != "" || d.next.UndoTo == release.Revision {
		d.report(Progressing, "HandingOver", "revision %s is given up for revision %s", release.Revision, target)
		d.end()
		return
	}
	if d.rewire() {
		d.describeAborted()
		return
	}
	unnamed := d.way().converge() || d.o.Canary.Missing && d.pointsTo(d.next.Ledger.Stable, d.next.Stable)
	w := d.o.workload(release.Revision)
	if w.Replicas > 0 && unnamed && d.reached(release.AbortedAt.Add(d.o.Spec.AbortScaleDownDelay)) {
		d.shrink = append(d.shrink, Scale{Revision: release.Revision, Why: "the revision was taken back"})
	}
	d.describeAborted()
}

func (d *decision) describeAborted() {
	release := d.next.Release
	d.report(Degraded, "Aborted", "revision %s was taken back: %s; stable revision %s serves everything",
		release.Revision, release.CauseMessage, d.next.Stable)
	d.stall("ReleaseAborted", "revision %s was taken back: %s; change spec.template, or try it again with rollout retry",
		release.Revision, release.CauseMessage)
}
