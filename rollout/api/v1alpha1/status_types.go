package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Phase is the state of a Rollout in one word, for people and for rollout status.
type Phase string

// The phases.
const (
	// PhaseHealthy: the revision of the spec is stable and serves everything.
	PhaseHealthy Phase = "Healthy"
	// PhaseProgressing: a release is under way and needs nobody.
	PhaseProgressing Phase = "Progressing"
	// PhasePaused: a release waits for a person.
	PhasePaused Phase = "Paused"
	// PhaseDegraded: the revision of the spec was taken back or can't be released; stable serves if there is one.
	PhaseDegraded Phase = "Degraded"
)

// The condition types. Ready, Reconciling and Stalled follow kstatus
// (https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md).
const (
	// ConditionReady is true when the revision of the spec is stable and serves everything.
	ConditionReady = "Ready"
	// ConditionReconciling is true while the engine works towards the spec or waits within a release.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is true when the spec can't be reached without somebody's help.
	ConditionStalled = "Stalled"
	// ConditionAvailable is true while the stable revision has the ready endpoints it needs, whatever became of a release.
	ConditionAvailable = "Available"
)

// RolloutStatus is what the engine observed and decided.
type RolloutStatus struct {
	// ObservedGeneration is the generation of the spec this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// WorkloadObservedGeneration is the generation of the Deployment of workloadRef that this status is about.
	// +optional
	WorkloadObservedGeneration int64 `json:"workloadObservedGeneration,omitempty"`
	// Phase is the state in one word.
	// +optional
	// +kubebuilder:validation:Enum=Healthy;Progressing;Paused;Degraded
	Phase Phase `json:"phase,omitempty"`
	// Message says in a sentence why the Rollout goes on, waits or was taken back.
	// +optional
	Message string `json:"message,omitempty"`
	// Step is the position within the plan, for example 2/5, counting the steps that are done.
	// +optional
	Step string `json:"step,omitempty"`

	// StableRevision is the hash of the revision that was last promoted.
	// +optional
	StableRevision string `json:"stableRevision,omitempty"`
	// Release is the release under way, or the one that was taken back.
	// +optional
	Release *Release `json:"release,omitempty"`
	// Runs counts the releases and retries so far; it names each of them.
	// +optional
	Runs int64 `json:"runs,omitempty"`
	// Traffic is what the engine read back from the routes and Services.
	// +optional
	Traffic *Traffic `json:"traffic,omitempty"`
	// LastRequest is the engine's answer to the last thing a person asked for.
	// +optional
	LastRequest *RequestStatus `json:"lastRequest,omitempty"`

	// Paused: a person asked to pause with rollout pause; rollout resume ends it.
	// +optional
	Paused bool `json:"paused,omitempty"`
	// UndoTo is the revision that a person asked to go back to, until its release has begun.
	// +optional
	UndoTo string `json:"undoTo,omitempty"`
	// FormerRevisions were stable before, newest last, as far as they are kept.
	// +optional
	// +listType=atomic
	FormerRevisions []string `json:"formerRevisions,omitempty"`
	// Restart is the last replacement of pods within their revision.
	// +optional
	Restart *RestartStatus `json:"restart,omitempty"`

	// ServingReplicas is what autoscalers are told: what spec.replicas asks for. An autoscaler may write this number back, so
	// neither pods that a release has beyond it count nor those that are missing for a moment.
	// +optional
	ServingReplicas int32 `json:"servingReplicas"`
	// ServingSelector selects the pods that users' requests reach, as a string, for autoscalers: with blue-green those of the
	// revision that the active Service reaches.
	// +optional
	ServingSelector string `json:"servingSelector,omitempty"`
	// Replicas is the number of pods of all revisions.
	// +optional
	Replicas int32 `json:"replicas"`
	// UpdatedReplicas is the number of pods of the revision of the spec.
	// +optional
	UpdatedReplicas int32 `json:"updatedReplicas"`
	// ReadyReplicas is the number of ready pods of all revisions.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`
	// AvailableReplicas is the number of pods of all revisions that have been ready for minReadySeconds.
	// +optional
	AvailableReplicas int32 `json:"availableReplicas"`
	// Selector selects the pods of all revisions, as a string.
	// +optional
	Selector string `json:"selector,omitempty"`
	// Revisions are the revisions that have pods or a role, newest first.
	// +optional
	Revisions []RevisionStatus `json:"revisions,omitempty"`

	// Conditions are Ready, Reconciling, Stalled and Available.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// RevisionStatus is one revision and its pods.
type RevisionStatus struct {
	// Hash names the revision.
	Hash string `json:"hash"`
	// Number counts revisions, oldest first.
	// +optional
	Number int64 `json:"number,omitempty"`
	// Role is stable, canary or preview, or empty for a revision on its way out.
	// +optional
	Role string `json:"role,omitempty"`
	// Replicas is how many pods the engine asked for.
	Replicas int32 `json:"replicas"`
	// Ready is how many of them are ready.
	Ready int32 `json:"ready"`
}

// Release is one try to bring one revision into production.
type Release struct {
	// Run is the number of this try.
	Run int64 `json:"run"`
	// Revision is the hash under test.
	Revision string `json:"revision"`
	// Phase is Installing, Stepping, Promoting, Aborting or Aborted.
	// +kubebuilder:validation:Enum=Installing;Stepping;Promoting;Aborting;Aborted
	Phase string `json:"phase"`
	// StepIndex counts from 0.
	StepIndex int32 `json:"stepIndex"`
	// StartedAt is when the run began.
	// +optional
	StartedAt *metav1.MicroTime `json:"startedAt,omitempty"`
	// StepStartedAt is when the current step began; empty in front of a pause at the very beginning until the pods are there.
	// +optional
	StepStartedAt *metav1.MicroTime `json:"stepStartedAt,omitempty"`
	// Deadline is when the release is taken back unless it makes progress; empty while it waits for a person or a clock.
	// +optional
	Deadline *metav1.MicroTime `json:"deadline,omitempty"`
	// ReadyHighWater is the largest number of ready pods seen in this run.
	// +optional
	ReadyHighWater int32 `json:"readyHighWater,omitempty"`
	// WeightHighWater is the largest canary weight seen in this run.
	// +optional
	WeightHighWater int32 `json:"weightHighWater,omitempty"`
	// CapacityWeight was written by earlier controllers instead of capacityEndpoints. It stays in the schema so that one that is
	// about to be replaced goes on, and nothing else reads it.
	// +optional
	CapacityWeight int32 `json:"capacityWeight,omitempty"`
	// CapacityEndpoints is the number of endpoints that the next weight needs, which have been ready since CapacityAt.
	// +optional
	CapacityEndpoints int32 `json:"capacityEndpoints,omitempty"`
	// CapacityAt is when that many endpoints were first seen ready.
	// +optional
	CapacityAt *metav1.MicroTime `json:"capacityAt,omitempty"`
	// StableEndpoints is the number of endpoints of stable that have been ready since StableEndpointsAt, while it takes its
	// traffic back in steps.
	// +optional
	StableEndpoints int32 `json:"stableEndpoints,omitempty"`
	// StableEndpointsAt is when that many endpoints were first seen ready.
	// +optional
	StableEndpointsAt *metav1.MicroTime `json:"stableEndpointsAt,omitempty"`
	// ExposedAt is when the canary was first seen with a share of the traffic; measurements don't look back further.
	// +optional
	ExposedAt *metav1.MicroTime `json:"exposedAt,omitempty"`
	// Approved is set when a person asked to go on without a verdict.
	// +optional
	Approved bool `json:"approved,omitempty"`
	// Cause is why the release is being or was taken back: Request, Analysis, Gate, Deadline or Superseded.
	// +optional
	Cause string `json:"cause,omitempty"`
	// CauseMessage is the cause in a sentence.
	// +optional
	CauseMessage string `json:"causeMessage,omitempty"`
	// AbortedAt is when the canary was seen without traffic and drained.
	// +optional
	AbortedAt *metav1.MicroTime `json:"abortedAt,omitempty"`
	// Metrics is the state of each metric in this run.
	// +optional
	// +listType=map
	// +listMapKey=name
	Metrics []MetricStatus `json:"metrics,omitempty"`
	// Gates are those that were asked at the current step.
	// +optional
	// +listType=map
	// +listMapKey=name
	Gates []GateStatus `json:"gates,omitempty"`
}

// MetricStatus is what has been measured of one metric in one run.
type MetricStatus struct {
	// Name of the metric.
	Name string `json:"name"`
	// Threshold in words, for example >= 0.99.
	// +optional
	Threshold string `json:"threshold,omitempty"`
	// Verdict of the last measurement.
	// +optional
	// +kubebuilder:validation:Enum=pass;fail;inconclusive;no data;error
	Verdict string `json:"verdict,omitempty"`
	// Value of the last measurement, empty if it gave none.
	// +optional
	Value string `json:"value,omitempty"`
	// Message says what was wrong with the last measurement.
	// +optional
	Message string `json:"message,omitempty"`
	// MeasuredAt is when the last measurement was started.
	// +optional
	MeasuredAt *metav1.MicroTime `json:"measuredAt,omitempty"`
	// DryRun: the metric decides nothing.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`
	// Requests that the last measurement is about, if somebody counts them.
	// +optional
	Requests int64 `json:"requests,omitempty"`
	// Measurements are the last ones, oldest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Measurements []MeasurementStatus `json:"measurements,omitempty"`
	// Passes, Failures, Inconclusive, NoData and Errors count the measurements of this run by verdict.
	// +optional
	Passes int32 `json:"passes,omitempty"`
	// +optional
	Failures int32 `json:"failures,omitempty"`
	// +optional
	Inconclusive int32 `json:"inconclusive,omitempty"`
	// +optional
	NoData int32 `json:"noData,omitempty"`
	// +optional
	Errors int32 `json:"errors,omitempty"`
	// Streak is how many measurements in a row had the last verdict; FailureStreak and ErrorStreak are the longest of theirs.
	// +optional
	Streak int32 `json:"streak,omitempty"`
	// +optional
	FailureStreak int32 `json:"failureStreak,omitempty"`
	// +optional
	ErrorStreak int32 `json:"errorStreak,omitempty"`
	// Judged is how many values were judged since the time JudgedSince, with count.
	// +optional
	Judged int32 `json:"judged,omitempty"`
	// +optional
	JudgedSince *metav1.MicroTime `json:"judgedSince,omitempty"`
}

// MeasurementStatus is one measurement.
type MeasurementStatus struct {
	// At is when it was started.
	At metav1.MicroTime `json:"at"`
	// Verdict of it.
	// +kubebuilder:validation:Enum=pass;fail;inconclusive;no data;error
	Verdict string `json:"verdict"`
	// Value, empty if it gave none.
	// +optional
	Value string `json:"value,omitempty"`
}

// RestartStatus is a replacement of pods within their revision.
type RestartStatus struct {
	// At is when it was asked for, or what spec.restartAt says.
	At metav1.MicroTime `json:"at"`
	// All: a person asked, so no pod is too young.
	// +optional
	All bool `json:"all,omitempty"`
	// Until: pods that were created until then are replaced. By the clock of the API server; empty until the pods were seen.
	// +optional
	Until *metav1.MicroTime `json:"until,omitempty"`
	// Left is how many of them there still are.
	// +optional
	Left int32 `json:"left,omitempty"`
	// ProgressAt is when Left was last seen to become smaller.
	// +optional
	ProgressAt *metav1.MicroTime `json:"progressAt,omitempty"`
	// Done: there are none left.
	// +optional
	Done bool `json:"done,omitempty"`
}

// Wiring names what carries the traffic. What is named here stays in charge until the traffic is where it can be let go
// of, even if the spec names something else by now.
type Wiring struct {
	// Mode is Routes, Pods or Selector.
	// +kubebuilder:validation:Enum=Routes;Pods;Selector
	Mode string `json:"mode"`
	// StableService and CanaryService are the two Services; in mode Selector the active one and the preview.
	// +optional
	StableService string `json:"stableService,omitempty"`
	// +optional
	CanaryService string `json:"canaryService,omitempty"`
	// DestinationRule declares subsets that take the place of the two Services.
	// +optional
	DestinationRule *DestinationRule `json:"destinationRule,omitempty"`
	// PingPong: the two Services take turns.
	// +optional
	PingPong bool `json:"pingPong,omitempty"`
	// Routes that carry the split.
	// +optional
	// +listType=atomic
	Routes []WiredRoute `json:"routes,omitempty"`
	// ManagedRoutes are the names of the rules that are the engine's.
	// +optional
	// +listType=atomic
	ManagedRoutes []string `json:"managedRoutes,omitempty"`
}

// WiredRoute is a route that carries the split.
type WiredRoute struct {
	// Kind of the route, for example HTTPRoute or VirtualService.
	Kind string `json:"kind"`
	// Name of the route.
	Name string `json:"name"`
	// Namespace of the route; empty for the Rollout's.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	RuleSelection `json:",inline"`
}

// ReceivedShare is a measured one.
type ReceivedShare struct {
	// Percent of the requests to both backends, for example "4.8".
	Percent string `json:"percent"`
	// At is when it was measured, looking back a minute or to the last change of the weight.
	At metav1.MicroTime `json:"at"`
}

// Traffic is what routes and Services say, and since when.
type Traffic struct {
	// Wiring names what carries the traffic now.
	// +optional
	Wiring *Wiring `json:"wiring,omitempty"`
	// Service whose pods the subsets choose from, with a destinationRule.
	// +optional
	Service string `json:"service,omitempty"`
	// Swapped: with pingPong, the pong Service reaches stable now.
	// +optional
	Swapped bool `json:"swapped,omitempty"`
	// CanaryWeight is the share that the canary backend is given, in percent; the largest where routes differ.
	CanaryWeight int32 `json:"canaryWeight"`
	// LowestCanaryWeight is the smallest share where routes differ.
	// +optional
	LowestCanaryWeight int32 `json:"lowestCanaryWeight,omitempty"`
	// ManagedRoutes are the names of the rules that the routes have besides their owner's.
	// +optional
	// +listType=atomic
	ManagedRoutes []string `json:"managedRoutes,omitempty"`
	// ManagedRoutesAstray: these rules aren't those that the step wants, or not as it wants them.
	// +optional
	ManagedRoutesAstray bool `json:"managedRoutesAstray,omitempty"`
	// Accepted says whether every route was accepted with this split.
	// +optional
	Accepted bool `json:"accepted,omitempty"`
	// Since is when exactly this split was first seen accepted by every route.
	// +optional
	Since *metav1.MicroTime `json:"since,omitempty"`
	// Received is which part of the requests the canary really got since then, as the metrics of the router count them. Nothing depends
	// on it. It is told while a step is analysed, where the engine has built-in metrics of the router.
	// +optional
	Received *ReceivedShare `json:"received,omitempty"`
	// StableBackend is the revision the stable Service points at.
	// +optional
	StableBackend string `json:"stableBackend,omitempty"`
	// StableBackendSince is when it was first seen to.
	// +optional
	StableBackendSince *metav1.MicroTime `json:"stableBackendSince,omitempty"`
	// CanaryBackend is the revision the canary Service points at.
	// +optional
	CanaryBackend string `json:"canaryBackend,omitempty"`
	// CanaryBackendSince is when it was first seen to.
	// +optional
	CanaryBackendSince *metav1.MicroTime `json:"canaryBackendSince,omitempty"`
}
