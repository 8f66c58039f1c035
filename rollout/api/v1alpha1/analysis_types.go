package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Analysis says what a revision must pass: metrics of its own, those of templates, or both.
//
// +kubebuilder:validation:XValidation:rule="has(self.metrics) || has(self.templates)",message="an analysis needs metrics, templates or both"
type Analysis struct {
	// Metrics are all judged; the first that fails takes the release back.
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	Metrics []Metric `json:"metrics,omitempty"`

	// Templates name AnalysisTemplates, whose metrics are judged as well.
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Templates []TemplateReference `json:"templates,omitempty"`

	// Args are the values that {{args.NAME}} stands for in the metrics.
	// +optional
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	Args []Argument `json:"args,omitempty"`

	// Overrides change fields of the templates' metrics, by the name of the metric.
	// +optional
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	Overrides []MetricOverride `json:"overrides,omitempty"`
}

// BackgroundAnalysis goes on through all steps of a release.
type BackgroundAnalysis struct {
	Analysis `json:",inline"`

	// StartingStep is the step with which it begins, counting from 0. Default 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	StartingStep int32 `json:"startingStep,omitempty"`
}

// Bake is the time in which a revision has all traffic and can still be taken back.
//
// +kubebuilder:validation:XValidation:rule="has(self.duration) || has(self.analysis)",message="bake needs a duration, an analysis or both"
type Bake struct {
	// Duration of it, at least.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$')",message="bake.duration must be a time with a unit, for example 10m or 1h30m"
	// +kubebuilder:validation:Type=string
	Duration *metav1.Duration `json:"duration,omitempty"`

	// Analysis has to pass before the revision becomes stable, in addition to the one in the background, and takes it back
	// if it fails.
	// +optional
	Analysis *Analysis `json:"analysis,omitempty"`
}

// Metric is one number that is asked for again and again, and judged by a threshold or by conditions.
//
// +kubebuilder:validation:XValidation:rule="has(self.query) || has(self.provider) || self.name in ['success-rate', 'latency', 'error-rate', 'request-rate']",message="a metric needs a query or a provider unless its name is one of the built-in ones: success-rate, latency, error-rate, request-rate"
// +kubebuilder:validation:XValidation:rule="!has(self.query) || !has(self.provider)",message="query is for the engine's own Prometheus; a provider has a query of its own"
// +kubebuilder:validation:XValidation:rule="!has(self.quantile) || (self.name == 'latency' && !has(self.query) && !has(self.provider))",message="quantile belongs to the built-in metric latency"
// +kubebuilder:validation:XValidation:rule="has(self.threshold) != (has(self.successCondition) || has(self.failureCondition))",message="a metric is judged in one way: give it a threshold, or else successCondition, failureCondition or both"
// +kubebuilder:validation:XValidation:rule="!has(self.minRequests) || has(self.requestsQuery) || !(has(self.query) || has(self.provider))",message="minRequests needs requestsQuery unless the metric is built in"
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
	// +optional
	Threshold *Threshold `json:"threshold,omitempty"`

	// SuccessCondition is an expression in CEL that has to be true for a pass, for example result >= 0.99. It sees result: a
	// number, with series List a list of numbers, or a document; labels of the series; and stable, the value of the stable
	// revision, with baseline. Besides CEL's own functions there are isNaN(x), isInf(x) and default(x, otherwise).
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	SuccessCondition string `json:"successCondition,omitempty"`

	// FailureCondition is an expression in CEL that makes a measurement fail if it is true. If neither it nor
	// successCondition is true the measurement is inconclusive.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	FailureCondition string `json:"failureCondition,omitempty"`

	// Series says what several series mean: Single, that there is a mistake; All, that each of them has to be good; Any, that
	// one of them has to; List, that the conditions see them as one list. Default Single.
	// +optional
	// +kubebuilder:validation:Enum=Single;All;Any;List
	Series string `json:"series,omitempty"`

	// Baseline compares the metric with that of the stable revision: threshold is about how the two values relate.
	// +optional
	Baseline *Baseline `json:"baseline,omitempty"`

	// RequestsQuery counts the requests that the metric is about, within the window.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	RequestsQuery string `json:"requestsQuery,omitempty"`

	// MinRequests is how many there have to be for the metric to say anything; with fewer a measurement is inconclusive.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MinRequests int32 `json:"minRequests,omitempty"`

	// Interval between two measurements. Default 10s, at least 1s.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$') && duration(self) >= duration('1s')",message="interval must be a time of at least 1s with a unit, for example 10s or 1m30s"
	// +kubebuilder:validation:Type=string
	Interval *metav1.Duration `json:"interval,omitempty"`

	// Window is how far back a built-in metric looks, and what {{window}} stands for. At least two scrapes must fit
	// into it. Default 1m.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}(ms|s|m|h))+$') && duration(self) >= duration('1s')",message="window must be a time of at least 1s in whole units, as in PromQL, for example 90s or 5m"
	// +kubebuilder:validation:Type=string
	Window *metav1.Duration `json:"window,omitempty"`

	MetricLimits `json:",inline"`
}

