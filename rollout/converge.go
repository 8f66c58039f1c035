package rollout

import (
	"slices"
	"time"
)

// idle is what the engine does without a release: it defends what is, and starts a release when the template changes.
func (d *decision) idle() {
	stable, target := d.next.Stable, d.o.Spec.Target
	d.report(Healthy, "Healthy", "revision %s is stable and serves everything", stable)
	quiet := d.converge()
	d.describeIdle(quiet)
	d.watchHandover()
	switch {
	case target == stable || target == "":
		if quiet {
			d.collectGarbage()
		}
	case d.o.blocking(true) != nil:
		d.report(Degraded, "Blocked", "revision %s can't be released; stable revision %s serves", target, stable)
	case d.o.Spec.Paused:
		d.report(Waiting, "Paused", "spec.paused is true: revision %s is not released", target)
	case quiet:
		d.begin(target, Stepping)
		d.event("ReleaseStarted", "releasing revision %s; revision %s is stable", target, stable)
		d.report(Progressing, "Releasing", "releasing revision %s", target)
	}
}

// describeIdle says what is still missing before stable serves everything.
func (d *decision) describeIdle(quiet bool) {
	stable := d.next.Stable
	available, replicas := d.o.workload(stable).Available, d.o.Spec.Replicas
	switch {
	case d.plan.Report.State != Healthy:
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

// converge makes stable serve everything and then removes the pods of other revisions. It says whether all of that is
// done. The order is what keeps every request: the share leaves a backend, the backend drains, is pointed at stable,
// settles there, gets its share back, and only then does anything go.
func (d *decision) converge() bool {
	if !d.o.Spec.Routed {
		return d.convergeByPods()
	}
	stable := d.next.Stable
	d.size(stable, d.o.Spec.Replicas, "stable serves everything")
	switch {
	case d.o.Stable.Missing || d.o.Canary.Missing:
		return false
	case d.o.Stable.Revision != stable:
		d.adoptStable()
		return false
	case d.o.Canary.Revision != stable && d.freeToPoint(d.o.Canary, 0):
		d.act(Point{Backend: CanaryRole, Revision: stable, Why: "no release needs it, and so nobody can send traffic astray"})
		return false
	case !d.next.Ledger.exactly(0):
		d.returnToStable("stable serves everything")
		return false
	}
	return d.handedOver()
}

// handedOver says whether the Services and the router have followed, and then removes what nobody names any more.
func (d *decision) handedOver() bool {
	stable := d.next.Stable
	if d.pointsTo(d.next.Ledger.Stable, stable) && d.pointsTo(d.next.Ledger.Canary, stable) && d.drained(0) {
		d.removeOthers()
		return len(d.shrink) == 0
	}
	if d.next.Release == nil {
		d.report(Progressing, "HandingOver", "revision %s is stable; waiting until the Services and the router follow%s",
			stable, d.waitingForRouter())
	}
	return false
}

// adoptStable points the stable backend at stable. After a promotion that backend still points at the revision before,
// has no share, and is drained; at the first installation it selects pods whatever their revision.
func (d *decision) adoptStable() {
	stable := d.next.Stable
	d.report(Progressing, "HandingOver", "revision %s is stable; handing the traffic over to Service %s%s",
		stable, d.o.Stable.Name, d.waitingForRouter())
	if why := d.adoptable(); why != "" {
		d.act(Point{Backend: StableRole, Revision: stable, Why: why})
		return
	}
	enough := d.o.workload(stable).Available >= d.o.Spec.Replicas
	switch {
	case d.pointsTo(d.next.Ledger.Canary, stable) && !d.next.Ledger.exactly(100) && d.o.Canary.Ready(stable) > 0:
		d.act(Shift{Percent: 100, Why: "stable is behind the canary Service until the stable Service is handed over"})
	case d.o.Canary.Revision != stable && enough && (d.next.Ledger.High > 0 || d.freeToPoint(d.o.Canary, 0)):
		// With traffic on it too, somebody has changed both Services, and nothing else would ever free one of them.
		d.act(Point{Backend: CanaryRole, Revision: stable, Why: "stable has to take the traffic while the stable Service is handed over"})
	}
}

// adoptable says why the stable backend may be pointed at stable now, empty if it may not.
func (d *decision) adoptable() string {
	available := d.o.workload(d.next.Stable).Available
	switch {
	case d.o.Stable.Revision == "" && available >= d.o.Spec.Replicas:
		return "it selects the pods of every revision"
	case dead(d.o.Stable) && available > 0:
		return "it reaches no ready pod"
	case d.drained(100):
		return "it has no traffic"
	}
	return ""
}

// freeToPoint says whether a backend may be pointed at stable: it is drained, or reaches nothing anyway, or selects no
// revision in particular, and so pods of stable too, of which there are some. empty is the canary's share at which this
// backend has nothing.
func (d *decision) freeToPoint(b Backend, empty int) bool {
	narrowed := b.Revision == "" && d.o.workload(d.next.Stable).Available > 0
	return !b.Missing && (narrowed || dead(b) || d.drained(empty))
}

// returnToStable gives the stable backend everything as soon as it can serve. It is the one way back, for abort,
// supersede, and a split that somebody else wrote.
func (d *decision) returnToStable(why string) {
	stable := d.next.Stable
	nobodyElse := d.o.Canary.Missing || dead(d.o.Canary)
	switch {
	case d.next.Ledger.Low == 0 && d.next.Ledger.High == 0:
	case d.stableServes() && d.pointsTo(d.next.Ledger.Stable, stable), nobodyElse:
		d.act(Shift{Percent: 0, Why: why})
	}
}

// removeOthers takes the pods of every revision but stable and the one under test. No backend names them any more.
func (d *decision) removeOthers() {
	for _, w := range d.o.Workloads {
		if w.Revision != d.next.Stable && !d.underTest(w.Revision) && w.Replicas > 0 {
			d.shrink = append(d.shrink, Scale{Revision: w.Revision, Why: "no backend names it any more"})
		}
	}
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
}

func (l Ledger) exactly(percent int) bool { return l.Low == percent && l.High == percent }

// waitingForRouter is the end of a sentence that says what the router still lacks.
func (d *decision) waitingForRouter() string {
	if waiting := d.o.Routes.Waiting(); waiting != "" {
		return ": " + waiting
	}
	return ""
}
