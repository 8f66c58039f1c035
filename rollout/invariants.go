package rollout

import (
	"fmt"
	"slices"
)

// Invariant is a sentence that is always true. It speaks of a write of the engine, or of a single plan.
type Invariant struct {
	// Name is that of the function.
	Name string
	// OfWrite and OfPlan return what is wrong. One of them is nil.
	OfWrite func(Write) error
	OfPlan  func(Observed, Plan) error
}

// Invariants are all of them, in the order of docs/invariants.md.
func Invariants() []Invariant {
	return []Invariant{
		{Name: "CapacityBeforeTraffic", OfWrite: CapacityBeforeTraffic},
		{Name: "PointersMoveDrained", OfWrite: PointersMoveDrained},
		{Name: "PodsOutliveTraffic", OfWrite: PodsOutliveTraffic},
		{Name: "SomebodyServes", OfWrite: SomebodyServes},
		{Name: "OnlyVerdictsPromote", OfWrite: OnlyVerdictsPromote},
		{Name: "AbortProceeds", OfPlan: AbortProceeds},
		{Name: "EveryWaitEnds", OfPlan: EveryWaitEnds},
		{Name: "DeletionMovesNothing", OfWrite: DeletionMovesNothing},
		{Name: "AvailabilityStaysInBounds", OfWrite: AvailabilityStaysInBounds},
		{Name: "SurgeStaysInBounds", OfPlan: SurgeStaysInBounds},
		{Name: "StatusGoesForward", OfWrite: StatusGoesForward},
		{Name: "OneRiskPerPlan", OfPlan: OneRiskPerPlan},
	}
}

// Moment is the whole truth about one Rollout at one time, as somebody would tell it who sees what every gateway does.
// Where the data plane may do one thing or another, because it has some time to follow, it is assumed to do the worst.
type Moment struct {
	// Spec and Status are what the API server has.
	Spec   Spec
	Status Status
	// Deleted: there is no such Rollout any more.
	Deleted bool
	// Workloads as the API server has them.
	Workloads []Workload
	// Stable and Canary are the two backends; both are zero without a router.
	Stable, Canary Exposure
	// Passed: every metric passed in the run under way while the canary was sure to have all traffic. Approved: a
	// person asked in this run for what is to come without a verdict, or the revision may be released without one.
	Passed, Approved bool
	// StepPassed: every metric of the step under way passed at that step. StepApproved: a person asked to go on there.
	StepPassed, StepApproved bool
}

// Exposure is what users may meet behind a backend.
type Exposure struct {
	Missing bool
	// Points is the revision that the selector names now, empty for none in particular. Reaches are all that the data
	// plane may still, or already, send requests to.
	Points  Revision
	Reaches []Revision
	// Written is the largest share that a route gives it now, Share the largest that the data plane may give it, and
	// Recent the largest that it may have given it within the drain time. A backend is drained if Recent is 0.
	Written, Share, Recent int
	// Recently are the revisions that the data plane may have sent requests to within the drain time.
	Recently []Revision
	// Ready counts the pods of each revision that its ReplicaSet reports as ready, Listed those that are endpoints of this backend, Known those of them
	// that the data plane is sure to know.
	Ready, Listed, Known map[Revision]int
}

