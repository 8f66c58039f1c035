package rollout

import (
	"time"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/traffic"
)

// Revision is the hash of one pod template; see Hash.
type Revision = string

// Observed is everything that Decide knows. It is a value: it can be logged, replayed and generated.
type Observed struct {
	// Now is the time of the observation.
	Now time.Time
	// Spec is what the user wants, with defaults applied.
	Spec Spec
	// Problems are what is wrong with the spec or with the objects it names, the gravest first.
	Problems []Problem
	// Status is what was last persisted.
	Status Status
	// Workloads are the ReplicaSets of all revisions.
	Workloads []Workload
	// Stable and Canary are the two backends; both are zero without a router.
	Stable, Canary Backend
	// Routes is the split as read back; empty without a router.
	Routes traffic.Observation
	// Measurements have been completed since the last persisted status, oldest first.
	Measurements []analysis.Measurement
	// Request is the last thing a person asked for, nil if nobody ever did.
	Request *Request
}

// Problem is something that keeps new revisions from being released.
type Problem struct {
	// Reason is one CamelCase word for events and conditions.
	Reason string
	// Message names the field, the value and the way out.
	Message string
	// Reference: the spec is sound but something it names is missing or unfit. The first revision's pods may start
	// meanwhile, since a cluster that is restored from backup gets its objects in any order.
	Reference bool
}

// Spec is the user's spec, resolved: defaults applied, percentages turned into pods.
type Spec struct {
	// Generation of the object that this was resolved from.
	Generation int64
	// Target is the hash of the template.
	Target Revision
	// Replicas is the number of pods that serve the application.
	Replicas int
	// MaxSurge and MaxUnavailable bound a release by replica count, in pods. They are never both zero.
	MaxSurge, MaxUnavailable int
	// Routed: a router splits the traffic; else the share follows the number of pods.
	Routed bool
	// Steps of the plan.
	Steps []Step
	// Metrics are watched in the background.
	Metrics []analysis.Metric
	// Paused: no release starts or goes on.
	Paused bool
	// Settle is how long the data plane may need to act on what the router accepted, Drain how long a backend without
	// a share may still be answering.
	Settle, Drain time.Duration
	// ProgressDeadline is how long a release may go without progress.
	ProgressDeadline time.Duration
	// AbortScaleDownDelay is how long the pods of a revision that was taken back stay.
	AbortScaleDownDelay time.Duration
	// HistoryLimit is how many revisions without pods are kept.
	HistoryLimit int
}

// StepKind tells the kinds of steps apart.
type StepKind int

// The kinds of steps.
const (
	// SetWeight gives the canary a share of the traffic.
	SetWeight StepKind = iota + 1
	// Pause waits for a time, or for a person.
	Pause
)

// Step is one entry of the plan.
type Step struct {
	Kind StepKind
	// Weight in percent, for SetWeight.
	Weight int
	// Duration for Pause; zero waits for a person.
	Duration time.Duration
}

// Workload is the ReplicaSet of one revision.
type Workload struct {
	Revision Revision
	// Number counts revisions, oldest first.
	Number int64
	// Replicas is what the ReplicaSet is asked for; Ready and Available are what it reports. Available pods have been
	// ready for minReadySeconds.
	Replicas, Ready, Available int
	// Created breaks ties between revisions of the same number.
	Created time.Time
}

// Backend is a Service that traffic can be sent to.
type Backend struct {
	// Name of the Service.
	Name string
	// Missing: there is no such Service.
	Missing bool
	// Revision that its selector points at, empty if the selector names none.
	Revision Revision
	// Endpoints is the number of ready endpoints behind it that belong to each revision.
	Endpoints map[Revision]int
}

// Ready is the number of ready endpoints of a revision behind this backend.
func (b Backend) Ready(r Revision) int { return b.Endpoints[r] }

// Request is what a person asked for.
type Request struct {
	ID       string
	Verb     Verb
	Revision Revision
	// Step the person saw, counting from 0.
	Step int
}

// Verb is what a person can ask for.
type Verb string

// The verbs.
const (
	Promote     Verb = "promote"
	PromoteFull Verb = "promote-full"
	Abort       Verb = "abort"
	Retry       Verb = "retry"
)
