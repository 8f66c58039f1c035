package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AnalysisTemplate is an analysis that Rollouts of its namespace can name.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=analysistemplates,shortName=at
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AnalysisTemplate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec AnalysisTemplateSpec `json:"spec"`
}

// AnalysisTemplateList is a list of AnalysisTemplates.
//
// +kubebuilder:object:root=true
type AnalysisTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []AnalysisTemplate `json:"items"`
}

// ClusterAnalysisTemplate is an analysis that the Rollouts of all namespaces can name.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=clusteranalysistemplates,shortName=cat,scope=Cluster
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ClusterAnalysisTemplate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec AnalysisTemplateSpec `json:"spec"`
}

// ClusterAnalysisTemplateList is a list of ClusterAnalysisTemplates.
//
// +kubebuilder:object:root=true
type ClusterAnalysisTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []ClusterAnalysisTemplate `json:"items"`
}

// AnalysisTemplateSpec is the analysis.
//
// +kubebuilder:validation:XValidation:rule="has(self.metrics) || has(self.templates)",message="a template needs metrics, templates or both"
type AnalysisTemplateSpec struct {
	// Args are what {{args.NAME}} can stand for in the metrics. One without a value has to be given by whoever uses the
	// template.
	// +optional
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	Args []Argument `json:"args,omitempty"`

	// Metrics are all judged.
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	Metrics []Metric `json:"metrics,omitempty"`

	// Templates are part of this one. They see the same args.
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Templates []TemplateReference `json:"templates,omitempty"`
}

// TemplateReference names an AnalysisTemplate of the same namespace, or a ClusterAnalysisTemplate.
type TemplateReference struct {
	// Name of the template.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// ClusterScope: it is a ClusterAnalysisTemplate.
	// +optional
	ClusterScope bool `json:"clusterScope,omitempty"`
}

// Argument is a value by name.
//
// +kubebuilder:validation:XValidation:rule="!has(self.value) || !has(self.valueFrom)",message="an argument has one value: give either value or valueFrom"
type Argument struct {
	// Name of the argument.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9]([-_a-zA-Z0-9]*[a-zA-Z0-9])?$`
	Name string `json:"name"`
	// Value of it.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Value *string `json:"value,omitempty"`
	// ValueFrom says where the value is found.
	// +optional
	ValueFrom *ValueFrom `json:"valueFrom,omitempty"`
}

// ValueFrom says where a value is found. It holds exactly one place.
//
// +kubebuilder:validation:XValidation:rule="[has(self.podTemplateHashValue), has(self.fieldRef), has(self.secretKeyRef)].exists_one(x, x)",message="valueFrom holds exactly one of podTemplateHashValue, fieldRef and secretKeyRef"
type ValueFrom struct {
	// PodTemplateHashValue is the hash of a revision: Stable, or Latest for the one under test.
	// +optional
	// +kubebuilder:validation:Enum=Stable;Latest
	PodTemplateHashValue string `json:"podTemplateHashValue,omitempty"`
	// FieldRef is a field of the Rollout.
	// +optional
	FieldRef *FieldReference `json:"fieldRef,omitempty"`
	// SecretKeyRef is a key of a Secret in the same namespace. It is read when a metric is measured and shown nowhere; a query
	// can't contain it.
	// +optional
	SecretKeyRef *SecretKeyReference `json:"secretKeyRef,omitempty"`
}

// FieldReference names a field of the Rollout.
type FieldReference struct {
	// FieldPath as in JSONPath, for example metadata.labels['region'] or spec.replicas.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	FieldPath string `json:"fieldPath"`
}

// SecretKeyReference names a key of a Secret.
type SecretKeyReference struct {
	// Name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Key within it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`
}
