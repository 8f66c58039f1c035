package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Analysis is the list of metrics that a release must keep within their thresholds.
type Analysis struct {
	// Metrics are all judged; the first that fails takes the release back.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	Metrics []Metric `json:"metrics"`
}

// Metric is one number that is asked for again and again, and compared with a threshold.
//
// +kubebuilder:validation:XValidation:rule="has(self.query) || has(self.provider) || self.name in ['success-rate', 'latency', 'error-rate', 'request-rate']",message="a metric needs a query or a provider unless its name is one of the built-in ones: success-rate, latency, error-rate, request-rate"
// +kubebuilder:validation:XValidation:rule="!has(self.query) || !has(self.provider)",message="query is for the engine's own Prometheus; a provider has a query of its own"
// +kubebuilder:validation:XValidation:rule="!has(self.quantile) || (self.name == 'latency' && !has(self.query) && !has(self.provider))",message="quantile belongs to the built-in metric latency"
type Metric struct {
	// Name is success-rate, latency, error-rate or request-rate for a built-in metric, or any name together with a query
	// or a provider.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// Query is a PromQL expression that gives one number. {{namespace}}, {{name}}, {{revision}}, {{stableRevision}},
	// {{service}} (the canary Service, or the preview), {{stableService}} (or the active one) and {{window}} are replaced.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Query string `json:"query,omitempty"`

	// Provider is asked instead of the engine's own Prometheus.
	// +optional
	Provider *MetricProvider `json:"provider,omitempty"`

	// Quantile of the built-in latency, between 0 and 1. Default 0.99.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^0[.][0-9]*[1-9][0-9]*$')",message="quantile must be a number between 0 and 1, without them, in quotes, for example \"0.99\""
	Quantile string `json:"quantile,omitempty"`

	// Threshold is the range in which the metric is good.
	// +required
	Threshold Threshold `json:"threshold"`

	// Interval between two measurements. Default 10s, at least 1s.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$') && duration(self) >= duration('1s')",message="interval must be a time of at least 1s with a unit, for example 10s or 1m30s"
	// +kubebuilder:validation:Type=string
	Interval *metav1.Duration `json:"interval,omitempty"`

	// Window is how far back a built-in metric looks, and what {{window}} stands for. At least two scrapes must fit
	// into it. Default 1m.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}(ms|s|m|h))+$') && duration(self) >= duration('1s')",message="window must be a time of at least 1s in whole units, as in PromQL, for example 90s or 5m"
	// +kubebuilder:validation:Type=string
	Window *metav1.Duration `json:"window,omitempty"`

	// FailureLimit is how many measurements may miss the threshold before the release is taken back. Default 0: the
	// first one does.
	// +optional
	// +kubebuilder:validation:Minimum=0
	FailureLimit int32 `json:"failureLimit,omitempty"`
}

// Threshold is the range in which a metric is good, bounds included.
//
// +kubebuilder:validation:XValidation:rule="has(self.min) || has(self.max)",message="threshold needs min, max or both"
type Threshold struct {
	// Min is the lowest good value: a number (0.99), a percentage (99%) or a duration (250ms, compared in seconds).
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^-?[0-9]+([.][0-9]+)?(e-?[0-9]+)?(%|us|ms|s|m|h)?$')",message="threshold.min must be a number, a percentage or a duration in quotes, for example \"0.99\", \"99%\" or \"250ms\""
	Min string `json:"min,omitempty"`
	// Max is the highest good value, written like min.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^-?[0-9]+([.][0-9]+)?(e-?[0-9]+)?(%|us|ms|s|m|h)?$')",message="threshold.max must be a number, a percentage or a duration in quotes, for example \"0.99\", \"99%\" or \"250ms\""
	Max string `json:"max,omitempty"`
}
