package rollout

import (
	"reflect"
	"time"

	"github.com/rollout-dev/rollout/analysis"
)

// Status is what persists between two passes. It holds only what can't be observed: identities, the position within the
// plan, and since when something is so.
type Status struct {
	// Stable is the revision that was last promoted, empty before the first one.
	Stable Revision
	// Runs counts releases and retries.
	Runs int64
	// Release under way or taken back; nil when stable is all there is.
	Release *Release
	// Wiring that is in force; see Spec.Wiring.
	Wiring Wiring
	// Swapped: with an alternating wiring, the Service that is named for the canary reaches stable now.
	Swapped bool
	// Held: a person paused the Rollout.
	Held bool
	// UndoTo is the revision that a person asked to go back to, until its release has begun.
	UndoTo Revision
	// Restart is the last replacement of pods within their revision.
	Restart Restarting
	// Former are the revisions that were stable before, newest last, as far as they are kept.
	Former []Revision
	// Ledger is since when traffic goes where it goes.
	Ledger Ledger
	// Answer to the last request.
	Answer Answer
}

// Phase of a release.
type Phase string

// The phases of a release. A release that is over has none: Status.Release is nil then.
const (
	// Installing waits for the pods of the first revision; there is nothing to compare it with or to go back to.
	Installing Phase = "Installing"
	// Stepping carries out the steps.
	Stepping Phase = "Stepping"
	// Promoting gives the revision all traffic.
	Promoting Phase = "Promoting"
	// Aborting gives stable all traffic back.
	Aborting Phase = "Aborting"
	// Aborted holds a revision that was taken back, until there is another one or a retry.
	Aborted Phase = "Aborted"
)

// Cause of an abort.
type Cause string

// The causes of an abort.
const (
	ByRequest    Cause = "Request"
	ByAnalysis   Cause = "Analysis"
	ByDeadline   Cause = "Deadline"
	ByGate       Cause = "Gate"
	BySuperseded Cause = "Superseded"
)

// Release is one try to bring one revision into production.
type Release struct {
	// Run numbers this try.
	Run      int64
	Revision Revision
	Phase    Phase
	// Step is the position within the plan, counting from 0; it equals the number of steps once all are done.
	Step int
	// Started and StepStarted are when the run and the current step began. StepStarted is zero in front of a pause at the
	// very beginning, which begins when the pods are there.
	Started, StepStarted time.Time
	// Deadline is when the release is taken back, zero while it waits for a clock or a person.
	Deadline time.Time
	// ReadyHighWater and WeightHighWater are the largest number of ready pods and the largest share seen in this run:
	// a pod that crashes and comes back again and again is no progress.
	ReadyHighWater, WeightHighWater int
	// Capacity is since when the endpoints that the next weight needs are ready.
	Capacity Capacity
	// StableCapacity is the same for a stable that takes its traffic back in steps.
	StableCapacity Capacity
	// ExposedAt is since when this run has had a share of the traffic; measurements don't look back further, or the
	// errors of the run before would be held against this one.
	ExposedAt time.Time
	// Approved: a person asked to go on without a verdict, at this step or in the whole release.
	Approved bool
	// Cause and CauseMessage say why the release is or was taken back.
	Cause        Cause
	CauseMessage string
	// AbortedAt is when the canary was without traffic and drained.
	AbortedAt time.Time
	// Metrics is what was measured in this run.
	Metrics []analysis.Record
	// Gates are those that were asked at this step.
	Gates []GateRecord
}

// Capacity is since when a number of endpoints, or more, are ready; a zero Since means they aren't. It is a number and not a
// weight, or pods that have just come because somebody scaled up would count as known for as long as the others.
type Capacity struct {
	Endpoints int
	Since     time.Time
}

// Restarting is a replacement of pods within their revision.
type Restarting struct {
	// At is when it was asked for, or what spec.restartAt says. All: a person asked, so no pod is too young.
	At  time.Time
	All bool
	// Until: pods that were created until then are replaced. It is taken from the pods themselves, since the engine's clock
	// may be ahead of the API server's, and then every new pod would be older than the restart too. Zero until they are seen.
	Until time.Time
	// Left is how many there still are, since Progress.
	Left     int
	Progress time.Time
	// Done: there are none left.
	Done bool
}

// Ledger is since when traffic goes where it goes. It is compared with what is read back at every pass, so a split that
// somebody else changed is never taken for settled.
type Ledger struct {
	// Low and High are the canary's share as last seen, Accepted whether every route had accepted it, Since since when
	// all of this is so.
	Low, High int
	Accepted  bool
	Since     time.Time
	// Rules names the managed rules that routes have, separated by commas. Astray: they aren't those that are wanted. They count
	// like a share: a split is settled only with the right ones, and a canary is drained only without any.
	Rules  string
	Astray bool
	// Stable and Canary are what the backends point at, and since when.
	Stable, Canary Pointer
}

// Pointer is what a backend points at, and since when.
type Pointer struct {
	Revision Revision
	Since    time.Time
}

// Answer is what became of a request.
type Answer struct {
	ID       string
	Verb     Verb
	Accepted bool
	Message  string
	At       time.Time
}

// Equal says whether two statuses say the same. A status is written only if it says something new.
func (s Status) Equal(other Status) bool { return reflect.DeepEqual(s, other) }
