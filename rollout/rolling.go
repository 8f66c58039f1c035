package rollout

import (
	"maps"
	"slices"
)

// byPods moves traffic by the number of pods: every pod behind the user's own Service gets the same.
type byPods struct{ *decision }

// podsByWeight is how many pods of the canary and of stable come closest to a weight where the number of pods is the
// share, with one pod more than replicas if the surge allows it and that comes closer: 2 and 2 for half of three replicas. A
// weight above 0 is never no pod, a weight below 100 never all of them, as long as there are two pods to divide.
func podsByWeight(weight, replicas, surge int) (canary, stable int) {
	switch {
	case replicas == 0 || weight <= 0:
		return 0, replicas
	case weight >= 100:
		return replicas, 0
	case replicas == 1 && surge == 0:
		return 1, 0
	}
	best := 0
	least := max(replicas, 2)
	for total := least; total <= max(least, replicas+min(surge, 1)); total++ {
		c := min(max((weight*total+50)/100, 1), total-1)
		// The distance of c/total from the weight, without fractions.
		if off := abs(100*c - weight*total); best == 0 || off*best < abs(100*canary-weight*best)*total {
			canary, stable, best = c, total-c, total
		}
	}
	return canary, stable
}

func abs(n int) int { return max(n, -n) }

func (d byPods) give(weight int) bool {
	release := d.next.Release
	canary, stable := podsByWeight(weight, d.o.Spec.Replicas, d.o.Spec.MaxSurge)
	w := d.o.workload(release.Revision)
	if canary > w.Replicas {
		if problem := d.o.blocking(true); problem != nil {
			d.report(Progressing, "WaitingForReference", "%s: %s", d.position(), problem.Message)
			return false
		}
		if d.paused() || w.Replicas > 0 && !d.approvedToGoOn("%s: before %d canary pods", d.position(), canary) || !d.mayExpose(weight) {
			return false
		}
	}
	there := d.roll(map[Revision]int{release.Revision: canary, d.next.Stable: stable}, "the number of pods is the share")
	if !there && !d.moved {
		d.report(Progressing, "WaitingForCapacity", "%s: %d of %d pods of revision %s are available",
			d.position(), w.Available, canary, release.Revision)
	}
	return there
}

func (d byPods) takeBack() bool {
	return d.roll(map[Revision]int{d.next.Stable: d.o.Spec.Replicas}, "stable takes over again")
}

// converge replaces every other revision by stable, within surge and unavailability.
func (d byPods) converge() bool {
	want := map[Revision]int{d.next.Stable: d.withSurge(d.o.Spec.Replicas)}
	if release := d.next.Release; release != nil && !d.reached(release.AbortedAt.Add(d.o.Spec.AbortScaleDownDelay)) {
		// A revision that was taken back keeps its pods for a while.
		want[release.Revision] = d.o.workload(release.Revision).Replicas
	}
	there := d.roll(want, "stable serves everything")
	d.restartPods()
	return there
}

// roll moves towards a number of pods for each revision; a revision that isn't named gets none. At most replicas plus
// surge are asked for, and available pods are removed only while replicas minus unavailable remain. It says whether
// every revision has what it should have.
func (d byPods) roll(want map[Revision]int, why string) bool {
	total, available := 0, 0
	for _, w := range d.o.Workloads {
		total += w.Replicas
		available += min(w.Available, w.Replicas)
	}
	surge := max(d.o.Spec.Replicas+d.o.Spec.MaxSurge-total, 0)
	spare := max(available-(d.o.Spec.Replicas-d.o.Spec.MaxUnavailable), 0)
	there := true
	for _, revision := range slices.Sorted(maps.Keys(want)) {
		w := d.o.workload(revision)
		// A revision without a ReplicaSet gets one also when it is to have no pods for now.
		if add := min(max(want[revision]-w.Replicas, 0), surge); add > 0 || w.Revision == "" {
			surge -= add
			d.size(revision, w.Replicas+add, why)
		}
		there = there && w.Replicas == want[revision] && w.Available >= want[revision]
	}
	for _, w := range d.o.Workloads {
		cut := w.Replicas - want[w.Revision]
		if cut <= 0 {
			continue
		}
		there = false
		// Pods that are not available serve nobody, and are the first that a ReplicaSet removes.
		idle := min(cut, w.Replicas-min(w.Available, w.Replicas))
		serving := min(cut-idle, spare)
		spare -= serving
		if idle+serving > 0 {
			d.shrink = append(d.shrink, Scale{Revision: w.Revision, Replicas: w.Replicas - idle - serving, Why: why})
		}
	}
	return there
}
