package rollout

import (
	"slices"
	"time"

	"github.com/rollout-dev/rollout/analysis"
)

// Plan is what Decide wants done. The shell carries out the actions in their order and writes the status last, so that
// the status never claims what has not happened. A plan that changes the phase, or what is stable, has no actions: a
// one-way door is opened only from a phase that an earlier pass has persisted.
type Plan struct {
	Actions []Action
	Status  Status
	// Report is the state in words.
	Report Report
	// Events are what just happened, for people.
	Events []Event
	// Wake is when to decide again if nothing happens until then; zero for never.
	Wake time.Time
	// Measure is what should be measured, nil for nothing.
	Measure *Measure
	// Confirm: the plan removes something or changes the phase. It may be carried out only if Decide says the same of
	// an observation that was read from the API server after it was made.
	Confirm bool
}

// Action is one change, stated as the end state it leads to.
type Action interface {
	isAction()
	// String is the action in words, for logs and transcripts.
	String() string
}

// CreateWorkload makes the ReplicaSet of the target revision.
type CreateWorkload struct {
	Revision Revision
	Number   int64
	Replicas int
	Why      string
}

// Scale asks for a number of pods of a revision.
type Scale struct {
	Revision Revision
	Replicas int
	Why      string
}

// Role is the part a backend plays.
type Role string

// The roles.
const (
	StableRole Role = "stable"
	CanaryRole Role = "canary"
)

// Point makes a backend reach the pods of a revision. It is a Service, or a subset that the object SubsetOf declares.
type Point struct {
	Backend  Role
	Service  string
	SubsetOf string
	Revision Revision
	Why      string
}

// Shift gives the canary backend a share of the traffic, in percent.
type Shift struct {
	Percent int
	// Rules: the routes have the managed rules that Observed.Rules names; else they have none.
	Rules bool
	Why   string
}

// Widen lets go of a backend: its selector, or the labels of the subset, name no revision any more.
type Widen struct {
	Backend  Role
	Service  string
	SubsetOf string
	Why      string
}

// Evict asks for the removal of pods that were created until a time, the oldest first. The ReplicaSet replaces them.
type Evict struct {
	Revision Revision
	Pods     int
	Until    time.Time
	Why      string
}

// Dress puts on the pods of a revision what its role asks for besides the template.
type Dress struct {
	Revision Revision
	Role     Role
	Why      string
}

// TakeOver takes the pods of the source over as they are.
type TakeOver struct {
	Why string
}

// DeleteWorkload removes an old revision that has no pods.
type DeleteWorkload struct {
	Revision Revision
	Why      string
}

// Measure says which metrics to measure for a run and a step. A metric is due an interval after the start of its last
// measurement.
type Measure struct {
	Run     int64
	Step    int
	Metrics []analysis.Metric
	// Since is how far a measurement may look back at most.
	Since time.Time
	// Last is when each metric was last measured.
	Last map[string]time.Time
}

// Event is something that happened, told once.
type Event struct {
	// Warning: somebody should look at it.
	Warning bool
	// Reason is one CamelCase word.
	Reason string
	// Message is a sentence.
	Message string
}

// State is the state of a Rollout in one word.
type State string

// The states.
const (
	Healthy     State = "Healthy"
	Progressing State = "Progressing"
	Waiting     State = "Paused"
	Degraded    State = "Degraded"
)

// Report is the state in words. The same words go to the status, the conditions, the log and the CLI.
type Report struct {
	State State
	// Reason is one CamelCase word for conditions.
	Reason string
	// Message is a sentence that says why the Rollout goes on, waits or was taken back.
	Message string
	// Stalled: it takes a person to go on. StalledMessage and StalledReason say what is wrong and the way out.
	Stalled        bool
	StalledReason  string
	StalledMessage string
	// Available: stable has the ready endpoints it needs.
	Available bool
}

// Agrees says whether two plans do the same: the same actions, leading to the same place. Times may differ.
func (p Plan) Agrees(other Plan) bool {
	return slices.Equal(p.Actions, other.Actions) && p.Status.essence() == other.Status.essence()
}

// essence is what two plans have to agree on.
type essence struct {
	stable, revision Revision
	wiring           Wiring
	swapped          bool
	answer           string
	accepted         bool
	run              int64
	phase            Phase
	step             int
	approved         bool
}

func (s Status) essence() essence {
	e := essence{stable: s.Stable, wiring: s.Wiring, swapped: s.Swapped, answer: s.Answer.ID, accepted: s.Answer.Accepted}
	if r := s.Release; r != nil {
		e.revision, e.run, e.phase, e.step, e.approved = r.Revision, r.Run, r.Phase, r.Step, r.Approved
	}
	return e
}
