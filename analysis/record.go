package analysis

import (
	"slices"
	"time"
)

// Kept is how many measurements a record keeps.
const Kept = 10

// Record is what has been measured of one metric in one run.
type Record struct {
	Metric string
	// Threshold in words, for people.
	Threshold string
	// DryRun as in Metric.
	DryRun bool
	// Last measurement; the zero Verdict means there is none yet.
	Verdict Verdict
	// Text is the value in the threshold's unit, for people; empty if there is none.
	Text    string
	Message string
	// Requests is how many requests the last measurement was about, rounded down; zero if nobody counted them.
	Requests int64
	// At is when the last measurement was asked for, in whole microseconds.
	At time.Time
	// Passes, Failures, Inconclusive, NoData and Errors count the measurements by verdict.
	Passes, Failures, Inconclusive, NoData, Errors int
	// Streak is how many measurements in a row had the last verdict. FailureStreak and ErrorStreak are the longest of theirs.
	Streak, FailureStreak, ErrorStreak int
	// Judged is how many values were judged at or after JudgedSince, if that matters.
	Judged      int
	JudgedSince time.Time
	// Recent are the last measurements, at most Kept, oldest first.
	Recent []Point
}

// Point is a measurement that is remembered for people.
type Point struct {
	At      time.Time
	Verdict Verdict
	Text    string
}

// Under begins to count judged values anew if the traffic is another one since then.
func (r Record) Under(since time.Time) Record {
	if since = since.Truncate(time.Microsecond); !since.Equal(r.JudgedSince) {
		r.Judged, r.JudgedSince = 0, since
	}
	return r
}

// Add folds a measurement of the same run and metric into the record. One that isn't newer than the last is ignored, so
// that a measurement that is delivered twice counts once.
//
// Times are compared in microseconds, which is what survives in the API: a record that was read back would else be older
// than the very measurement it was made of, and a single failure would count as two.
func (r Record) Add(m Measurement) Record {
	at := m.At.Truncate(time.Microsecond)
	if r.Verdict != "" && !at.After(r.At) {
		return r
	}
	counted := r.counter(m.Verdict)
	if counted == nil {
		return r
	}
	*counted++
	if r.Verdict != m.Verdict {
		r.Streak = 0
	}
	r.Streak++
	if m.Verdict == Fail {
		r.FailureStreak = max(r.FailureStreak, r.Streak)
	}
	if m.Verdict == Error {
		r.ErrorStreak = max(r.ErrorStreak, r.Streak)
	}
	if (m.Verdict == Pass || m.Verdict == Fail) && !r.JudgedSince.IsZero() && !at.Before(r.JudgedSince) {
		r.Judged++
	}
	r.Verdict, r.Text, r.Message, r.At, r.Requests = m.Verdict, m.Text, m.Message, at, whole(m.Requests)
	r.Recent = append(slices.Clone(r.Recent[max(len(r.Recent)-Kept+1, 0):]), Point{At: at, Verdict: m.Verdict, Text: m.Text})
	return r
}

// counter is where measurements with a verdict are counted, nil for one without.
func (r *Record) counter(v Verdict) *int {
	switch v {
	case Pass:
		return &r.Passes
	case Fail:
		return &r.Failures
	case Inconclusive:
		return &r.Inconclusive
	case NoData:
		return &r.NoData
	case Error:
		return &r.Errors
	}
	return nil
}
