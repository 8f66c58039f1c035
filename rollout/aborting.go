package rollout

// aborting gives stable everything back. It depends on stable's endpoints and on nothing else: not on the canary, the
// analysis, the rest of the spec, or a route that has gone missing.
func (d *decision) aborting() {
	release := d.next.Release
	d.report(Progressing, "Aborting", "taking revision %s back: %s%s", release.Revision, release.CauseMessage, d.waitingForRouter())
	if d.takeBack() {
		d.takenBack()
		return
	}
	if blocked := !d.movesTraffic() && d.plan.Wake.IsZero(); blocked && d.overdue() {
		d.stall("AbortBlocked", "revision %s can't be taken back: stable Service %q has %d ready endpoints of revision %s, canary weight is %d%s",
			release.Revision, d.o.Stable.Name, d.o.Stable.Ready(d.next.Stable), d.next.Stable, d.next.Ledger.High, d.waitingForRouter())
	}
}

// takeBack works towards a canary without traffic and says whether it is drained.
func (d *decision) takeBack() bool {
	stable, replicas := d.next.Stable, d.o.Spec.Replicas
	if !d.o.Spec.Routed {
		return d.roll(map[Revision]int{stable: replicas}, "stable takes over again")
	}
	d.size(stable, replicas, "stable serves everything")
	astray := !d.o.Stable.Missing && d.repairStable()
	if !d.next.Ledger.exactly(0) {
		d.returnToStable("the release is taken back")
		return false
	}
	return !astray && (d.drained(0) || d.cutOff())
}

// cutOff says whether nothing can have reached the canary for as long as draining takes, although the router doesn't say
// so: the Service that stands for it is gone, and with it the router's way to accept any split.
func (d *decision) cutOff() bool {
	return d.o.Canary.Missing && d.reached(d.next.Ledger.Since.Add(d.o.Spec.Settle+d.o.Spec.Drain))
}

// takenBack ends the abort: the next revision may start, or this one is held for a retry.
func (d *decision) takenBack() {
	release, target := d.next.Release, d.o.Spec.Target
	if target != release.Revision && target != "" {
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
	if target != release.Revision && target != "" {
		d.report(Progressing, "HandingOver", "revision %s is given up for revision %s", release.Revision, target)
		d.end()
		return
	}
	unnamed := d.converge() || d.o.Canary.Missing && d.pointsTo(d.next.Ledger.Stable, d.next.Stable)
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
