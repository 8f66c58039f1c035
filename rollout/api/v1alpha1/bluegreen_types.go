package v1alpha1

import "k8s.io/apimachinery/pkg/util/intstr"

// BlueGreen releases a revision all at once: its pods start beside those of the stable revision, are tried through the preview
// Service, and then the active Service is switched from one to the other.
//
// +kubebuilder:validation:XValidation:rule="!has(self.previewService) || self.activeService != self.previewService",message="activeService and previewService must be two different Services"
// +kubebuilder:validation:XValidation:rule="!has(self.maxSurge) || !has(self.maxUnavailable) || !((type(self.maxSurge) == int ? self.maxSurge == 0 : self.maxSurge == '0%') && (type(self.maxUnavailable) == int ? self.maxUnavailable == 0 : self.maxUnavailable == '0%'))",message="maxSurge and maxUnavailable can't both be 0: no pod could ever be replaced; raise one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.prePromotionAnalysis) || !has(self.prePromotionAnalysis.metrics) || self.prePromotionAnalysis.metrics.all(m, has(m.query) || has(m.provider))",message="the metrics of prePromotionAnalysis need queries of their own: the built-in ones ask a gateway about a split, and blueGreen has none"
// +kubebuilder:validation:XValidation:rule="!has(self.postPromotionAnalysis) || !has(self.postPromotionAnalysis.metrics) || self.postPromotionAnalysis.metrics.all(m, has(m.query) || has(m.provider))",message="the metrics of postPromotionAnalysis need queries of their own: the built-in ones ask a gateway about a split, and blueGreen has none"
// +kubebuilder:validation:XValidation:rule="!has(self.autoPromotionSeconds) || !has(self.autoPromotionEnabled) || self.autoPromotionEnabled",message="autoPromotionSeconds needs autoPromotionEnabled: without it the release waits for rollout promote; remove one of them"
type BlueGreen struct {
	// ActiveService is the Service that users reach. The engine sets the pod-template-hash key of its selector and nothing
	// else.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	ActiveService string `json:"activeService"`

	// PreviewService is a Service that reaches the revision under test before users do.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	PreviewService string `json:"previewService,omitempty"`

	// PreviewReplicaCount is how many pods the revision under test has until it is promoted; before the switch it gets as
	// many as spec.replicas. Default: spec.replicas.
	// +optional
	// +kubebuilder:validation:Minimum=1
	PreviewReplicaCount *int32 `json:"previewReplicaCount,omitempty"`

	// AutoPromotionEnabled: the switch follows by itself once the pods are ready and the analysis has passed; else it waits
	// for rollout promote. Default true.
	// +optional
	AutoPromotionEnabled *bool `json:"autoPromotionEnabled,omitempty"`

	// AutoPromotionSeconds is how long the preview stays before the switch. Default 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	AutoPromotionSeconds int32 `json:"autoPromotionSeconds,omitempty"`

	// ScaleDownDelaySeconds is how long the pods of the revision before stay after the switch, so that going back is one
	// switch too. Default 30; never shorter than settleSeconds and drainSeconds together.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ScaleDownDelaySeconds *int32 `json:"scaleDownDelaySeconds,omitempty"`

	// AbortScaleDownDelaySeconds is how long the pods of a revision that was taken back stay, so that a retry finds them
	// warm. Default 30.
	// +optional
	// +kubebuilder:validation:Minimum=0
	AbortScaleDownDelaySeconds *int32 `json:"abortScaleDownDelaySeconds,omitempty"`

	// MaxSurge and MaxUnavailable bound a restart (spec.restartAt), as a number or a share of replicas. Default 25%.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 2147483647 : self.matches('^([0-9]|[1-9][0-9]|100)%$')",message="maxSurge must be a number of pods (0 or more) or a percentage from 0% to 100%"
	MaxSurge *intstr.IntOrString `json:"maxSurge,omitempty"`
	// MaxUnavailable is how many of the replicas may be missing during a restart. Default 25%.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 2147483647 : self.matches('^([0-9]|[1-9][0-9]|100)%$')",message="maxUnavailable must be a number of pods (0 or more) or a percentage from 0% to 100%"
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`

	// PrePromotionAnalysis has to pass before the switch. It looks at the preview, so its metrics need queries of their own.
	// +optional
	PrePromotionAnalysis *Analysis `json:"prePromotionAnalysis,omitempty"`

	// PostPromotionAnalysis has to pass after the switch, before the revision becomes stable. If it fails the switch is
	// undone.
	// +optional
	PostPromotionAnalysis *Analysis `json:"postPromotionAnalysis,omitempty"`

	// AntiAffinity keeps pods of different revisions off the same nodes.
	// +optional
	AntiAffinity *AntiAffinity `json:"antiAffinity,omitempty"`

	// PreviewMetadata is put on the pods of the revision under test, and taken off when it is no longer.
	// +optional
	PreviewMetadata *PodMetadata `json:"previewMetadata,omitempty"`

	// ActiveMetadata is put on the pods of the stable revision, and taken off when it is no longer.
	// +optional
	ActiveMetadata *PodMetadata `json:"activeMetadata,omitempty"`

	// SettleSeconds is how long the nodes may need to follow a switch of the Service. Default 3.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	SettleSeconds *int32 `json:"settleSeconds,omitempty"`

	// DrainSeconds is how long a revision may still be finishing requests after the switch. Its pods stay that long.
	// Default 10.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	DrainSeconds *int32 `json:"drainSeconds,omitempty"`
}
