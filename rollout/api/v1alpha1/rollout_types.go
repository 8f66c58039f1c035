package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// PodTemplateHashLabel tells the pods of one revision from those of another. It is the label a Deployment uses too, so
// that dashboards, network policies and log queries made for Deployments keep working.
const PodTemplateHashLabel = "pod-template-hash"

// RevisionAnnotation numbers the revisions of a Rollout on their ReplicaSets, oldest first, counting from 1.
const RevisionAnnotation = "rollout.dev/revision"

// TemplateAnnotation keeps on a ReplicaSet the pod template as its user wrote it, as JSON. The ReplicaSet's own template has
// defaults and labels that the user never wrote, so going back to it would make one more revision.
const TemplateAnnotation = "rollout.dev/template"

// Rollout describes how a new version of an application reaches production.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.servingReplicas,selectorpath=.status.servingSelector
// +kubebuilder:resource:path=rollouts,shortName=ro,categories=all
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Step",type=string,JSONPath=`.status.step`
// +kubebuilder:printcolumn:name="Weight",type=integer,JSONPath=`.status.traffic.canaryWeight`
// +kubebuilder:printcolumn:name="Desired",type=integer,JSONPath=`.spec.replicas`
// +kubebuilder:printcolumn:name="Ready",type=integer,JSONPath=`.status.readyReplicas`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.message`,priority=1
type Rollout struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec RolloutSpec `json:"spec"`
	// +optional
	Status RolloutStatus `json:"status,omitzero"`
}

// RolloutList is a list of Rollouts.
//
// +kubebuilder:object:root=true
type RolloutList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Rollout `json:"items"`
}

// RolloutSpec is what the user wants.
//
// +kubebuilder:validation:XValidation:rule="has(self.template) != has(self.workloadRef)",message="the pods come from exactly one place: set either spec.template or spec.workloadRef"
// +kubebuilder:validation:XValidation:rule="has(self.selector) || has(self.workloadRef)",message="spec.selector is required with spec.template: it says which pods belong to the Rollout"
// +kubebuilder:validation:XValidation:rule="has(self.workloadRef) == has(oldSelf.workloadRef)",message="spec.workloadRef can't be added or removed: the pods of two owners would be mixed up; delete the Rollout, whose Deployment gets its pods back, and create another one"
// +kubebuilder:validation:XValidation:rule="has(self.selector) == has(oldSelf.selector)",message="spec.selector can't be added or removed; create a Rollout of another name instead"
// +kubebuilder:validation:XValidation:rule="!has(self.template) || !has(self.selector) || !has(self.selector.matchLabels) || self.selector.matchLabels.all(key, has(self.template.metadata) && has(self.template.metadata.labels) && key in self.template.metadata.labels && self.template.metadata.labels[key] == self.selector.matchLabels[key])",message="spec.template.metadata.labels must contain every label of spec.selector.matchLabels: the Rollout would not find its own pods; add the labels to the template"
type RolloutSpec struct {
	// Replicas is the number of pods that serve the application. An autoscaler may write it through the scale subresource.
	// Default 1, which the engine writes here; with workloadRef that of the Deployment, as long as there is none here.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`

	// Selector says which pods belong to the Rollout. It must match the labels of the template and can't be changed. With
	// workloadRef it is that of the Deployment, and may be left out.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.matchLabels) || !('pod-template-hash' in self.matchLabels)",message="spec.selector must not contain pod-template-hash: it differs from revision to revision and is set by the controller; remove it"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.selector can't be changed; create a Rollout of another name instead"
	// +kubebuilder:validation:XValidation:rule="(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",message="spec.selector must not be empty: an empty selector would claim every pod of the namespace"
	Selector *metav1.LabelSelector `json:"selector,omitempty"`

	// Template is the pod template, as in a Deployment. Every change of it is a new revision.
	// +optional
	Template PodTemplate `json:"template,omitzero"`

	// WorkloadRef names a Deployment of the same namespace that the template comes from. The Rollout takes its pods over as
	// they are and pauses it; every change of its template is a new revision. When the Rollout is deleted the Deployment
	// gets its pods back. No pod is restarted either way.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.name == oldSelf.name",message="spec.workloadRef can't be changed: the pods of two Deployments would be mixed up; delete the Rollout, whose Deployment gets its pods back, and create another one"
	WorkloadRef *WorkloadRef `json:"workloadRef,omitempty"`

	// MinReadySeconds is how long a pod must be ready without a restart before it counts. Default 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MinReadySeconds int32 `json:"minReadySeconds,omitempty"`

	// ProgressDeadlineSeconds is how long a release may go without progress before it is taken back. Pauses don't
	// count. Default 600.
	// +optional
	// +kubebuilder:validation:Minimum=1
	ProgressDeadlineSeconds *int32 `json:"progressDeadlineSeconds,omitempty"`

	// RevisionHistoryLimit is how many old revisions are kept, without pods, to go back to. Default 10.
	// +optional
	// +kubebuilder:validation:Minimum=0
	RevisionHistoryLimit *int32 `json:"revisionHistoryLimit,omitempty"`

	// RollbackWindow lets a release of one of the last revisions skip the steps and the analysis: it has served before.
	// +optional
	RollbackWindow *RollbackWindow `json:"rollbackWindow,omitempty"`

	// Analysis says how many AnalysisRuns are kept as records.
	// +optional
	Analysis *AnalysisHistory `json:"analysis,omitempty"`

	// Gates are other systems that are asked before a release goes on, or told of it.
	// +optional
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	Gates []Gate `json:"gates,omitempty"`

	// RestartAt replaces every pod that was created before this time, a few at once and with surge, so that nothing is
	// missing meanwhile. It may lie in the future.
	// +optional
	// +kubebuilder:validation:Pattern=`^[-0-9]+T[0-9:]{8}([.][0-9]+)?(Z|[+-][01][0-9]:[0-5][0-9])$`
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	RestartAt *metav1.Time `json:"restartAt,omitempty"`

	// Paused freezes the Rollout: no release starts and none goes on. Aborting, scaling and repair still work.
	// +optional
	Paused bool `json:"paused,omitempty"`

	// Strategy is how a new revision reaches production.
	// +required
	Strategy Strategy `json:"strategy"`
}

