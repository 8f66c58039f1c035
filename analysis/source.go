package analysis

import (
	"context"
	"time"
)

// Source answers queries. Every implementation passes sourcetest.Run.
type Source interface {
	// Query asks for the value of a query now. An answer without a series, or one that is NaN, is a Sample that is not
	// Present; an error is only for what prevented an answer, including one of several series. It ends when ctx does.
	Query(ctx context.Context, query string) (Sample, error)
}

// Sample is one number, or the knowledge that there is none.
type Sample struct {
	Value   float64
	Present bool
}

// Metric is one number that is asked for repeatedly, as resolved from the user's spec.
type Metric struct {
	Name string
	// Query is what the source is asked, all variables replaced but {{window}}, which depends on when it is asked.
	Query string
	// Window is how far back the query looks, unless the release is younger.
	Window time.Duration
	// Threshold is the range in which the metric is good.
	Threshold Threshold
	// Interval between the starts of two measurements.
	Interval time.Duration
	// FailureLimit is how many measurements may fail before the metric does.
	FailureLimit int
}
