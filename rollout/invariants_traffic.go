package rollout

import (
	"fmt"
	"slices"
)

// CapacityBeforeTraffic holds if no backend gets a share for which it has not enough ready endpoints.
//
// A backend that points at the stable revision needs only one: giving everything back to stable is the way out of
// trouble, and half of stable's pods serve better than a revision that is known to be bad. A stable that has given pods back on
// purpose (dynamicStableScale) needs as many as its share does, unless the other backend reaches the same pods. If the other backend reaches
// nothing at all, or nobody wants any pods, there is nothing to lose. A backend that has a share already is never pointed
// at anything but stable.
func CapacityBeforeTraffic(w Write) error {
	if w.Decided.Spec.Replicas == 0 {
		return nil
	}
	switch a := w.Action.(type) {
	case nil:
		return w.promoted()
	case Shift:
	case Point:
		if w.Decided.mode() == BySelector {
			return w.switched(a)
		}
		if b := w.Before.backend(a.Backend); b.Written > 0 && !b.Missing && a.Revision != w.Before.Status.Stable {
			return fmt.Errorf("the %s backend is pointed at revision %s while it has %d%%", a.Backend, a.Revision, b.Written)
		}
		return nil
	default:
		return nil
	}
	if err := w.raised("canary", w.Before.Canary, w.After.Canary, w.Before.Stable); err != nil {
		return err
	}
	return w.raised("stable", w.Before.Stable, w.After.Stable, w.Before.Canary)
}

// promoted: what becomes stable serves everything already.
func (w Write) promoted() error {
	before, after, need := w.Before.Status.Stable, w.After.Status.Stable, w.Decided.Spec.Replicas
	serving := w.Before.Canary
	if w.Decided.mode() == BySelector {
		serving = w.Before.Stable
	}
	if have := serving.Listed[after]; w.Decided.mode() != ByPods && before != after && before != "" && have < need {
		return fmt.Errorf("revision %s becomes stable with %d of %d endpoints", after, have, need)
	}
	return nil
}

// switched: the active Service is pointed at what can serve all of its users, or at stable, or reaches nobody anyway.
func (w Write) switched(a Point) error {
	need := w.Decided.Spec.Replicas
	if a.Revision == w.Before.Status.Stable {
		need = 1
	}
	have := w.Before.Stable.Ready[a.Revision]
	if a.Backend == StableRole && have < need && !w.Before.Stable.reachesNothing() {
		return fmt.Errorf("the active Service is pointed at revision %s with %d of %d pods ready", a.Revision, have, need)
	}
	return nil
}

func (w Write) raised(role string, before, after, other Exposure) error {
	if after.Written <= before.Written || other.reachesNothing() {
		return nil
	}
	need, have := podsFor(after.Written, w.Decided.Spec.Replicas), after.Known[after.Points]
	release := w.Decided.Status.Release
	thin := w.Decided.Spec.DynamicStable && release != nil && release.Phase != Aborted && other.Points != after.Points
	if after.Points == w.Before.Status.Stable && !thin {
		need, have = 1, after.Listed[after.Points]
	}
	if have < need || after.Missing {
		return fmt.Errorf("the %s backend gets %d%% (had %d%%) with %d of %d endpoints of revision %q that the data plane knows",
			role, after.Written, before.Written, have, need, after.Points)
	}
	return nil
}

// PointersMoveDrained holds if what a backend points at never changes while its share is above zero, or not settled at zero.
//
// A backend that names no revision, or reaches no ready endpoint, may be pointed at any time. So may the stable backend
// at stable during a release, and any backend at stable while neither names it: only somebody else can have changed that,
// and users meet revisions that were never promoted or no longer are.
func PointersMoveDrained(w Write) error {
	if widen, ok := w.Action.(Widen); ok {
		return w.widened(widen)
	}
	point, ok := w.Action.(Point)
	if !ok {
		return nil
	}
	if w.Decided.mode() == BySelector {
		return w.pointedInOrder(point)
	}
	before, after := w.Before.backend(point.Backend), w.After.backend(point.Backend)
	if before.Points == after.Points || before.free() {
		return nil
	}
	stable, releasing := w.Decided.Status.Stable, w.Decided.Status.Release != nil
	unreachable := w.Before.Stable.Points != stable && w.Before.Canary.Points != stable
	if after.Points == stable && (unreachable || releasing && point.Backend == StableRole) {
		return nil
	}
	return fmt.Errorf("the %s backend is pointed from revision %s to %s; it may have %d%% of the traffic and has had %d%% within the drain time",
		point.Backend, before.Points, after.Points, before.Share, before.Recent)
}

// pointedInOrder: the selector of the active Service is what carries the split, so it may move, but only to stable, or to what is
// being promoted. It may have been when that was decided, as long as the abort that has come between is not over: it waits for
// whoever doesn't know of it yet.
func (w Write) pointedInOrder(point Point) error {
	promoted := false
	if now, then := w.Before.Status.Release, w.Decided.Status.Release; now != nil && now.Revision == point.Revision {
		promoted = now.Phase == Promoting || now.Phase == Aborting && then != nil && then.Run == now.Run && then.Phase == Promoting
	}
	if point.Backend == StableRole && point.Revision != w.Before.Status.Stable && !promoted {
		return fmt.Errorf("the active Service is pointed at revision %s, which is neither stable nor being promoted", point.Revision)
	}
	return nil
}

// widened: a Service is let go of only while nothing but stable has pods.
func (w Write) widened(widen Widen) error {
	for _, load := range w.Before.Workloads {
		if load.Revision != w.Before.Status.Stable && load.Ready > 0 {
			return fmt.Errorf("the %s backend is let go of while revision %s has %d ready pods", widen.Backend, load.Revision, load.Ready)
		}
	}
	return nil
}

// SomebodyServes holds if at every moment some backend with ready endpoints has a share above zero.
//
// Pods crash and people err, so what can be asked of the engine is that none of its writes takes away what there was:
// if every request reached a ready endpoint before, whatever the data plane makes of the write, every request does after.
// Without a router the user may allow all pods to be unavailable, of one replica for example.
func SomebodyServes(w Write) error {
	least := w.Decided.Spec.Replicas
	if _, evicts := w.Action.(Evict); evicts || w.Decided.mode() == ByPods {
		least -= w.Decided.Spec.MaxUnavailable
	}
	if w.Action == nil || least <= 0 || !w.Before.serves(false) || w.After.serves(true) {
		return nil
	}
	return fmt.Errorf("every request could be answered before %v, and not after it", w.Action)
}

// serves says whether every request reaches a ready endpoint, whatever the data plane does. With soon it is enough that
// pods are ready which are about to be listed as endpoints.
func (m Moment) serves(soon bool) bool {
	if m.mode() == ByPods {
		return m.pods().available > 0
	}
	for _, b := range []Exposure{m.Stable, m.Canary} {
		if b.Share == 0 {
			continue
		}
		for _, revision := range b.Reaches {
			listed := sum(b.Listed, revision) > 0
			unlisted := sum(b.Ready, revision) > 0 && (soon || revision != b.Points)
			if b.Missing || !listed && !unlisted {
				return false
			}
		}
	}
	return true
}

// free: nobody minds where it is pointed.
func (e Exposure) free() bool { return e.Points == "" || e.reachesNothing() || e.Recent == 0 }

func (e Exposure) reachesNothing() bool { return e.Missing || sum(e.Listed, "") == 0 }

func (e Exposure) mayReach(revision Revision) bool {
	return slices.Contains(e.Reaches, revision) || slices.Contains(e.Reaches, "")
}
