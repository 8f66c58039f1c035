package rollout

import "fmt"

// byRoutes moves traffic with a router: capacity, settle, share; and back: share, settle, drain, capacity.
type byRoutes struct{ *decision }

func (d byRoutes) give(weight int) bool {
	release, share := d.next.Release, d.next.Ledger.High
	// Capacity counts only while every pass looks at it; raise and lower are where that happens.
	canary, stable := release.Capacity, release.StableCapacity
	release.Capacity, release.StableCapacity = Capacity{}, Capacity{}
	d.size(d.next.Stable, d.stablePods(), "stable can take everything back at any moment")
	d.grow(release.Revision, d.canaryPods(max(weight, share)), "capacity before traffic")
	if d.o.Stable.Missing || d.o.Canary.Missing || d.repairStable() {
		return false
	}
	if d.o.Canary.Revision != release.Revision {
		d.pointCanary(stable)
		return false
	}
	return d.split(weight, canary, stable)
}

// split leads to a share and to the managed rules beside it. canary and stable are the capacities that the pass before found.
func (d byRoutes) split(weight int, canary, stable Capacity) bool {
	switch {
	case !d.next.Ledger.clear() && dead(d.o.Canary) && d.stableServes():
		d.act(Shift{Percent: 0, Why: "the canary has no ready endpoint left"})
		return false
	case d.next.Ledger.High > weight:
		d.lower(weight, stable)
		return false
	case d.next.Ledger.there(weight):
		return d.arrived(weight) && d.trimmed(weight)
	case d.next.Ledger.exactly(weight) && len(d.o.Rules()) == 0:
		d.act(Shift{Percent: weight, Why: "the plan wants no managed route here"})
		return false
	}
	d.raise(weight, canary)
	return false
}

// lower gives the canary less traffic, as far as stable can take what it loses.
func (d byRoutes) lower(weight int, before Capacity) {
	to := max(weight, d.relief(before))
	if to < d.next.Ledger.High {
		// Rules that aren't as they should be need capacity of their own, which nobody has looked at here.
		d.act(Shift{Percent: to, Rules: len(d.o.Rules()) > 0 && !d.next.Ledger.Astray, Why: "the plan gives it less"})
		return
	}
	d.report(Progressing, "WaitingForCapacity", "%s: %s has %d ready endpoints of revision %s, too few to take traffic back",
		d.position(), d.o.Stable, d.o.Stable.Ready(d.next.Stable), d.next.Stable)
}

// trimmed says whether the canary has no more pods than a setCanaryScale asks for; without one it keeps what it has, warm.
func (d byRoutes) trimmed(weight int) bool {
	release := d.next.Release
	want := d.canaryPods(weight)
	explicit := release.Step < len(d.o.Spec.Steps) && hasScale(d.o.Spec.Steps, release.Step)
	if !explicit || d.o.workload(release.Revision).Replicas <= want {
		return true
	}
	if d.rested(weight) && d.pointsTo(d.next.Ledger.Stable, d.next.Stable) {
		d.size(release.Revision, want, "the plan wants fewer")
	}
	d.report(Progressing, "Draining", "%s: %s of revision %s go when no request is left on them", d.position(),
		pods(d.o.workload(release.Revision).Replicas-want), release.Revision)
	return false
}

// hasScale says whether the plan has said how many pods the canary has, up to a step.
func hasScale(steps []Step, index int) bool {
	for _, s := range steps[:index+1] {
		if s.Kind == SetScale {
			return true
		}
	}
	return false
}

// pointCanary makes the canary backend reach the revision under test. If somebody gave it a share meanwhile that goes
// first, also when it reaches nothing: the share would be the new revision's as soon as its first pod is ready.
func (d byRoutes) pointCanary(before Capacity) {
	switch {
	case !d.next.Ledger.clear():
		d.returnToStable("the canary Service does not point at the revision under test", d.relief(before))
	case dead(d.o.Canary), d.drained(0):
		d.point(CanaryRole, d.next.Release.Revision, "it has no traffic")
	}
}

