// Package analysis says what a metric means for a release: how a value becomes a verdict, and what the verdicts of all
// measurements together say. It knows neither clocks nor networks.
package analysis

import "time"

// Verdict is what one measurement says of a revision. The five are kept apart everywhere: only a pass lets a release go
// on, and without a limit of the user's only a fail takes it back.
type Verdict string

// The verdicts.
const (
	// Pass: the answer is good.
	Pass Verdict = "pass"
	// Fail: the answer is bad.
	Fail Verdict = "fail"
	// Inconclusive: the answer is neither good nor bad, or too little to tell.
	Inconclusive Verdict = "inconclusive"
	// NoData: the source answered that there is nothing to judge: no series, or not a number.
	NoData Verdict = "no data"
	// Error: the source could not be asked, or its answer can't be judged.
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
	Judgement
}

// Judgement is what an answer of a source means.
type Judgement struct {
	Verdict Verdict
	// Value that was judged; meaningful only where Text isn't empty.
	Value float64
	// Text is the value in the threshold's unit, for people; empty if there is none.
	Text string
	// Message says what was wrong: how the value missed ("was 0.91, wanted >= 0.99"), or for NoData and Error a sentence that
	// stands alone. Empty for Pass.
	Message string
	// Requests is how many requests the value is about; zero if nobody counted them.
	Requests float64
}
