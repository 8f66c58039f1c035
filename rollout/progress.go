package rollout

import "time"

// checkProgress takes a release back that has not moved for too long. It runs before anything that could wait or fail,
// so that nothing that is broken keeps it from being noticed.
func (d *decision) checkProgress() {
	release := d.next.Release
	if d.moved || release == nil {
		return
	}
	if d.progressed() {
		d.extendDeadline()
		return
	}
	if release.Deadline.IsZero() || d.o.Now.Before(release.Deadline) {
		return
	}
	if release.Phase == Stepping || release.Phase == Promoting {
		w := d.o.workload(release.Revision)
		d.abort(ByDeadline, "no progress for %s (progressDeadlineSeconds): %d of %d pods ready, canary weight %d",
			short(d.o.Spec.ProgressDeadline), w.Ready, w.Replicas, d.next.Ledger.High)
	}
}

// progressed says whether the release got further than ever before: a larger share, or more ready pods. What goes up
// and down again and again, like a pod that crashes, is progress only once.
func (d *decision) progressed() bool {
	release := d.next.Release
	return d.next.Ledger.High > release.WeightHighWater || d.o.workload(release.Revision).Ready > release.ReadyHighWater
}

// extendDeadline gives the release its time anew.
func (d *decision) extendDeadline() {
	release := d.next.Release
	release.Deadline = d.o.Now.Add(d.o.Spec.ProgressDeadline)
	release.ReadyHighWater = max(release.ReadyHighWater, d.o.workload(release.Revision).Ready)
	release.WeightHighWater = max(release.WeightHighWater, d.next.Ledger.High)
}

// setDeadline stops the deadline while the release waits for a clock, a verdict or a person, and starts it afterwards.
func (d *decision) setDeadline() {
	release := d.next.Release
	if release == nil || d.moved {
		return
	}
	if d.patient {
		release.Deadline = time.Time{}
		return
	}
	if release.Deadline.IsZero() {
		d.extendDeadline()
	}
	d.reached(release.Deadline)
}

// overdue says whether a wait that can't be ended by going back, an abort or the first installation, takes too long.
func (d *decision) overdue() bool {
	deadline := d.next.Release.Deadline
	return !deadline.IsZero() && !d.o.Now.Before(deadline)
}
