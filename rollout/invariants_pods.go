package rollout

import (
	"fmt"
	"slices"
)

// PodsOutliveTraffic holds if pods of a revision go only after every backend that names it is drained.
//
// While a backend is not drained the revision keeps what its share needs, so that a Rollout can be scaled down during a
// release. Pods that are not ready serve nobody and may go at any time.
func PodsOutliveTraffic(w Write) error {
	revision, removes := removed(w.Action)
	if !removes || w.Decided.mode() == ByPods {
		return nil
	}
	before, after := w.Before.workload(revision), w.After.workload(revision)
	if active := w.Before.Stable; w.Decided.mode() == BySelector {
		need := min(w.Decided.Spec.Replicas, before.Replicas, active.Ready[revision])
		if slices.Contains(active.Recently, revision) && after.Replicas < need {
			return fmt.Errorf("revision %s goes from %d to %d pods while the active Service has reached it within the drain time",
				revision, before.Replicas, after.Replicas)
		}
		return nil
	}
	for _, role := range []Role{StableRole, CanaryRole} {
		b := w.Before.backend(role)
		need := min(podsFor(b.Recent, w.Decided.Spec.Replicas), before.Replicas, b.Listed[revision])
		if !b.Missing && b.Recent > 0 && b.mayReach(revision) && after.Replicas < need {
			return fmt.Errorf("revision %s goes from %d to %d pods while the %s backend may reach it and has had %d%% within the drain time",
				revision, before.Replicas, after.Replicas, role, b.Recent)
		}
	}
	return nil
}

// AvailabilityStaysInBounds holds if, where the number of pods is the share, and wherever pods are replaced within their
// revision, the engine takes available pods away only while replicas minus unavailable remain. What is below already, because
// pods crash, only gets better.
func AvailabilityStaysInBounds(w Write) error {
	_, evicts := w.Action.(Evict)
	if w.Decided.mode() != ByPods && !evicts || w.Action == nil {
		return nil
	}
	before, after := w.Before.pods().available, w.After.pods().available
	if least := w.Decided.Spec.Replicas - w.Decided.Spec.MaxUnavailable; after < min(before, least) {
		return fmt.Errorf("%d of %d available pods remain, less than %d", after, before, least)
	}
	return nil
}

// removed is the revision whose pods an action may take away.
func removed(action Action) (Revision, bool) {
	switch a := action.(type) {
	case Scale:
		return a.Revision, true
	case DeleteWorkload:
		return a.Revision, true
	}
	return "", false
}
