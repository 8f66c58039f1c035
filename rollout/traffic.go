package rollout

import "fmt"

// give makes the canary have a share of the traffic and says whether it has settled.
func (d *decision) give(weight int) bool {
	if !d.o.Spec.Routed {
		return d.giveByPods(weight)
	}
	release, replicas, share := d.next.Release, d.o.Spec.Replicas, d.next.Ledger.High
	// Capacity counts only while every pass looks at it; raise is where that happens.
	before := release.Capacity
	release.Capacity = Capacity{}
	d.size(d.next.Stable, replicas, "stable can take everything back at any moment")
	d.grow(release.Revision, podsFor(max(weight, share), replicas), "capacity before traffic")
	if d.o.Stable.Missing || d.o.Canary.Missing || d.repairStable() {
		return false
	}
	if d.o.Canary.Revision != release.Revision {
		d.pointCanary()
		return false
	}
	switch {
	case share > 0 && dead(d.o.Canary) && d.stableServes():
		d.act(Shift{Percent: 0, Why: "the canary has no ready endpoint left"})
		return false
	case d.next.Ledger.High > weight:
		d.lower(weight)
		return false
	case d.next.Ledger.exactly(weight):
		return d.arrived(weight)
	}
	d.raise(weight, before)
	return false
}

// lower gives the canary less traffic, once stable can take what it loses.
func (d *decision) lower(weight int) {
	if d.stableServes() {
		d.act(Shift{Percent: weight, Why: "the plan gives it less"})
		return
	}
	d.report(Progressing, "WaitingForCapacity", "%s: Service %s has no ready endpoint of revision %s to take traffic back",
		d.position(), d.o.Stable.Name, d.next.Stable)
}

// pointCanary makes the canary backend reach the revision under test. If somebody gave it a share meanwhile that goes
// first, also when it reaches nothing: the share would be the new revision's as soon as its first pod is ready.
func (d *decision) pointCanary() {
	switch {
	case !d.next.Ledger.exactly(0):
		d.returnToStable("the canary Service does not point at the revision under test")
	case dead(d.o.Canary), d.drained(0):
		d.act(Point{Backend: CanaryRole, Revision: d.next.Release.Revision, Why: "it has no traffic"})
	}
}

// raise gives the canary more traffic, once it can carry it and what was measured so far allows it.
func (d *decision) raise(weight int, before Capacity) {
	release := d.next.Release
	need := podsFor(weight, d.o.Spec.Replicas)
	if !d.capable(weight, before) {
		if !release.Capacity.Since.IsZero() {
			d.report(Progressing, "WaitingForCapacity", "%s: enough endpoints of revision %s are ready for canary weight %d; waiting %s until every gateway knows them",
				d.position(), release.Revision, weight, short(d.o.Spec.Settle))
			return
		}
		d.report(Progressing, "WaitingForCapacity", "%s: %d of %d endpoints of revision %s are ready for canary weight %d",
			d.position(), d.o.Canary.Ready(release.Revision), need, release.Revision, weight)
		return
	}
	if problem := d.o.blocking(true); problem != nil {
		d.report(Progressing, "WaitingForReference", "%s: canary weight %d can't be set: %s", d.position(), weight, problem.Message)
		return
	}
	if d.o.Spec.Paused {
		return
	}
	if high := d.next.Ledger.High; high == 0 || high >= weight || d.approvedToGoOn("%s: before canary weight %d", d.position(), weight) {
		d.act(Shift{Percent: weight, Why: "enough endpoints are ready"})
	}
}

// arrived says whether the canary carries the weight: its endpoints are ready and the share has settled. Somebody else may
// have set the weight before there was any pod.
func (d *decision) arrived(weight int) bool {
	release, need := d.next.Release, podsFor(weight, d.o.Spec.Replicas)
	if ready := d.o.Canary.Ready(release.Revision); ready < need {
		d.report(Progressing, "WaitingForCapacity", "%s: %d of %d endpoints of revision %s are ready at canary weight %d",
			d.position(), ready, need, release.Revision, weight)
		return false
	}
	if d.settled(weight) {
		return true
	}
	d.report(Progressing, "Settling", "%s: waiting until the router follows canary weight %d%s",
		d.position(), weight, d.waitingForRouter())
	return false
}

// repairStable points the stable backend at stable again if somebody else changed it during a release, as soon as there
// are pods to point at. It says whether there was something to repair.
func (d *decision) repairStable() bool {
	stable := d.next.Stable
	if d.o.Stable.Revision == stable {
		return false
	}
	if d.o.workload(stable).Available > 0 {
		d.act(Point{Backend: StableRole, Revision: stable, Why: "somebody else changed what it points at during a release"})
	}
	return true
}

// position says where the release is, at the start of a sentence.
func (d *decision) position() string {
	release, total := d.next.Release, len(d.o.Spec.Steps)
	if release.Step < total {
		return fmt.Sprintf("step %d of %d", release.Step+1, total)
	}
	return "promoting revision " + release.Revision
}