// raise gives the canary more traffic, once it can carry it and what was measured so far allows it.
func (d byRoutes) raise(weight int, before Capacity) {
	release := d.next.Release
	need := d.need(weight)
	if !d.capable(weight, before) {
		if !release.Capacity.Since.IsZero() {
			d.report(Progressing, "WaitingForCapacity", "%s: enough endpoints of revision %s are ready for canary weight %d%s; waiting %s until every gateway knows them",
				d.position(), release.Revision, weight, d.withRules(), short(d.o.Spec.Settle))
			return
		}
		d.report(Progressing, "WaitingForCapacity", "%s: %d of %d endpoints of revision %s are ready for canary weight %d%s",
			d.position(), d.o.Canary.Ready(release.Revision), need, release.Revision, weight, d.withRules())
		return
	}
	if problem := d.o.blocking(true); problem != nil {
		d.report(Progressing, "WaitingForReference", "%s: canary weight %d%s can't be set: %s", d.position(), weight, d.withRules(), problem.Message)
		return
	}
	if d.paused() {
		return
	}
	if high := d.next.Ledger.High; high == 0 || high >= weight || d.approvedToGoOn("%s: before canary weight %d", d.position(), weight) {
		if !d.mayExpose(weight) {
			return
		}
		d.act(Shift{Percent: weight, Rules: len(d.o.Rules()) > 0, Why: "enough endpoints are ready"})
	}
}

// arrived says whether the canary carries the weight: its endpoints are ready and the share has settled. Somebody else may
// have set the weight before there was any pod.
func (d byRoutes) arrived(weight int) bool {
	release, need := d.next.Release, d.need(weight)
	// The ReplicaSet has to agree: endpoints may be those of pods that are gone.
	if ready := min(d.o.Canary.Ready(release.Revision), d.o.workload(release.Revision).Ready); ready < need {
		d.report(Progressing, "WaitingForCapacity", "%s: %d of %d endpoints of revision %s are ready at canary weight %d%s",
			d.position(), ready, need, release.Revision, weight, d.withRules())
		return false
	}
	if d.settled(weight) {
		return true
	}
	d.report(Progressing, "Settling", "%s: waiting until the router follows canary weight %d%s%s",
		d.position(), weight, d.withRules(), d.waitingForRouter())
	return false
}

// repairStable points the stable backend at stable again if somebody else changed it during a release, as soon as there
// are pods to point at, or nobody wants any. It says whether there was something to repair.
func (d byRoutes) repairStable() bool {
	stable := d.next.Stable
	if d.o.Stable.Revision == stable {
		return false
	}
	if d.o.workload(stable).Available > 0 || d.o.Spec.Replicas == 0 {
		d.point(StableRole, stable, "somebody else changed what it points at during a release")
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

func (d byRoutes) takeBack() bool {
	release := d.next.Release
	before := release.StableCapacity
	release.StableCapacity = Capacity{}
	d.size(d.next.Stable, d.o.Spec.Replicas, "stable serves everything")
	astray := !d.o.Stable.Missing && d.repairStable()
	if !d.next.Ledger.clear() {
		d.returnToStable("the release is taken back", d.relief(before))
		return false
	}
	return !astray && (d.drained(0) || d.cutOff())
}

// cutOff says whether nothing can have reached the canary for as long as draining takes, although the router doesn't say
// so: the Service that stands for it is gone, and with it the router's way to accept any split.
func (d byRoutes) cutOff() bool {
	return d.o.Canary.Missing && d.reached(d.next.Ledger.Since.Add(d.o.Spec.Settle+d.o.Spec.Drain))
}

// returnToStable leaves the canary backend at most a share, 0 in the end, and no managed rule, as soon as stable can serve. It is
// the one way back, for abort, supersede, and a split that somebody else wrote.
func (d byRoutes) returnToStable(why string, leave int) {
	stable, share := d.next.Stable, d.next.Ledger.High
	nobodyElse := d.o.Canary.Missing || dead(d.o.Canary)
	switch {
	case d.next.Ledger.clear():
	case nobodyElse:
		d.act(Shift{Percent: 0, Why: why})
	case d.stableServes() && d.pointsTo(d.next.Ledger.Stable, stable) && (leave < share || d.next.Ledger.Rules != ""):
		d.act(Shift{Percent: min(leave, share), Why: why})
	}
}
