// Package v1alpha1 holds the Rollout custom resource as users write it and as the engine reports on it.
//
// The types only describe; what the fields lead to is decided in package rollout.
//
// +kubebuilder:object:generate=true
// +groupName=rollout.dev
package v1alpha1
