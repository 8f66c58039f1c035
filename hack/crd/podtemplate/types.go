// Package podtemplate lets controller-gen write down the schema of a pod template, which the Rollout's own Go type hides.
//
// +kubebuilder:object:generate=false
// +groupName=podtemplate.rollout.dev
// +versionName=v1
package podtemplate

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Holder exists for its schema only; nothing serves it.
type Holder struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Template is grafted into the Rollout's schema.
	Template corev1.PodTemplateSpec `json:"template"`
}
