package rollout

import (
	"slices"
	"time"
)

// idle is what the engine does without a release: it defends what is, and starts a release when the template changes.
func (d *decision) idle() {
	stable, target := d.next.Stable, d.o.Spec.Target
	d.report(Healthy, "Healthy", "revision %s is stable and serves everything", stable)
	if d.rewire() {
		return
	}
	quiet := d.way().converge()
	d.describeIdle(quiet)
	d.watchHandover()
	switch {
	case target == stable || target == "":
		if quiet {
			d.collectGarbage()
		}
	case d.o.blocking(true) != nil:
		d.report(Degraded, "Blocked", "revision %s can't be released; stable revision %s serves", target, stable)
	case d.paused():
		d.report(Waiting, "Paused", "%s: revision %s is not released", d.pausedBy(), target)
	case quiet && !d.outdated():
		d.start(target)
	}
}

// start begins the release of a revision. One that was stable before may not need the steps.
func (d *decision) start(target Revision) {
	stable := d.next.Stable
	why := d.served(target)
	d.next.UndoTo = ""
	if why == "" {
		d.begin(target, Stepping)
		d.event("ReleaseStarted", "releasing revision %s; revision %s is stable", target, stable)
		d.report(Progressing, "Releasing", "releasing revision %s", target)
		return
	}
	d.begin(target, Promoting)
	d.next.Release.Step, d.next.Release.Approved = len(d.o.Spec.Steps), true
	d.event("ReleaseStarted", "going back to revision %s without steps and analysis: %s; revision %s is stable", target, why, stable)
	d.report(Progressing, "Promoting", "going back to revision %s: %s", target, why)
}

// served says why a revision needs no steps: a person asked to go back to it, or it was stable not long ago. A revision that
// was taken back never was.
func (d *decision) served(target Revision) string {
	former := d.next.Former
	last := slices.Index(former, target)
	switch {
	case d.next.UndoTo == target:
		return "as requested"
	case last < 0:
		return ""
	case len(former)-last <= d.o.Spec.RollbackWindow:
		return "it is within rollbackWindow"
	case d.o.mode() == BySelector && last == len(former)-1 && d.o.workload(target).Available >= d.o.Spec.Replicas:
		return "its pods still run"
	}
	return ""
}

// describeIdle says what is still missing before stable serves everything.
func (d *decision) describeIdle(quiet bool) {
	stable := d.next.Stable
	available, replicas := d.o.workload(stable).Available, d.o.Spec.Replicas
	switch {
	case d.plan.Report.State != Healthy:
	case d.restarting():
		d.reportRestart()
	case available < replicas:
		d.report(Progressing, "Scaling", "revision %s is stable; %d of %d pods are available", stable, available, replicas)
	case !quiet:
		d.report(Progressing, "HandingOver", "revision %s is stable; handing everything over to it", stable)
	}
}

// watchHandover calls for a person when handing over waits for somebody else for too long. There is no release to take
// back, so the engine goes on trying.
func (d *decision) watchHandover() {
	if d.plan.Report.Reason != "HandingOver" || d.movesTraffic() || len(d.shrink) > 0 || !d.plan.Wake.IsZero() {
		return
	}
	l := d.next.Ledger
	changed := slices.MaxFunc([]time.Time{l.Since, l.Stable.Since, l.Canary.Since}, time.Time.Compare)
	if d.reached(changed.Add(d.o.Spec.ProgressDeadline)) {
		d.stall("HandoverOverdue", "%s; nothing has moved for %s (progressDeadlineSeconds): look at the Services, the routes and the pods of revision %s",
			d.plan.Report.Message, short(d.o.Spec.ProgressDeadline), d.next.Stable)
	}
}

// removeOthers takes the pods of every revision but stable and the one under test. No backend names them any more. The one
// that was stable before keeps them for a while, for a way back.
func (d *decision) removeOthers() {
	kept, l := d.former(), d.next.Ledger
	changed := slices.MaxFunc([]time.Time{l.Stable.Since, l.Canary.Since}, time.Time.Compare)
	if kept != "" && (d.rewiring() || d.reached(changed.Add(d.o.Spec.ScaleDownDelay))) {
		kept = ""
	}
	for _, w := range d.o.Workloads {
		if w.Revision == kept {
			continue
		}
		if w.Revision != d.next.Stable && !d.underTest(w.Revision) && w.Replicas > 0 {
			d.shrink = append(d.shrink, Scale{Revision: w.Revision, Why: "no backend names it any more"})
		}
	}
}

// former is the revision that was stable before, empty if there was none.
func (d *decision) former() Revision {
	if n := len(d.next.Former); n > 0 {
		return d.next.Former[n-1]
	}
	return ""
}

func (d *decision) underTest(revision Revision) bool {
	return d.next.Release != nil && d.next.Release.Revision == revision
}

// collectGarbage deletes the oldest revisions without pods beyond the history limit.
func (d *decision) collectGarbage() {
	var old []Workload
	for _, w := range d.o.Workloads {
		if w.Revision != d.next.Stable && w.Revision != d.o.Spec.Target && w.Replicas == 0 && w.Ready == 0 {
			old = append(old, w)
		}
	}
	slices.SortFunc(old, func(a, b Workload) int {
		if a.Number != b.Number {
			return int(a.Number - b.Number)
		}
		return a.Created.Compare(b.Created)
	})
	for _, w := range old[:max(len(old)-d.o.Spec.HistoryLimit, 0)] {
		d.remove = append(d.remove, DeleteWorkload{Revision: w.Revision, Why: "older than revisionHistoryLimit"})
	}
	d.next.Former = slices.DeleteFunc(d.next.Former, func(r Revision) bool { return d.o.workload(r).Revision == "" })
}

func (l Ledger) exactly(percent int) bool { return l.Low == percent && l.High == percent }

// waitingForRouter is the end of a sentence that says what the router still lacks.
func (d *decision) waitingForRouter() string {
	if waiting := d.o.Routes.Waiting(); waiting != "" {
		return ": " + waiting
	}
	return ""
}
