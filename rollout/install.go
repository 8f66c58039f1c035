package rollout

// install starts the first revision. There is nothing to compare it with: it becomes stable when its pods are available,
// and only then are Services pointed at it that may be serving somebody else's pods.
func (d *decision) install() {
	if d.o.blocking(false) != nil || d.o.Spec.Target == "" {
		d.report(Degraded, "Blocked", "the first revision can't be installed")
		return
	}
	if d.paused() {
		d.report(Waiting, "Paused", "%s: revision %s is not installed", d.pausedBy(), d.o.Spec.Target)
		return
	}
	if d.takeOver() {
		return
	}
	d.begin(d.o.Spec.Target, Installing)
	d.event("ReleaseStarted", "installing revision %s, the first one", d.o.Spec.Target)
	d.report(Progressing, "Installing", "installing revision %s, the first one", d.o.Spec.Target)
}

func (d *decision) installing() {
	release, target := d.next.Release, d.o.Spec.Target
	if target != release.Revision && target != "" && d.o.blocking(false) == nil {
		d.event("ReleaseStarted", "installing revision %s, the first one, instead of revision %s", target, release.Revision)
		d.begin(target, Installing)
		d.report(Progressing, "Installing", "installing revision %s, the first one", target)
		return
	}
	if d.rewiring() {
		// Nothing carries traffic yet.
		d.next.Wiring, d.next.Ledger, d.moved = d.o.Spec.Wiring, Ledger{}, true
		d.report(Progressing, "Rewiring", "revision %s is installed as spec.strategy says now", release.Revision)
		return
	}
	w, replicas := d.o.workload(release.Revision), d.o.Spec.Replicas
	d.installPods(release.Revision)
	d.report(Progressing, "Installing", "installing revision %s, the first one: %d of %d pods available",
		release.Revision, w.Available, replicas)
	if w.Revision != "" && w.Available >= replicas && w.Replicas == replicas {
		d.makeStable(release.Revision)
		d.event("Promoted", "revision %s is stable, the first one", release.Revision)
		d.report(Progressing, "HandingOver", "revision %s is stable; handing the Services over to it", release.Revision)
		d.end()
		return
	}
	if d.overdue() {
		d.stall("ProgressDeadlineExceeded", "the first revision %s has %d of %d pods available after %s; there is no revision to go "+
			"back to: correct spec.template, or look at the pods", release.Revision, w.Available, replicas, short(d.o.Spec.ProgressDeadline))
	}
}

// installPods asks for the pods of the first revision. If there was another first revision before, it has not become
// stable, and what it holds may be all that the quota allows.
func (d *decision) installPods(revision Revision) {
	if d.o.mode() == ByPods {
		byPods{d}.roll(map[Revision]int{revision: d.o.Spec.Replicas}, "first revision")
		return
	}
	d.size(revision, d.o.Spec.Replicas, "first revision")
	for _, w := range d.o.Workloads {
		serving := max(w.Ready, d.o.Stable.Ready(w.Revision), d.o.Canary.Ready(w.Revision))
		if w.Revision != revision && w.Replicas > serving {
			d.shrink = append(d.shrink, Scale{Revision: w.Revision, Replicas: serving, Why: "these pods are not ready and another revision is installed"})
		}
	}
}
