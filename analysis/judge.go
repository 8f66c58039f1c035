package analysis

import "math"

// Judge says what an answer of a source means, err being what its Query returned. The message is empty for Pass. For
// Fail it goes on after the metric's name ("was 0.91, wanted >= 0.99"), for NoData and Error it stands alone. The value is zero
// unless the verdict is Pass or Fail.
//
// NaN is no data: it is what a ratio is while there are no requests. An infinity is an answer and lies outside every
// range, also one without a bound on that side: errors per request are infinite when there were errors and no requests,
// and no threshold was written to let that pass.
func Judge(t Threshold, s Sample, err error) (Verdict, float64, string) {
	switch {
	case err != nil:
		return Error, 0, err.Error()
	case !s.Present:
		return NoData, 0, "the query gave no value"
	case math.IsNaN(s.Value):
		return NoData, 0, "the query gave NaN, not a number"
	case math.IsInf(s.Value, 0) || !t.contains(s.Value):
		return Fail, s.Value, "was " + t.Format(s.Value) + ", wanted " + t.Text
	}
	return Pass, s.Value, ""
}
