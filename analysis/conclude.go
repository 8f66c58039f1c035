package analysis

import (
	"fmt"
	"math"
	"time"
)

// Conclusion is what all measurements of a run say together.
type Conclusion struct {
	// Verdict is Pass when the release may go on. Otherwise it names what is wrong, and an empty verdict means that
	// measurements are still to come.
	Verdict Verdict
	// Condemned: a limit is exceeded, so the release must be taken back. Otherwise, unless it is a Pass, it must wait.
	Condemned bool
	// Reason is a sentence without its full stop; empty for Pass.
	Reason string
}

// Conclude judges a run by the records of its metrics. A run without metrics passes.
//
// It is condemned as soon as one metric has exceeded one of its limits, whatever came later. It passes only if the last
// measurement of every metric is a pass that was asked for at or after since, the time from which traffic has been as it
// is now: a pass under 5% of the traffic says nothing about 50%. Otherwise the first metric that holds it up is named.
func Conclude(records []Record, metrics []Metric, since time.Time) Conclusion {
	byName := make(map[string]Record, len(records))
	for _, r := range records {
		byName[r.Metric] = r
	}
	for _, m := range metrics {
		if c := condemned(m, byName[m.Name]); c.Condemned && !m.DryRun {
			return c
		}
	}
	for _, m := range metrics {
		if c := current(m, byName[m.Name], since); c.Verdict != Pass && !m.DryRun {
			return c
		}
	}
	return Conclusion{Verdict: Pass}
}

// condemned says which limit a metric has exceeded, if any.
func condemned(m Metric, r Record) Conclusion {
	limits, failures := m.Limits, r.Failures
	if limits.NoData == AsFail {
		failures += r.NoData
	}
	switch {
	case limits.Failures >= 0 && failures > limits.Failures:
		return Conclusion{Fail, true, failed(m, r, failures)}
	case exceeds(r.FailureStreak, limits.ConsecutiveFailures):
		return Conclusion{Fail, true, fmt.Sprintf("%s; it failed %s in a row and %s", lately(m, r), times(r.FailureStreak),
			allowed(*limits.ConsecutiveFailures, "failure", "in a row"))}
	case exceeds(r.Inconclusive, limits.Inconclusive):
		text := m.Name
		if r.Verdict == Inconclusive {
			text += " " + r.Message + "; it"
		}
		return Conclusion{Inconclusive, true, fmt.Sprintf("%s was inconclusive %s and %s", text, times(r.Inconclusive),
			allowed(*limits.Inconclusive, "such measurement", ""))}
	case exceeds(r.ErrorStreak, limits.ConsecutiveErrors):
		text := m.Name + " could not be measured"
		if r.Verdict == Error {
			text += ": " + r.Message
		}
		return Conclusion{Error, true, fmt.Sprintf("%s; that was so %s in a row and %s", text, times(r.ErrorStreak),
			allowed(*limits.ConsecutiveErrors, "error", "in a row"))}
	}
	return Conclusion{}
}

func exceeds(count int, limit *int) bool { return limit != nil && count > *limit }

// current is what the last measurement of a metric says that isn't condemned.
func current(m Metric, r Record, since time.Time) Conclusion {
	switch {
	case r.Verdict == NoData && m.Limits.NoData != AsPass:
		return Conclusion{Verdict: NoData, Reason: fmt.Sprintf("%s has no data: %s", m.Name, r.Message)}
	case r.Verdict == Error:
		return Conclusion{Verdict: Error, Reason: fmt.Sprintf("%s could not be measured: %s", m.Name, r.Message)}
	case r.Verdict == Inconclusive:
		return Conclusion{Verdict: Inconclusive, Reason: m.Name + " " + r.Message}
	case r.Verdict == Fail:
		return Conclusion{Reason: fmt.Sprintf("%s %s; %s", m.Name, r.Message, count(m, r.Failures))}
	case r.Verdict == "":
		return Conclusion{Reason: m.Name + " has not been measured yet"}
	case r.At.Before(since):
		return Conclusion{Reason: m.Name + " has not been measured since the traffic last changed"}
	case m.Count > 1 && r.Verdict == Pass && r.Judged < m.Count:
		return Conclusion{Reason: fmt.Sprintf("%s was judged %s since the traffic last changed, of %s", m.Name, times(r.Judged), times(m.Count))}
	}
	return Conclusion{Verdict: Pass}
}

// failed explains a metric that failed too often.
func failed(m Metric, r Record, failures int) string {
	if r.Verdict == Fail && failures == 1 && m.Limits.Failures == 0 {
		return m.Name + " " + r.Message
	}
	return lately(m, r) + "; " + count(m, failures)
}

// lately is how a metric missed. Its last measurement need not be the failure when several were folded into the record at
// once.
func lately(m Metric, r Record) string {
	switch r.Verdict {
	case Fail:
		return m.Name + " " + r.Message
	case NoData:
		return m.Name + " has no data: " + r.Message
	default:
		return m.Name + " was not " + m.Wanted()
	}
}

func count(m Metric, failures int) string {
	text := "it failed " + times(failures)
	if m.Limits.Failures < 0 {
		return text
	}
	return text + " and " + allowed(m.Limits.Failures, "failure", "")
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// allowed says how many of something are, in a sentence.
func allowed(limit int, what, how string) string {
	text, verb := fmt.Sprintf("%d %ss", limit, what), " are allowed"
	switch limit {
	case 0:
		text, verb = "no "+what, " is allowed"
	case 1:
		text, verb = "1 "+what, " is allowed"
	}
	if how != "" {
		text += " " + how
	}
	return text + verb
}

// whole is a number of requests for people. What is no number is none.
func whole(requests float64) int64 {
	if !(requests > 0) {
		return 0
	}
	return int64(math.Min(requests, 1<<53))
}
