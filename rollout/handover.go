package rollout

// converge keeps every request by its order: the share leaves a backend, the backend drains, is pointed at stable, settles
// there, gets its share back, and only then does anything go.
func (d byRoutes) converge() bool {
	stable := d.next.Stable
	d.size(stable, d.withSurge(d.o.Spec.Replicas), "stable serves everything")
	switch {
	case d.o.Stable.Missing || d.o.Canary.Missing:
		return false
	case d.o.Stable.Revision != stable:
		d.adoptStable()
		return false
	case d.o.Canary.Revision != stable && d.freeToPoint(d.o.Canary, 0):
		d.point(CanaryRole, stable, "no release needs it, and so nobody can send traffic astray")
		return false
	case !d.next.Ledger.clear():
		d.returnToStable("stable serves everything", 0)
		return false
	}
	return d.handedOver()
}

// handedOver says whether the Services and the router have followed, and then removes what nobody names any more.
func (d byRoutes) handedOver() bool {
	stable := d.next.Stable
	if d.pointsTo(d.next.Ledger.Stable, stable) && d.pointsTo(d.next.Ledger.Canary, stable) && d.drained(0) {
		d.removeOthers()
		d.restartPods()
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
func (d byRoutes) adoptStable() {
	stable := d.next.Stable
	d.report(Progressing, "HandingOver", "revision %s is stable; handing the traffic over to %s%s",
		stable, d.o.Stable, d.waitingForRouter())
	if why := d.adoptable(); why != "" {
		d.point(StableRole, stable, why)
		return
	}
	enough := d.o.workload(stable).Available >= d.o.Spec.Replicas
	switch {
	case d.pointsTo(d.next.Ledger.Canary, stable) && !d.next.Ledger.there(100) && d.o.Canary.Ready(stable) > 0:
		d.act(Shift{Percent: 100, Why: "stable is behind the canary Service until the stable Service is handed over"})
	case d.o.Canary.Revision != stable && enough && (d.next.Ledger.High > 0 || d.freeToPoint(d.o.Canary, 0)):
		// With traffic on it too, somebody has changed both Services, and nothing else would ever free one of them.
		d.point(CanaryRole, stable, "stable has to take the traffic while the stable Service is handed over")
	}
}

// adoptable says why the stable backend may be pointed at stable now, empty if it may not.
func (d byRoutes) adoptable() string {
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
func (d byRoutes) freeToPoint(b Backend, empty int) bool {
	narrowed := b.Revision == "" && d.o.workload(d.next.Stable).Available > 0
	return !b.Missing && (narrowed || dead(b) || d.drained(empty))
}
