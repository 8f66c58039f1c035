package analysis

import "time"

// Record is what has been measured of one metric in one run.
type Record struct {
	Metric string
	// Threshold in words, for people.
	Threshold string
	// Last measurement; the zero Verdict means there is none yet.
	Verdict Verdict
	// Text is the value in the threshold's unit, for people; empty if there is none.
	Text    string
	Message string
	// At is when the last measurement was asked for, in whole microseconds.
	At time.Time
	// Passes, Failures, NoData and Errors count the measurements by verdict.
	Passes, Failures, NoData, Errors int
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
	switch m.Verdict {
	case Pass:
		r.Passes++
	case Fail:
		r.Failures++
	case NoData:
		r.NoData++
	case Error:
		r.Errors++
	default:
		return r
	}
	r.Verdict, r.Text, r.Message, r.At = m.Verdict, m.Text, m.Message, at
	return r
}
