package analysis

import "time"

// Metric is what is asked for repeatedly, as resolved from the user's spec, and how an answer becomes a verdict.
type Metric struct {
	Name string
	// Source is asked; nil stands for the engine's own.
	Source Source
	// Query is what the source is asked, all variables replaced but {{window}}, which depends on when it is asked.
	Query string
	// Window is how far back the query looks, unless the release is younger.
	Window time.Duration
	// Baseline compares with stable instead of judging the value by itself; nil for no comparison.
	Baseline *Baseline
	// Requests counts the requests behind the value, in the source's language; empty if nobody counts them. With fewer than
	// MinRequests a value says nothing yet, be it good or bad.
	Requests    string
	MinRequests float64

	// Threshold is the range in which the metric is good, unless there are conditions.
	Threshold Threshold
	// Success has to hold for a pass, and Failure must not; nil for none. With both, an answer of which neither holds is
	// inconclusive.
	Success, Failure Condition
	// Choice says what several series mean.
	Choice Choice

	// Interval between the starts of two measurements, and InitialDelay before the first.
	Interval, InitialDelay time.Duration
	// Count is how many values have to be judged under the present traffic before a pass counts; 0 stands for 1.
	Count int
	// Limits say when the metric has failed for good.
	Limits Limits
	// DryRun: it is measured and shown, and decides nothing.
	DryRun bool

	// Gate: the source says pass, fail or wait itself (see Permit), and is not asked again once it has said pass or fail,
	// unless Repeated. Timeout bounds one question; 0 stands for as long as any.
	Gate, Repeated bool
	Timeout        time.Duration
}

// Limits say how often a metric may miss before the release is taken back. A nil limit is none: then the release waits.
type Limits struct {
	// Failures is how many measurements may fail in all; negative for any number. The zero value is the strictest.
	Failures int
	// ConsecutiveFailures is how many may fail in a row.
	ConsecutiveFailures *int
	// Inconclusive is how many measurements may be inconclusive in all.
	Inconclusive *int
	// ConsecutiveErrors is how many measurements in a row may be errors.
	ConsecutiveErrors *int
	// NoData says what a measurement without data counts as.
	NoData NoDataPolicy
}

// NoDataPolicy says what a measurement without data counts as.
type NoDataPolicy string

// The policies.
const (
	// Wait: as nothing. The release neither goes on nor is it taken back.
	Wait NoDataPolicy = ""
	// AsFail: as a failure, within the limits of failures.
	AsFail NoDataPolicy = "fail"
	// AsPass: as a pass. A revision without any traffic gets through then.
	AsPass NoDataPolicy = "pass"
)

// Baseline is the same question about the stable revision.
type Baseline struct {
	// Source and Query as in Metric; a nil Source is that of the metric.
	Source Source
	Query  string
	// By says what is judged of the two values.
	By Comparison
}

// Comparison makes one value of that of the revision under test and that of stable.
type Comparison string

// The comparisons.
const (
	// Ratio is the value divided by stable's. It is 1 where both are zero.
	Ratio Comparison = "ratio"
	// Difference is the value less stable's.
	Difference Comparison = "difference"
)

// Choice says what several series mean. None of them is ever taken by luck.
type Choice string

// The choices.
const (
	// Single: several series are an error.
	Single Choice = ""
	// All: every series has to be good.
	All Choice = "all"
	// Any: one good series is enough.
	Any Choice = "any"
	// List: a condition sees the values of all series as one list.
	List Choice = "list"
)

// Condition is an expression of the user's about an answer.
type Condition interface {
	// Holds evaluates it. An error says why the expression makes no sense of the answer, and names neither of them.
	Holds(a Answer) (bool, error)
	// Heeds says whether the expression deals with an oddity itself. Otherwise it isn't asked about one: a comparison with
	// NaN is false, and its negation would pass.
	Heeds(o Oddity) bool
	// String is the expression.
	String() string
}

// Answer is what a condition sees.
type Answer struct {
	// Result is a float64, with Choice List a []float64, a decoded JSON document, or nil for none of them.
	Result any
	// Labels of the series.
	Labels map[string]string
	// Baseline is the value of stable, nil if none is asked for.
	Baseline any
}

// Oddity is a kind of answer that no comparison may take for good.
type Oddity int

// The oddities.
const (
	// NotANumber is NaN, Infinite one of the infinities, Nothing the lack of a value.
	NotANumber Oddity = iota + 1
	Infinite
	Nothing
)

// Wanted says in words what makes a value good.
func (m Metric) Wanted() string {
	text := m.Threshold.Text
	switch {
	case m.Success != nil && m.Failure != nil:
		text = m.Success.String() + ", not " + m.Failure.String()
	case m.Success != nil:
		text = m.Success.String()
	case m.Failure != nil:
		text = "not " + m.Failure.String()
	}
	if m.Baseline == nil || m.Success != nil || m.Failure != nil {
		return text
	}
	if m.Baseline.By == Ratio {
		return text + " of stable's"
	}
	return text + " above stable's"
}
