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

// Rollout describes how a new version of an application reaches production.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.selector
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
// +kubebuilder:validation:XValidation:rule="!has(self.selector.matchLabels) || self.selector.matchLabels.all(key, has(self.template.metadata) && has(self.template.metadata.labels) && key in self.template.metadata.labels && self.template.metadata.labels[key] == self.selector.matchLabels[key])",message="spec.template.metadata.labels must contain every label of spec.selector.matchLabels: the Rollout would not find its own pods; add the labels to the template"
type RolloutSpec struct {
	// Replicas is the number of pods that serve the application. Default 1. An autoscaler may write it through the
	// scale subresource.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`

	// Selector says which pods belong to the Rollout. It must match the labels of the template and can't be changed.
	// +required
	// +kubebuilder:validation:XValidation:rule="!has(self.matchLabels) || !('pod-template-hash' in self.matchLabels)",message="spec.selector must not contain pod-template-hash: it differs from revision to revision and is set by the controller; remove it"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.selector can't be changed; create a Rollout of another name instead"
	// +kubebuilder:validation:XValidation:rule="(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",message="spec.selector must not be empty: an empty selector would claim every pod of the namespace"
	Selector metav1.LabelSelector `json:"selector"`

	// Template is the pod template, as in a Deployment. Every change of it is a new revision.
	// +required
	Template PodTemplate `json:"template"`

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

	// Paused freezes the Rollout: no release starts and none goes on. Aborting, scaling and repair still work.
	// +optional
	Paused bool `json:"paused,omitempty"`

	// Strategy is how a new revision reaches production.
	// +required
	Strategy Strategy `json:"strategy"`
}

// Strategy holds exactly one way to release.
//
// +kubebuilder:validation:XValidation:rule="has(self.canary)",message="strategy must say how to release: canary (canary: {} rolls out pod by pod)"
type Strategy struct {
	// Canary releases step by step.
	// +optional
	Canary *Canary `json:"canary,omitempty"`
}

// Canary releases a revision step by step, to a growing share of the traffic.
//
// +kubebuilder:validation:XValidation:rule="!has(self.maxSurge) || !has(self.maxUnavailable) || !((type(self.maxSurge) == int ? self.maxSurge == 0 : self.maxSurge == '0%') && (type(self.maxUnavailable) == int ? self.maxUnavailable == 0 : self.maxUnavailable == '0%'))",message="maxSurge and maxUnavailable can't both be 0: no pod could ever be replaced; raise one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.trafficRouting) || (has(self.stableService) && has(self.canaryService))",message="trafficRouting needs stableService and canaryService: the two Services that the routes send traffic to"
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

	// TrafficRouting says which routes carry the split. Without it the share follows the number of pods.
	// +optional
	TrafficRouting *TrafficRouting `json:"trafficRouting,omitempty"`

	// MaxSurge is how many pods above replicas may exist during a release by replica count, as a number or a share of
	// replicas (rounded up). Default 25%.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 : self.matches('^([0-9]|[1-9][0-9]|100)%$')",message="maxSurge must be a number of pods (0 or more) or a percentage from 0% to 100%"
	MaxSurge *intstr.IntOrString `json:"maxSurge,omitempty"`

	// MaxUnavailable is how many of the replicas may be missing during a release by replica count, as a number or a
	// share of replicas (rounded down). Default 25%.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 : self.matches('^([0-9]|[1-9][0-9]|100)%$')",message="maxUnavailable must be a number of pods (0 or more) or a percentage from 0% to 100%"
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`

	// AbortScaleDownDelaySeconds is how long the pods of a revision that was taken back stay, so that a retry finds
	// them warm. Default 30.
	// +optional
	// +kubebuilder:validation:Minimum=0
	AbortScaleDownDelaySeconds *int32 `json:"abortScaleDownDelaySeconds,omitempty"`

	// Analysis watches the canary in the background, from its first request until it is promoted.
	// +optional
	Analysis *Analysis `json:"analysis,omitempty"`

	// Steps are carried out in their order. Without steps the revision is rolled out at once: pod by pod by replica
	// count, or with one shift of traffic when there is trafficRouting.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	Steps []Step `json:"steps,omitempty"`
}

// TrafficRouting names the routes that carry the split.
//
// +kubebuilder:validation:XValidation:rule="has(self.gatewayAPI)",message="trafficRouting must name a router: gatewayAPI"
type TrafficRouting struct {
	// GatewayAPI splits traffic with routes of the Kubernetes Gateway API.
	// +optional
	GatewayAPI *GatewayAPI `json:"gatewayAPI,omitempty"`

	// SettleSeconds is how long the data plane may need to act on a split after the router accepted it, or on new
	// endpoints of a Service. Default 3.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	SettleSeconds *int32 `json:"settleSeconds,omitempty"`

	// DrainSeconds is how long a backend without a share may still be finishing requests. Its pods stay that long.
	// Default 10.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	DrainSeconds *int32 `json:"drainSeconds,omitempty"`
}

// GatewayAPI names routes in the Rollout's namespace. In every rule that names the stable and the canary Service the
// engine sets the weights of these two backendRefs and nothing else.
type GatewayAPI struct {
	// Routes carry the split, all of them the same.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=kind
	// +listMapKey=name
	Routes []RouteReference `json:"routes"`
}

// RouteReference names a route of the Gateway API.
type RouteReference struct {
	// Kind is HTTPRoute or GRPCRoute.
	// +required
	// +kubebuilder:validation:Enum=HTTPRoute;GRPCRoute
	Kind string `json:"kind"`
	// Name is the route's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// Step is one entry of the plan. It holds exactly one instruction.
//
// +kubebuilder:validation:XValidation:rule="has(self.setWeight) != has(self.pause)",message="a step holds exactly one instruction, setWeight or pause; write each as a list entry of its own"
type Step struct {
	// SetWeight gives the canary this share of the traffic, in percent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	SetWeight *int32 `json:"setWeight,omitempty"`
	// Pause waits for a time, or without a duration until someone promotes.
	// +optional
	Pause *Pause `json:"pause,omitempty"`
}

// Pause is a wait.
type Pause struct {
	// Duration is how long, for example 90s or 10m. Without it the release waits for rollout promote.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$')",message="pause.duration must be a time of 0 or more with a unit, for example 90s, 10m or 1h30m; leave it out to wait for rollout promote"
	// +kubebuilder:validation:Type=string
	Duration *metav1.Duration `json:"duration,omitempty"`
}
