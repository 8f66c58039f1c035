package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Gate asks another system whether a release may go on, or tells it where the release is. It is asked once for each step at
// which it matters, until it says yes or no.
type Gate struct {
	// Name tells the gates apart.
	// +required
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// At is when it is asked: BeforeRelease, before there is a pod of the revision; BeforeTraffic, when its pods are ready and no
	// user has reached it; BeforeIncrease, before every larger share; AfterStep, after every step; BeforePromotion, before
	// it gets all traffic; AfterPromotion, when it has all traffic, before it becomes stable; Rollback, all the time, and yes takes
	// the release back; AfterAbort, when it was taken back, which nothing waits for.
	// +required
	// +kubebuilder:validation:Enum=BeforeRelease;BeforeTraffic;BeforeIncrease;AfterStep;BeforePromotion;AfterPromotion;Rollback;AfterAbort
	At string `json:"at"`

	// Web is who is asked.
	// +required
	Web GateServer `json:"web"`

	// Metadata goes along with every call, such as the command that a test runner is to run.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Metadata map[string]string `json:"metadata,omitempty"`

	// Timeout of one call. Default 10s, at most 30s.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$') && duration(self) > duration('0s') && duration(self) <= duration('30s')",message="timeout must be a time of at most 30s with a unit, for example 5s"
	// +kubebuilder:validation:Type=string
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// Interval between two calls, as long as the answer is to wait, or there is none. Default 10s, at least 1s.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$') && duration(self) >= duration('1s')",message="interval must be a time of at least 1s with a unit, for example 10s or 1m30s"
	// +kubebuilder:validation:Type=string
	Interval *metav1.Duration `json:"interval,omitempty"`

	// Deadline of the answer, at each step. Default: progressDeadlineSeconds.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$')",message="deadline must be a time with a unit, for example 10m or 48h"
	// +kubebuilder:validation:Type=string
	Deadline *metav1.Duration `json:"deadline,omitempty"`

	// OnDeadline says what happens without an answer until then: Hold, the release waits for it, or for a person; Continue, it
	// goes on without; Abort, it is taken back. Default Hold.
	// +optional
	// +kubebuilder:validation:Enum=Hold;Continue;Abort
	OnDeadline string `json:"onDeadline,omitempty"`
}

// GateServer is a server that gets a POST for each call.
type GateServer struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	URL        string `json:"url"`
	Connection `json:",inline"`
}

// GateStatus is what a gate said at the current step.
type GateStatus struct {
	// Name of the gate.
	Name string `json:"name"`
	// Since is when its answer was first waited for.
	Since metav1.MicroTime `json:"since"`
	// Verdict is its last answer; inconclusive is not yet.
	// +optional
	// +kubebuilder:validation:Enum=pass;fail;inconclusive;error
	Verdict string `json:"verdict,omitempty"`
	// Message says why.
	// +optional
	Message string `json:"message,omitempty"`
	// AskedAt is when it was last asked.
	// +optional
	AskedAt *metav1.MicroTime `json:"askedAt,omitempty"`
	// Waived: the release goes on without its answer.
	// +optional
	Waived bool `json:"waived,omitempty"`
}
