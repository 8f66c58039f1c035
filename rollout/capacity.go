package rollout

// podsFor is how many pods a revision needs for a share of the traffic, in percent: never none for some traffic.
func podsFor(percent, replicas int) int { return (percent*replicas + 99) / 100 }

// need is how many ready endpoints the revision under test needs for a share, and for the rules that are wanted. Nobody knows how many
// requests a rule describes; it takes what a setCanaryScale says, or else the smallest share's.
func (d *decision) need(weight int) int {
	need := 0
	if rules := len(d.o.Rules()) > 0; rules || weight > 0 {
		need = min(max(podsFor(weight, d.o.Spec.Replicas), d.o.Spec.MinPods, 1), d.o.Spec.Replicas)
		if rules {
			need = max(need, scaleAt(d.o.Spec.Steps, d.next.Release.Step))
		}
	}
	return need
}

// canaryPods is how many pods the revision under test is to have at a weight: what the weight needs, or more if the plan says
// so. It is never fewer: ten percent of the pods can't carry ninety percent of the traffic.
func (d *decision) canaryPods(weight int) int {
	return max(d.need(weight), scaleAt(d.o.Spec.Steps, d.next.Release.Step))
}

// scaleAt is the number of pods that the plan asks for at a step, negative for as many as the share needs.
func scaleAt(steps []Step, index int) int {
	pods := -1
	for _, s := range steps[:min(index+1, len(steps))] {
		if s.Kind == SetScale {
			pods = s.Pods
		}
	}
	return pods
}

// shareByPods is the share that the canary has by the number of pods it is asked to have, where no router splits.
func (o Observed) shareByPods() int {
	if o.Status.Release == nil {
		return 0
	}
	total, canary := 0, 0
	for _, w := range o.Workloads {
		total += w.Replicas
		if w.Revision == o.Status.Release.Revision && w.Revision != o.Status.Stable {
			canary = w.Replicas
		}
	}
	if total == 0 {
		return 0
	}
	return canary * 100 / total
}

// size asks for a number of pods of a revision, creating the first ones from the template if it has none yet.
func (d *decision) size(revision Revision, replicas int, why string) {
	w := d.o.workload(revision)
	switch {
	case w.Revision == "" && revision == d.o.Spec.Target:
		d.act(CreateWorkload{Revision: revision, Number: d.o.nextNumber(), Replicas: replicas, Why: why})
	case w.Revision == "" || w.Replicas == replicas:
	case w.Replicas < replicas:
		d.act(Scale{Revision: revision, Replicas: replicas, Why: why})
	default:
		d.shrink = append(d.shrink, Scale{Revision: revision, Replicas: replicas, Why: why})
	}
}

// grow asks for at least a number of pods.
func (d *decision) grow(revision Revision, replicas int, why string) {
	d.size(revision, max(replicas, d.o.workload(revision).Replicas), why)
}

// nextNumber is the number of a new revision.
func (o Observed) nextNumber() int64 {
	var highest int64
	for _, w := range o.Workloads {
		highest = max(highest, w.Number)
	}
	return highest + 1
}

// capable says whether the canary backend has had enough ready endpoints for a weight for the settle time: an endpoint
// that the API server knows is not yet one that every gateway knows. The ReplicaSet has to agree, since endpoints outlive
// their pods by a moment. before is what the pass before found.
func (d *decision) capable(weight int, before Capacity) bool {
	release, need := d.next.Release, d.need(weight)
	w := d.o.workload(release.Revision)
	if d.next.Ledger.Canary.Revision != release.Revision || min(d.o.Canary.Ready(release.Revision), w.Ready, w.Replicas) < need {
		return false
	}
	release.Capacity = before
	if before.Endpoints < need || before.Since.IsZero() || before.Since.After(d.o.Now) {
		release.Capacity = Capacity{Endpoints: need, Since: d.o.Now}
	}
	return d.reached(release.Capacity.Since.Add(d.o.Spec.Settle)) && d.pointsTo(d.next.Ledger.Canary, release.Revision)
}

// stableServes says whether the stable backend can take all traffic back. One ready endpoint is enough: stable keeps all
// its pods during a release, and waiting for the last of them would keep traffic on a revision that is known to be bad.
func (d *decision) stableServes() bool {
	return d.o.Stable.Ready(d.o.Stable.Revision) > 0 || d.o.Spec.Replicas == 0
}

// dead says whether a backend has no ready endpoint at all, so that pointing it elsewhere can only help.
func dead(b Backend) bool {
	for _, ready := range b.Endpoints {
		if ready > 0 {
			return false
		}
	}
	return true
}