// MetricLimits say how often a metric is measured, and how often it may miss.
type MetricLimits struct {
	// InitialDelay before the first measurement. Default 0s.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$')",message="initialDelay must be a time with a unit, for example 30s or 2m"
	// +kubebuilder:validation:Type=string
	InitialDelay *metav1.Duration `json:"initialDelay,omitempty"`

	// Count is how many values have to be judged, under the traffic as it is, before a pass counts. Default 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Count int32 `json:"count,omitempty"`

	// FailureLimit is how many measurements may fail before the release is taken back; -1 for any number. Default 0: the
	// first failure does, unless there is a consecutiveFailureLimit.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	FailureLimit *int32 `json:"failureLimit,omitempty"`

	// ConsecutiveFailureLimit is how many measurements in a row may fail before the release is taken back. Default: any number.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ConsecutiveFailureLimit *int32 `json:"consecutiveFailureLimit,omitempty"`

	// InconclusiveLimit is how many measurements may be inconclusive before the release is taken back. Default: any number;
	// the release waits meanwhile.
	// +optional
	// +kubebuilder:validation:Minimum=0
	InconclusiveLimit *int32 `json:"inconclusiveLimit,omitempty"`

	// ConsecutiveErrorLimit is how many measurements in a row may be errors before the release is taken back. Default: any
	// number; the release waits meanwhile, since an outage of the metric source says nothing about the revision.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ConsecutiveErrorLimit *int32 `json:"consecutiveErrorLimit,omitempty"`

	// NoData says what a measurement without data is: Wait, nothing, so that the release waits; Fail, a failure within
	// failureLimit; Pass, a pass. Default Wait.
	// +optional
	// +kubebuilder:validation:Enum=Wait;Fail;Pass
	NoData string `json:"noData,omitempty"`

	// DryRun: the metric is measured and shown, and decides nothing.
	// +optional
	DryRun *bool `json:"dryRun,omitempty"`
}

// MetricOverride changes fields of a template's metric. What isn't given stays as the template says.
type MetricOverride struct {
	// Name of the metric.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// Threshold instead of the template's.
	// +optional
	Threshold *Threshold `json:"threshold,omitempty"`

	// Interval between two measurements, at least 1s.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$') && duration(self) >= duration('1s')",message="interval must be a time of at least 1s with a unit, for example 10s or 1m30s"
	// +kubebuilder:validation:Type=string
	Interval *metav1.Duration `json:"interval,omitempty"`

	MetricLimits `json:",inline"`
}

// Baseline says how a metric of the revision under test is compared with that of the stable one.
type Baseline struct {
	// By is what the threshold is about: Ratio, the value divided by stable's, or Difference, the value less stable's. With
	// conditions it is not used.
	// +optional
	// +kubebuilder:validation:Enum=Ratio;Difference
	By string `json:"by,omitempty"`

	// Query about the stable revision. Default: that of the metric, with {{service}} and {{revision}} those of stable.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Query string `json:"query,omitempty"`
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
