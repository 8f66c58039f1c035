package rollout

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
		{Name: "GatesHold", OfPlan: GatesHold},
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
