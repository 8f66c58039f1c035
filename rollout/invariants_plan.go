package rollout

import (
	"fmt"
	"slices"
)

// AbortProceeds holds if an abort can always be carried out, whatever else is broken; it needs only that stable has
// endpoints. As long as the canary has a share, or a managed rule, the plan takes it away, or points the stable backend at stable first, or
// waits for that to settle and says until when.
//
// A stable that has given pods back (dynamicStableScale) takes its traffic back as fast as they return.
func AbortProceeds(o Observed, p Plan) error {
	release, share := o.Status.Release, o.share()
	if release == nil || release.Phase != Aborting || p.phaseChanged(o.Status) || !o.exposed() || !o.stableCouldServe() {
		return nil
	}
	if slices.ContainsFunc(p.Actions, o.takesBack) {
		return nil
	}
	if o.returning(share.High) && !o.Routes.HasManaged() || o.settling(p) && !p.Wake.IsZero() && !p.Wake.After(o.Now.Add(o.Spec.Settle)) {
		return nil
	}
	return fmt.Errorf("the release is taken back, stable has %d endpoints, and yet the canary keeps %d%% and the managed routes %v: %s",
		o.Stable.Ready(o.Status.Stable), share.High, o.rulesThere(), p.Report.Message)
}

// exposed says whether routes lead anybody to the canary.
func (o Observed) exposed() bool { return o.share().High > 0 || o.Routes.HasManaged() }

// returning says whether stable's pods are still on their way, so that it can't carry more than it does. A ready pod beyond
// those that its ReplicaSet was last asked for may be on its way out.
func (o Observed) returning(share int) bool {
	w := o.workload(o.Status.Stable)
	ready := min(o.Stable.Ready(o.Status.Stable), w.Ready, w.Replicas)
	return o.Spec.DynamicStable && 100-100*ready/max(o.Spec.Replicas, 1) >= share
}

// settling says whether there is something that is worth waiting for: the pointer of the stable backend, endpoints of a stable
// that has given pods back, and before all that a status that says what somebody else has changed.
func (o Observed) settling(p Plan) bool {
	return o.Spec.DynamicStable || o.Stable.Revision == o.Status.Stable || !p.Status.Ledger.sees(o.Status.Ledger)
}

// stableCouldServe says whether there is a backend for stable, and something to point it at.
func (o Observed) stableCouldServe() bool {
	available := o.workload(o.Status.Stable).Available > 0
	switch o.mode() {
	case ByRoutes:
		return !o.Stable.Missing && o.Stable.Ready(o.Status.Stable) > 0 && available
	case BySelector:
		return !o.Stable.Missing && available
	case ByPods:
	}
	return false
}

// takesBack says whether an action gives traffic to stable, or is what has to come before.
func (o Observed) takesBack(action Action) bool {
	switch a := action.(type) {
	case Shift:
		return a.Percent < o.share().High || !a.Rules && o.Routes.HasManaged()
	case Point:
		return a.Backend == StableRole && a.Revision == o.Status.Stable
	}
	return false
}

// EveryWaitEnds holds if every wait has a deadline, and every state has a way forward. A plan that changes nothing says when to
// look again, or that all is well, or that it takes a person. It never says "now": that would be a loop.
//
// Pods of stable that are missing while no release is under way are the ReplicaSet's to bring; that wait is visible as
// state Progressing, reason Scaling, and has no deadline because nothing else waits for it.
func EveryWaitEnds(o Observed, p Plan) error {
	if len(p.Actions) > 0 || !p.Status.Equal(o.Status) {
		return nil
	}
	if !p.Wake.IsZero() {
		if !p.Wake.After(o.Now) {
			return fmt.Errorf("nothing changes and yet it wants to look again at once: %s", p.Report.Message)
		}
		return nil
	}
	r := p.Report
	if r.State == Healthy || r.State == Waiting || r.Stalled || r.Reason == "Scaling" {
		return nil
	}
	return fmt.Errorf("%s waits for ever: %s", r.State, r.Message)
}

// SurgeStaysInBounds holds if, where the number of pods is the share, the engine asks for at most replicas plus surge. What is
// above already, because somebody changed the spec or scaled a ReplicaSet, only gets better.
func SurgeStaysInBounds(o Observed, p Plan) error {
	if o.mode() != ByPods {
		return nil
	}
	before := Moment{Workloads: o.Workloads}.pods().asked
	after := before
	for _, action := range p.Actions {
		switch a := action.(type) {
		case CreateWorkload:
			after += a.Replicas
		case Scale:
			after += max(a.Replicas-o.workload(a.Revision).Replicas, 0)
		}
	}
	if limit := o.Spec.Replicas + o.Spec.MaxSurge; after > max(before, limit) {
		return fmt.Errorf("%d pods are asked for, more than %d: %v", after, limit, p.Actions)
	}
	return nil
}

// OneRiskPerPlan holds if a plan never moves traffic and removes pods together, and one that changes the phase or what is
// stable does nothing else. Whatever can't be taken back is confirmed first.
func OneRiskPerPlan(o Observed, p Plan) error {
	moving, removing := slices.ContainsFunc(p.Actions, moves), slices.ContainsFunc(p.Actions, o.removes)
	switch {
	case moving && removing:
		return fmt.Errorf("it moves traffic and removes pods: %v", p.Actions)
	case p.phaseChanged(o.Status) && len(p.Actions) > 0:
		return fmt.Errorf("it changes the phase and acts: %v", p.Actions)
	case (moving || removing || p.phaseChanged(o.Status)) && !p.Confirm:
		return fmt.Errorf("it is not confirmed: %v", p.Actions)
	}
	return nil
}

// removes says whether an action takes pods away.
func (o Observed) removes(action Action) bool {
	switch a := action.(type) {
	case Scale:
		return a.Replicas < o.workload(a.Revision).Replicas
	case DeleteWorkload, Evict:
		return true
	}
	return false
}
