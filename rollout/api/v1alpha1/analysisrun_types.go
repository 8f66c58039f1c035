package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Labels of the AnalysisRuns that record the analyses of a Rollout.
const (
	RolloutLabel         = "rollout.dev/rollout"
	RolloutRevisionLabel = "rollout.dev/rollout-revision"
)

// AnalysisRun is one analysis: one that somebody asked for, or the record of one of a Rollout.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=analysisruns,shortName=ar
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Rollout",type=string,JSONPath=`.spec.of.rollout`
// +kubebuilder:printcolumn:name="Of",type=string,JSONPath=`.spec.of.place`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.message`,priority=1
type AnalysisRun struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec AnalysisRunSpec `json:"spec"`
	// +optional
	Status AnalysisRunStatus `json:"status,omitzero"`
}

// AnalysisRunList is a list of AnalysisRuns.
//
// +kubebuilder:object:root=true
type AnalysisRunList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []AnalysisRun `json:"items"`
}

// AnalysisRunSpec is what is analysed.
//
// +kubebuilder:validation:XValidation:rule="has(self.analysis) != has(self.of)",message="an AnalysisRun is either an analysis to carry out or, with of, the record of one"
// +kubebuilder:validation:XValidation:rule="has(self.analysis) == has(oldSelf.analysis) && (!has(self.analysis) || self.analysis == oldSelf.analysis)",message="spec.analysis can't be changed: what was measured is about the old one; create another AnalysisRun"
type AnalysisRunSpec struct {
	// Of says of which analysis of a Rollout this is the record. Nothing is measured for a record.
	// +optional
	Of *AnalysisOf `json:"of,omitempty"`

	// Analysis to carry out.
	// +optional
	Analysis *Analysis `json:"analysis,omitempty"`

	// TimeoutSeconds is how long to wait for a verdict. Default 600.
	// +optional
	// +kubebuilder:validation:Minimum=1
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// Cancel ends it without a verdict.
	// +optional
	Cancel bool `json:"cancel,omitempty"`

	// TTLSecondsAfterFinished is how long it is kept when it is over. Default: until somebody deletes it, or the history limits
	// of the Rollout it is a record of do.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}

// AnalysisOf names an analysis of a Rollout.
type AnalysisOf struct {
	// Rollout it belongs to.
	Rollout string `json:"rollout"`
	// Revision that was judged.
	Revision string `json:"revision"`
	// Run is the try to release it.
	Run int64 `json:"run"`
	// Place within the release: background, step-2 (counting from 1), pre-promotion, post-promotion or bake.
	Place string `json:"place"`
}

// The phases of an AnalysisRun.
const (
	// RunRunning: there is no verdict yet.
	RunRunning = "Running"
	// RunPassed: everything is as wanted.
	RunPassed = "Passed"
	// RunFailed: something is not as wanted.
	RunFailed = "Failed"
	// RunInconclusive: it is neither.
	RunInconclusive = "Inconclusive"
	// RunNoData: there is nothing to judge.
	RunNoData = "NoData"
	// RunError: it could not be measured.
	RunError = "Error"
	// RunCancelled: it ended before there was a verdict, which is not a pass.
	RunCancelled = "Cancelled"
)

// AnalysisRunStatus is what came out.
type AnalysisRunStatus struct {
	// ObservedGeneration is the generation of the spec that this is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Phase is the verdict, or Running.
	// +optional
	// +kubebuilder:validation:Enum=Running;Passed;Failed;Inconclusive;NoData;Error;Cancelled
	Phase string `json:"phase,omitempty"`
	// Message says why, in a sentence.
	// +optional
	Message string `json:"message,omitempty"`
	// StartedAt is when it began.
	// +optional
	StartedAt *metav1.MicroTime `json:"startedAt,omitempty"`
	// FinishedAt is when it ended.
	// +optional
	FinishedAt *metav1.MicroTime `json:"finishedAt,omitempty"`
	// Metrics is the state of each metric.
	// +optional
	// +listType=map
	// +listMapKey=name
	Metrics []MetricStatus `json:"metrics,omitempty"`
}

// Finished says whether there is an outcome.
func (r *AnalysisRun) Finished() bool { return r.Status.Phase != "" && r.Status.Phase != RunRunning }
