package rollout

import "time"

// stablePods is how many pods stable is to have: all of them, unless the user wants it to shrink with its share. Then it
// shrinks only while a step waits with a split that is settled and drained, and grows before a share comes back to it. It never
// loses its last pod: there has to be something to take traffic back to.
func (d *decision) stablePods() int {
	release, replicas := d.next.Release, d.o.Spec.Replicas
	if !d.o.Spec.DynamicStable || d.o.mode() != ByRoutes || release == nil || release.Phase != Stepping && release.Phase != Promoting {
		return replicas
	}
	weight := 100
	if release.Phase == Stepping {
		weight = d.weight()
	}
	share := 100 - min(weight, d.next.Ledger.Low)
	keep := min(max(podsFor(share, replicas), d.o.Spec.MinPods, 1), replicas)
	// Either Service may reach more than it should if somebody has just changed it.
	ours := d.pointsTo(d.next.Ledger.Stable, d.next.Stable) && d.pointsTo(d.next.Ledger.Canary, release.Revision)
	if release.Phase == Stepping && ours && d.rested(weight) {
		return keep
	}
	return max(keep, min(d.o.workload(d.next.Stable).Replicas, replicas))
}

// relief is the smallest share that the canary can be left with, because stable can carry the rest. With a stable that has
// all its pods it is 0. A stable that has shrunk takes its traffic back in steps, as its pods come: all of it at once would
// only bring it down too. before is what the pass before found.
func (d *decision) relief(before Capacity) int {
	if !d.o.Spec.DynamicStable || d.o.Spec.Replicas == 0 {
		if d.stableServes() {
			return 0
		}
		return 100
	}
	return 100 - d.carries(before)
}

// carries is the share that stable can carry with the endpoints that every gateway knows.
func (d *decision) carries(before Capacity) int {
	replicas, w := d.o.Spec.Replicas, d.o.workload(d.next.Stable)
	ready := min(d.o.Stable.Ready(d.next.Stable), w.Ready, w.Replicas, replicas)
	c := before
	if c.Since.IsZero() || c.Since.After(d.o.Now) {
		c = Capacity{Endpoints: ready, Since: d.o.Now}
	}
	c.Endpoints = min(c.Endpoints, ready)
	known := 0
	if d.reached(c.Since.Add(d.o.Spec.Settle)) {
		known = c.Endpoints
		// More endpoints have come since; they count after a settle time of their own. What is known is used first.
		if ready > known && 100-100*known/replicas >= d.next.Ledger.High {
			if d.o.Stable.Ready(d.next.Stable) <= w.Ready {
				c = Capacity{Endpoints: ready, Since: d.o.Now}
			}
			// Otherwise the endpoints are those of pods that are gone, and a new one need not be among them yet.
			d.wakeAt(d.o.Now.Add(max(d.o.Spec.Settle, time.Millisecond)))
		}
	}
	d.next.Release.StableCapacity = c
	return 100 * known / replicas
}