// Write is one write of the engine and the truth before and after it. Action is nil if it wrote the status.
type Write struct {
	Before, After Moment
	Action        Action
	// Decided is what the plan was decided from. Its spec is the one that counts: the user may change it at any time.
	Decided Observed
}

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
	if before.Points == after.Points || before.Points == "" || before.reachesNothing() || before.Recent == 0 {
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
// being promoted.
func (w Write) pointedInOrder(point Point) error {
	release := w.Before.Status.Release
	promoted := release != nil && release.Phase == Promoting && release.Revision == point.Revision
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

// OnlyVerdictsPromote holds if only a revision with a positive verdict for this run, or a person's explicit request, becomes
// stable. Cancelled, no data and error are not passes. The first revision needs none: there is nothing to compare with.
func OnlyVerdictsPromote(w Write) error {
	before, after := w.Before.Status, w.After.Status
	if err := w.judged(); err != nil || before.Stable == after.Stable {
		return err
	}
	release := before.Release
	switch {
	case before.Stable == "" && release == nil && w.Decided.Source != nil:
		return nil
	case release == nil || release.Revision != after.Stable:
		return fmt.Errorf("revision %s becomes stable without a release", after.Stable)
	case before.Stable == "" && release.Phase == Installing:
		return nil
	case release.Phase != Promoting:
		return fmt.Errorf("revision %s becomes stable from phase %s", after.Stable, release.Phase)
	case len(w.Decided.Spec.Metrics)+len(w.Decided.Spec.PostMetrics) > 0 && !w.Before.Passed && !w.Before.Approved:
		return fmt.Errorf("revision %s becomes stable; run %d had no verdict with all traffic and nobody asked to go on without", after.Stable, release.Run)
	}
	return nil
}

// judged: a step that waits for a verdict is passed only with one, or because a person asked.
func (w Write) judged() error {
	before, after, steps := w.Before.Status.Release, w.After.Status.Release, w.Decided.Spec.Steps
	if w.Action != nil || before == nil || after == nil || before.Run != after.Run || before.Phase != Stepping || before.Step >= len(steps) {
		return nil
	}
	went := after.Phase == Stepping && after.Step > before.Step
	if step := steps[before.Step]; went && len(step.Metrics) > 0 && !w.Before.StepPassed && !w.Before.StepApproved {
		return fmt.Errorf("step %d of run %d is done without a verdict and nobody asked to go on without", before.Step+1, before.Run)
	}
	return nil
}

// DeletionMovesNothing holds if deleting the Rollout, the controller or its CRDs never moves traffic. Whatever is still under
// way then is not carried out.
func DeletionMovesNothing(w Write) error {
	switch w.Action.(type) {
	case Shift, Point, Widen:
		if w.Before.Deleted {
			return fmt.Errorf("the Rollout is gone, and yet: %v", w.Action)
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

// StatusGoesForward holds if no write of a status undoes another one. Runs are only added, the phases and the steps of a run only
// go forward, and a request stays answered, so that nothing that a person or the analysis decided is ever forgotten.
func StatusGoesForward(w Write) error {
	before, after := w.Before.Status, w.After.Status
	b, a := before.Release, after.Release
	switch {
	case w.Action != nil:
		return nil
	case after.Runs < before.Runs:
		return fmt.Errorf("run %d becomes run %d again", before.Runs, after.Runs)
	case b == nil && a != nil && after.Runs == before.Runs:
		return fmt.Errorf("run %d was over and is under way again", after.Runs)
	case before.Answer.ID != after.Answer.ID && !w.answers(after.Answer):
		return fmt.Errorf("the answer to request %q becomes that to request %q", before.Answer.ID, after.Answer.ID)
	case b != nil && a != nil && a.Run == b.Run && a.behind(*b):
		return fmt.Errorf("run %d goes back from %s at step %d to %s at step %d", a.Run, b.Phase, b.Step+1, a.Phase, a.Step+1)
	}
	return nil
}

// answers says whether an answer is one to the request that was there to be answered.
func (w Write) answers(answer Answer) bool {
	request := w.Decided.Request
	return request != nil && request.ID == answer.ID && w.Before.Status.Answer == w.Decided.Status.Answer
}

// behind says whether a run is less far than it was.
func (r Release) behind(before Release) bool {
	order := []Phase{Installing, Stepping, Promoting, Aborting, Aborted}
	from, to := slices.Index(order, before.Phase), slices.Index(order, r.Phase)
	return to < from || r.Phase == Stepping && before.Phase == Stepping && r.Step < before.Step
}

// mode is what carries the traffic.
func (m Moment) mode() Mode { return Observed{Spec: m.Spec, Status: m.Status}.mode() }

func (m Moment) backend(role Role) Exposure {
	if role == StableRole {
		return m.Stable
	}
	return m.Canary
}

func (m Moment) workload(revision Revision) Workload {
	return Observed{Workloads: m.Workloads}.workload(revision)
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

// count sums up the pods of all revisions.
type count struct{ asked, available int }

func (m Moment) pods() count {
	var c count
	for _, w := range m.Workloads {
		c.asked += w.Replicas
		c.available += min(w.Available, w.Replicas)
	}
	return c
}

// sum counts the pods of a revision, or of all revisions where a selector names none.
func sum(pods map[Revision]int, revision Revision) int {
	if revision != "" {
		return pods[revision]
	}
	all := 0
	for _, n := range pods {
		all += n
	}
	return all
}

func (e Exposure) reachesNothing() bool { return e.Missing || sum(e.Listed, "") == 0 }

func (e Exposure) mayReach(revision Revision) bool {
	return slices.Contains(e.Reaches, revision) || slices.Contains(e.Reaches, "")
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
