package analysis

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

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
	case len(s.Series) == 0:
		return NoData, 0, "the query gave no value"
	case len(s.Series) > 1:
		return Error, 0, several(s.Series)
	}
	switch value := s.Series[0].Value; {
	case math.IsNaN(value):
		return NoData, 0, "the query gave NaN, not a number"
	case math.IsInf(value, 0) || !t.contains(value):
		return Fail, value, "was " + t.Format(value) + ", wanted " + t.Text
	default:
		return Pass, value, ""
	}
}

// several says how to choose one of them: whichever came first or last would be luck.
func several(all []Series) string {
	return fmt.Sprintf("the query gave %d series, %s and %s among them; make it one number with sum(...), max(...) or avg(...)",
		len(all), all[0].name(), all[1].name())
}

// name writes the labels as PromQL does.
func (s Series) name() string {
	var labels []string
	for _, label := range slices.Sorted(maps.Keys(s.Labels)) {
		labels = append(labels, fmt.Sprintf("%s=%q", label, s.Labels[label]))
	}
	return "{" + strings.Join(labels, ", ") + "}"
}
