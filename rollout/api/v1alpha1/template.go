package v1alpha1

import (
	"bytes"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
)

// PodTemplate is a pod template that keeps the bytes it was read from. Identity is computed from them and ReplicaSets are
// made of them, so that a field newer than this program is neither lost nor taken for a change.
//
// +kubebuilder:object:generate=false
// +kubebuilder:validation:Type=object
type PodTemplate struct {
	raw json.RawMessage
}

// NewPodTemplate wraps the JSON of a pod template.
func NewPodTemplate(raw []byte) PodTemplate { return PodTemplate{raw: raw} }

// Raw is the template's JSON, never empty.
func (t PodTemplate) Raw() []byte {
	if len(t.raw) == 0 {
		return []byte("{}")
	}
	return t.raw
}

// Parse reads the template into the fields that this program knows.
func (t PodTemplate) Parse() (*corev1.PodTemplateSpec, error) {
	var parsed corev1.PodTemplateSpec
	if err := json.Unmarshal(t.Raw(), &parsed); err != nil {
		return nil, err
	}
	return &parsed, nil
}

// MarshalJSON returns the bytes that were read.
func (t PodTemplate) MarshalJSON() ([]byte, error) { return t.Raw(), nil }

// UnmarshalJSON keeps the bytes.
func (t *PodTemplate) UnmarshalJSON(raw []byte) error {
	t.raw = bytes.Clone(raw)
	return nil
}

// DeepCopyInto copies the template.
func (t *PodTemplate) DeepCopyInto(out *PodTemplate) { out.raw = bytes.Clone(t.raw) }
