// Package analysis says what a metric means for a release: how a value becomes a verdict, and what the verdicts of all
// measurements together say. It knows neither clocks nor networks.
package analysis

import "time"

// Verdict is what one measurement says of a revision. The four are kept apart everywhere: only a pass lets a release go
// on, only a fail takes it back.
type Verdict string

// The verdicts.
const (
	// Pass: the value is within the threshold.
	Pass Verdict = "pass"
	// Fail: the value is outside the threshold.
	Fail Verdict = "fail"
	// NoData: the source answered that there is nothing to judge: no series, or not a number.
	NoData Verdict = "no data"
	// Error: the source could not be asked, or answered something that is not one number.
	Error Verdict = "error"
)

// Measurement is one answer of a source, judged.
type Measurement struct {
	// Run, Step and Metric say what was measured for which release, and where it was within its plan then, counting from 0.
	Run    int64
	Step   int
	Metric string
	// At is when the question was asked, so that an answer is never taken for newer than it is.
	At time.Time
	// Value is meaningful for Pass and Fail only.
	Value   float64
	Verdict Verdict
	// Text is the value in the threshold's unit, for people; empty for NoData and Error.
	Text string
	// Message says what was wrong, for NoData and Error, or how the value missed the threshold, for Fail.
	Message string
}
