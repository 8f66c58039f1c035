package rollout

import "time"

// evictionPause is how long to wait until pods that were not let go, because of a PodDisruptionBudget, are asked for again.
const evictionPause = 5 * time.Second

// noteRestart begins a replacement of pods whose time has come.
func (d *decision) noteRestart() {
	at := d.o.Spec.RestartAt
	if at.After(d.next.Restart.At) && d.reached(at) {
		d.next.Restart = Restarting{At: at, Progress: d.o.Now}
	}
	if r := &d.next.Restart; r.Progress.After(d.o.Now) {
		r.Progress = d.o.Now
	}
}

// restarting says whether pods are being replaced. Which of them are old is only observed once the status says since when.
func (d *decision) restarting() bool {
	r := d.next.Restart
	return !r.At.IsZero() && !r.Done && r.At.Equal(d.o.Status.Restart.At) && r.Until.Equal(d.o.Status.Restart.Until)
}

// withSurge is how many pods stable has: some more than replicas while they are replaced, so that none is missing. A single
// replica is never replaced without another one beside it, whatever the surge, unless the number of pods is the share.
func (d *decision) withSurge(replicas int) int {
	if !d.restarting() || d.o.workload(d.next.Stable).Outdated == 0 {
		return replicas
	}
	surge := d.o.Spec.MaxSurge
	if surge == 0 && replicas <= d.o.Spec.MaxUnavailable && d.o.mode() != ByPods {
		surge = 1
	}
	return replicas + min(surge, d.o.workload(d.next.Stable).Outdated)
}

// restartPods replaces the pods of stable, the oldest first: beside each there is a new one before it goes. It runs only while
// nothing else moves, since a release and a restart would each count on the same pods.
func (d *decision) restartPods() {
	r, w := &d.next.Restart, d.o.workload(d.next.Stable)
	calm := !d.moved && !d.movesTraffic() && len(d.shrink) == 0
	if !d.restarting() || !calm || w.Revision == "" {
		return
	}
	if r.Until.IsZero() {
		d.findOutdated(w)
		return
	}
	if w.Outdated == 0 {
		r.Done, r.Left = true, 0
		d.event("Restarted", "all pods of revision %s have been replaced (restart of %s)", w.Revision, r.At.UTC().Format(time.RFC3339))
		return
	}
	if r.Left == 0 || w.Outdated < r.Left {
		r.Left, r.Progress = w.Outdated, d.o.Now
	}
	d.evict(w)
}

// evict removes as many pods as can be spared.
func (d *decision) evict(w Workload) {
	least := d.o.Spec.Replicas
	if d.withSurge(least) == least {
		least -= d.o.Spec.MaxUnavailable
	}
	spare := min(min(w.Available, w.Listed)-least, w.Outdated)
	if w.Replicas >= least && spare > 0 {
		d.act(Evict{Revision: w.Revision, Pods: spare, Until: d.next.Restart.Until, Why: "they are older than the restart that was asked for"})
		d.wakeAt(d.o.Now.Add(evictionPause))
	}
}

// findOutdated says which pods are to be replaced: those there are, but none younger than spec.restartAt.
func (d *decision) findOutdated(w Workload) {
	r := &d.next.Restart
	switch {
	case w.Youngest.IsZero():
		r.Done = true
	case r.All || w.Youngest.Before(r.At):
		r.Until = w.Youngest
	default:
		r.Until = r.At
	}
	d.wakeAt(d.o.Now)
}

// reportRestart says how far it is.
func (d *decision) reportRestart() {
	r := d.next.Restart
	d.report(Progressing, "Restarting", "revision %s is stable; %s of it still to be replaced (restart of %s)",
		d.next.Stable, pods(d.o.workload(d.next.Stable).Outdated), r.At.UTC().Format(time.RFC3339))
	if d.reached(r.Progress.Add(d.o.Spec.ProgressDeadline)) {
		d.stall("RestartOverdue", "%s; none has been replaced for %s (progressDeadlineSeconds): look at the pods, at PodDisruptionBudgets and at the nodes",
			d.plan.Report.Message, short(d.o.Spec.ProgressDeadline))
	}
}
