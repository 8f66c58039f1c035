package analysis

import (
	"fmt"
	"time"
)

// Conclusion is what all measurements of a run say together.
type Conclusion struct {
	// Verdict is Pass when the release may go on and Fail when it must be taken back. Otherwise it must wait: NoData or
	// Error name what is wrong, and an empty verdict means that measurements are still to come.
	Verdict Verdict
	// Reason is a sentence without its full stop; empty for Pass.
	Reason string
}

// Conclude judges a run by the records of its metrics. A run without metrics passes.
//
// It fails as soon as one metric has failed more often than its limit allows, whatever came later. It passes only if the last
// measurement of every metric is a pass that was asked for at or after since, the time from which traffic has been as it
// is now: a pass under 5% of the traffic says nothing about 50%. Otherwise the first metric that holds it up is named.
func Conclude(records []Record, metrics []Metric, since time.Time) Conclusion {
	byName := make(map[string]Record, len(records))
	for _, r := range records {
		byName[r.Metric] = r
	}
	for _, m := range metrics {
		if r := byName[m.Name]; r.Failures > m.FailureLimit {
			return Conclusion{Fail, failed(m, r)}
		}
	}
	for _, m := range metrics {
		if c := current(m, byName[m.Name], since); c.Verdict != Pass {
			return c
		}
	}
	return Conclusion{Verdict: Pass}
}

// current is what the last measurement of a metric says that hasn't failed too often.
func current(m Metric, r Record, since time.Time) Conclusion {
	switch r.Verdict {
	case NoData:
		return Conclusion{NoData, fmt.Sprintf("%s has no data: %s", m.Name, r.Message)}
	case Error:
		return Conclusion{Error, fmt.Sprintf("%s could not be measured: %s", m.Name, r.Message)}
	case Fail:
		return Conclusion{"", fmt.Sprintf("%s %s; %s", m.Name, r.Message, count(m, r))}
	case Pass:
		if r.At.Before(since) {
			return Conclusion{"", m.Name + " has not been measured since the traffic last changed"}
		}
		return Conclusion{Verdict: Pass}
	}
	return Conclusion{"", m.Name + " has not been measured yet"}
}

// failed explains a metric that failed too often. Its last measurement need not be the failure when several were folded
// into the record at once.
func failed(m Metric, r Record) string {
	switch {
	case r.Verdict != Fail:
		return fmt.Sprintf("%s was not %s; %s", m.Name, m.Threshold.Text, count(m, r))
	case m.FailureLimit == 0 && r.Failures == 1:
		return m.Name + " " + r.Message
	}
	return fmt.Sprintf("%s %s; %s", m.Name, r.Message, count(m, r))
}

func count(m Metric, r Record) string {
	return "it failed " + times(r.Failures) + " and " + allowed(m.FailureLimit)
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

func allowed(limit int) string {
	switch limit {
	case 0:
		return "no failure is allowed"
	case 1:
		return "1 failure is allowed"
	}
	return fmt.Sprintf("%d failures are allowed", limit)
}