// WorkloadRef names the Deployment that the template comes from.
type WorkloadRef struct {
	// APIVersion of the workload: apps/v1.
	// +optional
	// +kubebuilder:validation:Enum=apps/v1
	APIVersion string `json:"apiVersion,omitempty"`
	// Kind of the workload: Deployment.
	// +optional
	// +kubebuilder:validation:Enum=Deployment
	Kind string `json:"kind,omitempty"`
	// Name of the Deployment.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// AnalysisHistory says how many AnalysisRuns are kept as records of a Rollout.
type AnalysisHistory struct {
	// SuccessfulRunHistoryLimit is how many that passed are kept. Default 5; 0 makes none.
	// +optional
	// +kubebuilder:validation:Minimum=0
	SuccessfulRunHistoryLimit *int32 `json:"successfulRunHistoryLimit,omitempty"`
	// UnsuccessfulRunHistoryLimit is how many of the others are kept. Default 5; 0 makes none.
	// +optional
	// +kubebuilder:validation:Minimum=0
	UnsuccessfulRunHistoryLimit *int32 `json:"unsuccessfulRunHistoryLimit,omitempty"`
}

// RollbackWindow says which revisions have served recently.
type RollbackWindow struct {
	// Revisions is how many revisions before the stable one may be released again without steps and analysis.
	// +required
	// +kubebuilder:validation:Minimum=0
	Revisions int32 `json:"revisions"`
}

// Strategy holds exactly one way to release.
//
// +kubebuilder:validation:XValidation:rule="has(self.canary) != has(self.blueGreen)",message="strategy must say how to release, in exactly one way: canary (canary: {} rolls out pod by pod) or blueGreen"
type Strategy struct {
	// Canary releases step by step.
	// +optional
	Canary *Canary `json:"canary,omitempty"`
	// BlueGreen releases all at once, after a rehearsal.
	// +optional
	BlueGreen *BlueGreen `json:"blueGreen,omitempty"`
}

// Canary releases a revision step by step, to a growing share of the traffic.
//
// +kubebuilder:validation:XValidation:rule="!has(self.maxSurge) || !has(self.maxUnavailable) || !((type(self.maxSurge) == int ? self.maxSurge == 0 : self.maxSurge == '0%') && (type(self.maxUnavailable) == int ? self.maxUnavailable == 0 : self.maxUnavailable == '0%'))",message="maxSurge and maxUnavailable can't both be 0: no pod could ever be replaced; raise one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.trafficRouting) || has(self.pingPong) || (has(self.stableService) && has(self.canaryService)) || (has(self.trafficRouting.istio) && has(self.trafficRouting.istio.destinationRule))",message="trafficRouting needs stableService and canaryService, or pingPong: the two Services that the routes send traffic to; with Istio subsets of a destinationRule will do"
// +kubebuilder:validation:XValidation:rule="!has(self.trafficRouting) || !has(self.trafficRouting.istio) || !has(self.trafficRouting.istio.destinationRule) || !(has(self.stableService) || has(self.canaryService) || has(self.pingPong))",message="the subsets of destinationRule take the place of stableService, canaryService and pingPong; leave these out"
// +kubebuilder:validation:XValidation:rule="!has(self.pingPong) || !(has(self.stableService) || has(self.canaryService))",message="pingPong takes the place of stableService and canaryService; leave these two out"
// +kubebuilder:validation:XValidation:rule="!has(self.pingPong) || has(self.trafficRouting)",message="pingPong needs trafficRouting; without it the share follows the number of pods behind your own Service"
// +kubebuilder:validation:XValidation:rule="has(self.trafficRouting) || !has(self.dynamicStableScale) || !self.dynamicStableScale",message="dynamicStableScale needs trafficRouting; by replica count stable shrinks anyway"
// +kubebuilder:validation:XValidation:rule="has(self.trafficRouting) || !has(self.minPodsPerReplicaSet)",message="minPodsPerReplicaSet needs trafficRouting; by replica count the number of pods is the share"
// +kubebuilder:validation:XValidation:rule="has(self.trafficRouting) || !has(self.scaleDownDelaySeconds)",message="scaleDownDelaySeconds needs trafficRouting; by replica count every pod has its share of the traffic"
// +kubebuilder:validation:XValidation:rule="has(self.trafficRouting) || !has(self.steps) || !self.steps.exists(s, has(s.setCanaryScale))",message="setCanaryScale needs trafficRouting; by replica count the number of pods is the share"
// +kubebuilder:validation:XValidation:rule="!has(self.steps) || (has(self.trafficRouting) && has(self.trafficRouting.managedRoutes)) || !self.steps.exists(s, has(s.setHeaderRoute) || has(s.setMirrorRoute))",message="setHeaderRoute and setMirrorRoute need trafficRouting.managedRoutes: the names of the rules that the engine may add, the one that a request meets first in front"
// +kubebuilder:validation:XValidation:rule="has(self.trafficRouting) || !(has(self.stableService) || has(self.canaryService))",message="stableService and canaryService need trafficRouting; without it the share follows the number of pods behind your own Service"
// +kubebuilder:validation:XValidation:rule="!has(self.stableService) || !has(self.canaryService) || self.stableService != self.canaryService",message="stableService and canaryService must be two different Services"
type Canary struct {
	// StableService is the Service that reaches the stable revision. The engine sets the pod-template-hash key of its
	// selector and nothing else.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	StableService string `json:"stableService,omitempty"`

	// CanaryService is the Service that reaches the canary. The engine sets the pod-template-hash key of its selector
	// and nothing else.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	CanaryService string `json:"canaryService,omitempty"`

	// PingPong names two Services that take turns: the one that reaches the canary during a release stays as it is when the
	// canary becomes stable, so no Service that has traffic is ever pointed elsewhere.
	// +optional
	PingPong *PingPong `json:"pingPong,omitempty"`

	// TrafficRouting says which routes carry the split. Without it the share follows the number of pods.
	// +optional
	TrafficRouting *TrafficRouting `json:"trafficRouting,omitempty"`

	// MaxSurge is how many pods above replicas may exist during a release by replica count, as a number or a share of
	// replicas (rounded up). Default 25%.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 2147483647 : self.matches('^([0-9]|[1-9][0-9]|100)%$')",message="maxSurge must be a number of pods (0 or more) or a percentage from 0% to 100%"
	MaxSurge *intstr.IntOrString `json:"maxSurge,omitempty"`

	// MaxUnavailable is how many of the replicas may be missing during a release by replica count, as a number or a
	// share of replicas (rounded down). Default 25%.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 2147483647 : self.matches('^([0-9]|[1-9][0-9]|100)%$')",message="maxUnavailable must be a number of pods (0 or more) or a percentage from 0% to 100%"
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`

	// AbortScaleDownDelaySeconds is how long the pods of a revision that was taken back stay, so that a retry finds
	// them warm. Default 30.
	// +optional
	// +kubebuilder:validation:Minimum=0
	AbortScaleDownDelaySeconds *int32 `json:"abortScaleDownDelaySeconds,omitempty"`

	// ScaleDownDelaySeconds is how long the pods of the revision before stay after a promotion, beyond the drain time, so
	// that going back to it finds them warm. Default 0. It needs trafficRouting.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ScaleDownDelaySeconds *int32 `json:"scaleDownDelaySeconds,omitempty"`

	// DynamicStableScale gives pods of the stable revision back as the canary takes its traffic over, so that a release
	// needs hardly more pods than replicas. Taking a release back then waits for stable's pods, share by share.
	// +optional
	DynamicStableScale bool `json:"dynamicStableScale,omitempty"`

	// MinPodsPerReplicaSet is how many pods a revision with any share of the traffic has at least, but no more than
	// replicas. Default 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MinPodsPerReplicaSet *int32 `json:"minPodsPerReplicaSet,omitempty"`

	// AntiAffinity keeps pods of different revisions off the same nodes.
	// +optional
	AntiAffinity *AntiAffinity `json:"antiAffinity,omitempty"`

	// CanaryMetadata is put on the pods of the revision under test, and taken off when it is no longer.
	// +optional
	CanaryMetadata *PodMetadata `json:"canaryMetadata,omitempty"`

	// StableMetadata is put on the pods of the stable revision, and taken off when it is no longer.
	// +optional
	StableMetadata *PodMetadata `json:"stableMetadata,omitempty"`

	// Analysis watches the canary in the background, from its first request until it is promoted.
	// +optional
	Analysis *BackgroundAnalysis `json:"analysis,omitempty"`

	// Bake keeps what was stable for the way back when the canary has all traffic, and watches it a while longer, before it
	// becomes stable.
	// +optional
	Bake *Bake `json:"bake,omitempty"`

	// Steps are carried out in their order. Without steps the revision is rolled out at once: pod by pod by replica
	// count, or with one shift of traffic when there is trafficRouting.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	Steps []Step `json:"steps,omitempty"`
}

// Step is one entry of the plan. It holds exactly one instruction.
//
// +kubebuilder:validation:XValidation:rule="[has(self.setWeight), has(self.pause), has(self.setCanaryScale), has(self.setHeaderRoute), has(self.setMirrorRoute), has(self.analysis)].exists_one(x, x)",message="a step holds exactly one instruction, setWeight, pause, setCanaryScale, setHeaderRoute, setMirrorRoute or analysis; write each as a list entry of its own"
type Step struct {
	// SetWeight gives the canary this share of the traffic, in percent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	SetWeight *int32 `json:"setWeight,omitempty"`
	// Pause waits for a time, or without a duration until someone promotes.
	// +optional
	Pause *Pause `json:"pause,omitempty"`
	// SetCanaryScale says how many pods the canary has from this step on, whatever its weight. It never has fewer than its
	// weight needs.
	// +optional
	SetCanaryScale *CanaryScale `json:"setCanaryScale,omitempty"`
	// SetHeaderRoute leads requests with certain headers to the canary, all of them and whatever its weight, from this step on; without
	// match it ends that. It needs ready pods of the canary, like a weight. A release that is over or taken back leaves none.
	// +optional
	SetHeaderRoute *HeaderRoute `json:"setHeaderRoute,omitempty"`
	// SetMirrorRoute copies requests to the canary from this step on, and nobody waits for its answers; without match and percentage
	// it ends that.
	// +optional
	SetMirrorRoute *MirrorRoute `json:"setMirrorRoute,omitempty"`
	// Analysis has to pass before the release goes on to the next step.
	// +optional
	Analysis *Analysis `json:"analysis,omitempty"`
}

// CanaryScale is a number of pods. It holds exactly one way to say it.
//
// +kubebuilder:validation:XValidation:rule="[has(self.replicas), has(self.weight), has(self.matchTrafficWeight)].exists_one(x, x)",message="setCanaryScale holds exactly one of replicas, weight and matchTrafficWeight"
type CanaryScale struct {
	// Replicas is a number of pods.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`
	// Weight is a number of pods in percent of spec.replicas, rounded up.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Weight *int32 `json:"weight,omitempty"`
	// MatchTrafficWeight goes back to as many pods as the canary's weight needs.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self",message="matchTrafficWeight: false says nothing; set it to true, or give replicas or weight instead"
	MatchTrafficWeight *bool `json:"matchTrafficWeight,omitempty"`
}

// Pause is a wait.
type Pause struct {
	// Duration is how long, for example 90s or 10m. Without it the release waits for rollout promote.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$')",message="pause.duration must be a time of 0 or more with a unit, for example 90s, 10m or 1h30m; leave it out to wait for rollout promote"
	// +kubebuilder:validation:Type=string
	Duration *metav1.Duration `json:"duration,omitempty"`
}

// PingPong names two Services that take turns.
//
// +kubebuilder:validation:XValidation:rule="self.pingService != self.pongService",message="pingService and pongService must be two different Services"
type PingPong struct {
	// PingService reaches stable until the first promotion. The engine sets the pod-template-hash key of its selector and
	// nothing else.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	PingService string `json:"pingService"`
	// PongService reaches the canary until the first promotion.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	PongService string `json:"pongService"`
}

// AntiAffinity keeps pods of different revisions of the Rollout off the same nodes. It holds exactly one strength.
//
// +kubebuilder:validation:XValidation:rule="has(self.preferredDuringSchedulingIgnoredDuringExecution) != has(self.requiredDuringSchedulingIgnoredDuringExecution)",message="antiAffinity holds exactly one of preferredDuringSchedulingIgnoredDuringExecution and requiredDuringSchedulingIgnoredDuringExecution"
type AntiAffinity struct {
	// Preferred: the scheduler avoids it where it can.
	// +optional
	Preferred *PreferredAntiAffinity `json:"preferredDuringSchedulingIgnoredDuringExecution,omitempty"`
	// Required: the scheduler never does it. Without enough nodes a release waits, until its progress deadline.
	// +optional
	Required *RequiredAntiAffinity `json:"requiredDuringSchedulingIgnoredDuringExecution,omitempty"`
}

// PreferredAntiAffinity says how much it matters.
type PreferredAntiAffinity struct {
	// Weight against other preferences, from 1 to 100.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Weight int32 `json:"weight"`
}

// RequiredAntiAffinity has no settings.
type RequiredAntiAffinity struct{}

// PodMetadata is put on the pods of a revision as long as it plays a role. It is no part of the template: changing it makes
// no new revision and restarts no pod.
//
// +kubebuilder:validation:XValidation:rule="!has(self.labels) || !('pod-template-hash' in self.labels)",message="labels must not contain pod-template-hash: it is set by the controller; remove it"
type PodMetadata struct {
	// Labels of the pods.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations of the pods.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Annotations map[string]string `json:"annotations,omitempty"`
}
