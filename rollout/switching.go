package rollout

// bySelector moves all traffic at once, by switching the selector of the active Service from one revision to the other. The
// selector always names a revision whose pods are ready; it is never emptied in between.
type bySelector struct{ *decision }

func (d bySelector) give(weight int) bool {
	release, share := d.next.Release, d.next.Ledger.High
	d.size(d.next.Stable, d.o.Spec.Replicas, "stable can take everything back at any moment")
	want := d.rehearsalPods(max(weight, share))
	d.grow(release.Revision, want, "capacity before traffic")
	d.retire()
	switch w, stable := d.o.workload(release.Revision), d.o.workload(d.next.Stable); {
	case d.o.Stable.Missing:
		d.report(Progressing, "WaitingForReference", "%s: there is no Service %q", d.position(), d.o.Stable.Name)
	case share == 0 && d.o.Stable.Revision != d.next.Stable:
		d.activateStable("somebody else changed what it points at during a release")
	case share > weight:
		d.activateStable("the plan gives the revision under test nothing")
	case share > 0 && w.Ready == 0 && stable.Available > 0:
		d.activateStable("the revision under test has no ready pod left")
	case d.showPreview(release.Revision):
	case weight == 0:
		return d.rehearsed(want)
	case share > 0:
		return d.switched()
	default:
		d.switchOver()
	}
	return false
}

// rehearsalPods is how many pods the revision under test has: before the switch maybe fewer than for it.
func (d bySelector) rehearsalPods(weight int) int {
	if want := d.o.Spec.PreviewReplicas; want > 0 && weight == 0 {
		return min(want, d.o.Spec.Replicas)
	}
	return d.o.Spec.Replicas
}

// activateStable points the active Service at stable as soon as any pod of it can serve.
func (d bySelector) activateStable(why string) {
	if d.o.workload(d.next.Stable).Available > 0 {
		d.point(StableRole, d.next.Stable, why)
	}
}

// showPreview points the preview at a revision once it has something to show, and says whether it had to.
func (d bySelector) showPreview(revision Revision) bool {
	preview := d.o.Canary
	if preview.Name == "" || preview.Missing || preview.Revision == revision {
		return false
	}
	if d.o.workload(revision).Available > 0 {
		d.point(CanaryRole, revision, "nobody but testers sends requests there")
		return true
	}
	return false
}

// rehearsed says whether the revision under test can be tried: its pods are available, and the preview reaches them.
func (d bySelector) rehearsed(want int) bool {
	revision := d.next.Release.Revision
	w, reached := d.o.workload(revision), true
	if d.o.Canary.Name != "" && !d.o.Canary.Missing {
		reached = d.o.Canary.Ready(revision) >= want && d.pointsTo(d.next.Ledger.Canary, revision)
	}
	if w.Available >= want && reached {
		return true
	}
	d.report(Progressing, "WaitingForCapacity", "%s: %d of %d pods of revision %s are available for the preview", d.position(), w.Available, want, revision)
	return false
}

// switchOver sends all users to the revision under test, once it can serve all of them.
func (d bySelector) switchOver() {
	w, replicas := d.o.workload(d.next.Release.Revision), d.o.Spec.Replicas
	if serving := min(w.Available, w.Ready); serving < replicas {
		d.report(Progressing, "WaitingForCapacity", "%s: %d of %d pods are available; Service %q is switched when all are",
			d.position(), serving, replicas, d.o.Stable.Name)
		return
	}
	if problem := d.o.blocking(true); problem != nil {
		d.report(Progressing, "WaitingForReference", "%s: Service %q can't be switched: %s", d.position(), d.o.Stable.Name, problem.Message)
		return
	}
	if !d.paused() && d.mayExpose(100) {
		d.point(StableRole, w.Revision, "all its pods are available")
	}
}

// switched says whether every node sends users to the revision under test by now.
func (d bySelector) switched() bool {
	revision, replicas := d.next.Release.Revision, d.o.Spec.Replicas
	if ready := d.o.Stable.Ready(revision); ready < replicas {
		d.report(Progressing, "WaitingForCapacity", "%s: %d of %d endpoints of Service %q are ready", d.position(), ready, replicas, d.o.Stable.Name)
		return false
	}
	if d.settled(100) {
		return true
	}
	d.report(Progressing, "Settling", "%s: waiting until every node follows Service %q", d.position(), d.o.Stable.Name)
	return false
}

// takeBack needs nothing but a pod of stable that can serve: not the revision under test, not the analysis.
func (d bySelector) takeBack() bool {
	d.size(d.next.Stable, d.o.Spec.Replicas, "stable serves everything")
	if d.o.Stable.Missing {
		return d.drained(0)
	}
	if d.o.Stable.Revision != d.next.Stable {
		d.activateStable("the release is taken back")
		return false
	}
	return d.left()
}

// left says whether the active Service has reached stable alone for so long that no request is under way elsewhere.
func (d bySelector) left() bool {
	return d.drained(0) && d.pointsTo(d.next.Ledger.Stable, d.next.Stable) && d.reached(d.next.Ledger.Stable.Since.Add(d.o.Spec.Settle+d.o.Spec.Drain))
}

// converge leaves the active Service on stable, then the preview too, and only then does anything go.
func (d bySelector) converge() bool {
	stable, replicas := d.next.Stable, d.o.Spec.Replicas
	w := d.o.workload(stable)
	d.size(stable, d.withSurge(replicas), "stable serves everything")
	switch {
	case d.o.Stable.Missing:
		return false
	case d.o.Stable.Revision == stable:
	case dead(d.o.Stable) && w.Available > 0, w.Available >= replicas:
		d.point(StableRole, stable, "stable serves everything")
		return false
	default:
		d.report(Progressing, "HandingOver", "revision %s is stable; Service %q is pointed at it when its pods are available", stable, d.o.Stable.Name)
		return false
	}
	if d.showPreview(stable) {
		return false
	}
	if !d.left() {
		if d.next.Release == nil {
			d.report(Progressing, "HandingOver", "revision %s is stable; waiting until every node follows Service %q", stable, d.o.Stable.Name)
		}
		return false
	}
	d.removeOthers()
	d.restartPods()
	return len(d.shrink) == 0
}

// retire removes, while a release is under way, what was left from the one before for a way back.
func (d bySelector) retire() {
	if d.o.Stable.Revision == d.next.Stable && d.left() {
		d.removeOthers()
	}
}
