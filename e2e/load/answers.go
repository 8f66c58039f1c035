package load

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Answer is what became of one request.
type Answer struct {
	// Sent is when the request was sent.
	Sent time.Time
	// Latency is how long it took until the whole answer, or the error, was there.
	Latency time.Duration
	// Version and Pod are who answered; empty if it was not the sample application.
	Version, Pod string
	// Status is the HTTP status, 0 if there was none.
	Status int
	// Injected: the sample application was told to answer with this error.
	Injected bool
	// Err is what went wrong before the answer was complete, nil if nothing did.
	Err error
}

// Failed says whether the client did not get what the application meant to answer. Errors that the application was told
// to answer with don't count; those of anybody between it and the client do, be it a connection refused, a 503 without
// endpoints or a 404 without a route.
func (a Answer) Failed() bool {
	if a.Err != nil || a.Version == "" {
		return true
	}
	return a.Status != http.StatusOK && !a.Injected
}

// String is for example "15:04:05.123 v2 (pod shop-1): status 503 after 5ms".
func (a Answer) String() string {
	who, what := "nobody", fmt.Sprintf("status %d", a.Status)
	if a.Version != "" {
		who = fmt.Sprintf("%s (pod %s)", a.Version, a.Pod)
	}
	if a.Err != nil {
		what = a.Err.Error()
	}
	return fmt.Sprintf("%s %s: %s after %s", a.Sent.Format("15:04:05.000"), who, what, a.Latency.Round(time.Millisecond))
}

// Answers are a part of the record.
type Answers []Answer

// Where are the answers for which keep is true.
func (a Answers) Where(keep func(Answer) bool) Answers {
	var kept Answers
	for _, answer := range a {
		if keep(answer) {
			kept = append(kept, answer)
		}
	}
	return kept
}

// Since are the answers to requests sent at or after t.
func (a Answers) Since(t time.Time) Answers {
	return a.Where(func(answer Answer) bool { return !answer.Sent.Before(t) })
}

// Between are the answers to requests sent at or after from and before to.
func (a Answers) Between(from, to time.Time) Answers {
	return a.Where(func(answer Answer) bool { return !answer.Sent.Before(from) && answer.Sent.Before(to) })
}

// Of are the answers of a version, errors that it was told to answer with included.
func (a Answers) Of(version string) Answers {
	return a.Where(func(answer Answer) bool { return answer.Version == version })
}

// Failures are the answers that are not what the application meant to answer; see Answer.Failed.
func (a Answers) Failures() Answers { return a.Where(Answer.Failed) }

// Injected are the errors that the application was told to answer with.
func (a Answers) Injected() Answers {
	return a.Where(func(answer Answer) bool { return answer.Injected })
}

// Counts are the numbers of answers by version. Answers of nobody are counted under the empty version.
func (a Answers) Counts() map[string]int {
	counts := map[string]int{}
	for _, answer := range a {
		counts[answer.Version]++
	}
	return counts
}

// Share is the part of the answers, 0 to 1, that a version gave; 0 without any answer.
func (a Answers) Share(version string) float64 {
	if len(a) == 0 {
		return 0
	}
	return float64(len(a.Of(version))) / float64(len(a))
}

// First is when the earliest of these requests was sent, zero without any.
func (a Answers) First() time.Time {
	if len(a) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(a, bySent).Sent
}

// Last is when the latest of these requests was sent, zero without any.
func (a Answers) Last() time.Time {
	if len(a) == 0 {
		return time.Time{}
	}
	return slices.MaxFunc(a, bySent).Sent
}

func bySent(a, b Answer) int { return a.Sent.Compare(b.Sent) }

// String is for example "1200 answers (v1: 1080, v2: 120), 3 injected errors, 0 failed".
func (a Answers) String() string {
	counts := a.Counts()
	var parts []string
	for _, version := range slices.Sorted(maps.Keys(counts)) {
		name := version
		if name == "" {
			name = "nobody"
		}
		parts = append(parts, fmt.Sprintf("%s: %d", name, counts[version]))
	}
	return fmt.Sprintf("%d answers (%s), %d injected errors, %d failed",
		len(a), strings.Join(parts, ", "), len(a.Injected()), len(a.Failures()))
}
