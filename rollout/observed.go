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
	// Received is what was measured of the split that there is, nil for nothing.
	Received *Received
	// Request is the last thing a person asked for, nil if nobody ever did.
	Request *Request
	// Source is the workload that the template comes from; nil if it is the Rollout's own.
	Source *Source
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
	// MaxSurge and MaxUnavailable bound a release by replica count, and a restart, in pods. They are never both zero.
	MaxSurge, MaxUnavailable int
	// Wiring is what is to carry the traffic. Until it can take over, that of the status is in force.
	Wiring Wiring
	// Steps of the plan.
	Steps []Step
	// Affinity keeps clients on the version that served them first, nil for none. The wiring in force knows its rules.
	Affinity *traffic.Affinity
	// Tolerance is by how many points the share that the canary really receives may differ from its weight for a step with a weight
	// to be done; 0 for any.
	Tolerance int
	// Metrics are watched in the background, from step MetricsFrom on, counting from 0. PostMetrics have to pass once the
	// revision has all traffic.
	Metrics, PostMetrics []analysis.Metric
	MetricsFrom          int
	// Gates are asked before the release goes on.
	Gates []Gate
	// Bake is how long a revision has all traffic before it becomes stable.
	Bake time.Duration
	// DynamicStable: stable keeps only the pods that its share needs.
	DynamicStable bool
	// MinPods is how many pods a revision with any share has at least.
	MinPods int
	// PreviewReplicas is the number of pods of a revision that is rehearsed in mode Selector; zero for Replicas.
	PreviewReplicas int
	// RollbackWindow is how many revisions before stable may be released again without steps and analysis.
	RollbackWindow int
	// RestartAt: pods created before are replaced; zero for none.
	RestartAt time.Time
	// StableLook and CanaryLook name what the pods of stable and of the revision under test carry besides their template,
	// labels for example; see Workload.Look.
	StableLook, CanaryLook string
	// Paused: no release starts or goes on.
	Paused bool
	// Settle is how long the data plane may need to act on what the router accepted, Drain how long a backend without
	// a share may still be answering.
	Settle, Drain time.Duration
	// ProgressDeadline is how long a release may go without progress.
	ProgressDeadline time.Duration
	// AbortScaleDownDelay is how long the pods of a revision that was taken back stay, ScaleDownDelay those of the one
	// that was stable before.
	AbortScaleDownDelay, ScaleDownDelay time.Duration
	// HistoryLimit is how many revisions without pods are kept.
	HistoryLimit int
}

// shortestExpiry bounds from below how old an observation may become, for data planes that settle at once.
const shortestExpiry = time.Second

// Expiry is how long after its observation a plan may be carried out. A process that was frozen meanwhile may have lost the
// lease, and its successor can have given traffic to what the plan is about to change; a precondition on the one object
// says nothing of the other.
func (s Spec) Expiry() time.Duration { return max(s.Settle, shortestExpiry) }

// StepKind tells the kinds of steps apart.
type StepKind int

// The kinds of steps.
const (
	// SetWeight gives the canary a share of the traffic.
	SetWeight StepKind = iota + 1
	// Pause waits for a time, or for a person.
	Pause
	// SetScale says how many pods the canary has, whatever its share.
	SetScale
	// Judge waits for a verdict on metrics of its own.
	Judge
	// SetRule adds a managed rule to the routes, or removes it.
	SetRule
)

// Step is one entry of the plan.
type Step struct {
	Kind StepKind
	// Weight in percent, for SetWeight.
	Weight int
	// Duration for Pause; zero waits for a person.
	Duration time.Duration
	// Pods for SetScale; negative for as many as the share needs.
	Pods int
	// Metrics for Judge.
	Metrics []analysis.Metric
	// Rule for SetRule. With Remove it is taken out, and only its name counts.
	Rule   traffic.ManagedRule
	Remove bool
}

// Mode is what carries the traffic.
type Mode string

// The modes.
const (
	// ByRoutes: a router splits the traffic between two Services.
	ByRoutes Mode = "Routes"
	// ByPods: the share follows the number of pods.
	ByPods Mode = "Pods"
	// BySelector: the selector of the active Service is switched from one revision to the other.
	BySelector Mode = "Selector"
)

// Wiring names what carries the traffic.
type Wiring struct {
	Mode Mode
	// Stable and Canary are the two Services, or subsets of one: in mode BySelector the active one and the preview, which may be missing.
	Stable, Canary string
	// Alternate: the Services change their roles at every promotion, so that none that has traffic is ever pointed
	// elsewhere.
	Alternate bool
	// SubsetsOf names the object that declares Stable and Canary as subsets of one Service; empty if each is a Service.
	SubsetsOf string
	// Routes names the routes, in a form that tells two lists of them apart.
	Routes string
}

// Source is the workload that the template comes from: a Deployment.
type Source struct {
	// Missing: there is no such Deployment.
	Missing bool
	// Taken: it is paused on behalf of this Rollout and owns no ReplicaSet with pods any more.
	Taken bool
	// Settled: it has replaced all pods of its older revisions, and all of them are available.
	Settled bool
	// State says in words why it isn't settled.
	State string
	// Revision that its pods had when they were taken over. Empty before, and if it had none.
	Revision Revision
}

// Workload is the ReplicaSet of one revision.
type Workload struct {
	Revision Revision
	// Number counts revisions, oldest first.
	Number int64
	// Replicas is what the ReplicaSet is asked for; Ready and Available are what it reports. Available pods have been
	// ready for minReadySeconds.
	Replicas, Ready, Available int
	// Outdated is how many of its pods a restart that is under way has to replace (Restarting.Until), Youngest is when the
	// last of its pods was created, Listed how many are available, all by a list of the pods themselves. They are only known
	// while there is a restart: a ReplicaSet's own counts may not know yet of a pod that was evicted a moment ago.
	Outdated, Listed int
	Youngest         time.Time
	// Look names what its pods carry besides the template; see Spec.StableLook.
	Look string
	// Created breaks ties between revisions of the same number.
	Created time.Time
}

// Backend is a Service, or a subset of one, that traffic can be sent to.
type Backend struct {
	// Name of it; empty for a preview that nobody wants.
	Name string
	// SubsetOf names the object that declares it as a subset; empty for a Service.
	SubsetOf string
	// Missing: there is no such thing.
	Missing bool
	// Revision that its selector, or its labels, point at, empty if they name none.
	Revision Revision
	// Endpoints is the number of ready endpoints behind it that belong to each revision.
	Endpoints map[Revision]int
}

// String is for example "Service checkout-stable" or "subset stable of checkout".
func (b Backend) String() string { return backendWords(b.Name, b.SubsetOf) }

func backendWords(name, subsetOf string) string {
	if subsetOf != "" {
		return "subset " + name + " of " + subsetOf
	}
	return "Service " + name
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
	Freeze      Verb = "pause"
	Resume      Verb = "resume"
	Undo        Verb = "undo"
	Restart     Verb = "restart"
)
