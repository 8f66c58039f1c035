package analysis

import (
	"context"
	"errors"
	"time"
)

// ErrPending is what the Query of a source wraps whose answer takes longer than a query may, such as a Job's. It is no
// verdict: the same Query, with the same ID, is to be made again later.
var ErrPending = errors.New("the answer isn't there yet")

// Source answers queries. Every implementation passes sourcetest.Run.
type Source interface {
	// Query asks once. An answer that holds nothing is a Sample that is empty; an error is only for what prevented an
	// answer. It ends when ctx does.
	Query(ctx context.Context, q Query) (Sample, error)
}

// Query is what a source is asked. Equal queries to the same source have the same answer.
type Query struct {
	// Text is the expression in the source's own language, all variables replaced. Empty when Counts are wanted, and for a
	// source that is made for one question only, such as a Job.
	Text string
	// Window is how far back the answer looks, for sources whose language doesn't say so itself.
	Window time.Duration
	// At is the end of the window; zero stands for the source's present time.
	At time.Time
	// Counts asks for raw counts instead of values; the zero CountsQuery asks for values.
	Counts CountsQuery
	// ID names a measurement: it stays the same when the measurement is tried again, by another process too. Sources that
	// start something, such as a Job, start it once for each.
	ID string
}

// CountsQuery asks for counts by as many expressions in the source's language. Each gives one number for every series that
// is told apart, namely its increase within the window.
type CountsQuery struct {
	// Requests counts all of them, Bad the bad ones among them. Both are needed together, or neither.
	Requests, Bad string
	// Buckets counts the requests up to each bound of a histogram, as the label le says. Optional.
	Buckets string
	// Revision is the label that tells revisions apart; empty if the expressions are about a single one.
	Revision string
	// Batches is how many windows are asked about, each ending where the next begins, the last at Query.At. 0 stands for 1.
	Batches int
}

// Wanted says whether counts are asked for at all.
func (c CountsQuery) Wanted() bool { return c != CountsQuery{} }

// Sample is what a source knows. Which of its parts are there depends on the query and on the source; the zero Sample is the
// knowledge that there is nothing.
type Sample struct {
	// Series are the values, NaN and infinities included, in an order that the source keeps from one answer to the next.
	Series []Series
	// Counts are the raw counts, by time and then by revision and labels.
	Counts []Counts
	// Document is a decoded JSON document (map[string]any, []any, string, float64, bool, nil) of a source that gives one.
	Document any
}

// Series is one value among several.
type Series struct {
	// Labels tell it from the others. A plain number has none.
	Labels map[string]string
	Value  float64
}

// Counts are the requests of one series within one batch. Batches of one series don't overlap, so their sums are meaningful.
type Counts struct {
	// Revision is the one that served the requests, empty where the query tells none apart.
	Revision string
	// Labels are the other labels.
	Labels map[string]string
	// From and To bound the batch; To is not within it.
	From, To time.Time
	// Requests are all of them, Bad those that went wrong. They needn't be whole: some sources extrapolate.
	Requests, Bad float64
	// Buckets are the histogram of the requests, if one was asked for, by ascending bound.
	Buckets []Bucket
}

// Bucket counts the requests up to a bound, those in lower buckets included, as Prometheus' label le does.
type Bucket struct {
	// UpperBound is included; the last is usually infinite.
	UpperBound float64
	Count      float64
}

// Number is the Sample of a plain number.
func Number(value float64) Sample { return Sample{Series: []Series{{Value: value}}} }
