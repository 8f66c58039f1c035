package analysis

import (
	"maps"
	"math"
)

// baselineOf is the value of stable to compare a series with: the only one there is, or that of the same labels. A judgement
// with a verdict says why there is none.
func baselineOf(stable Sample, s Series) (float64, Judgement) {
	found := stable.Series
	if len(found) > 1 {
		found = nil
		for _, other := range stable.Series {
			if maps.Equal(other.Labels, s.Labels) {
				found = append(found, other)
			}
		}
	}
	switch {
	case len(found) == 0:
		return 0, Judgement{Verdict: NoData, Message: "the query gave no value for stable, so there is nothing to compare with"}
	case math.IsNaN(found[0].Value):
		return 0, Judgement{Verdict: NoData, Message: "the query gave NaN, not a number, for stable, so there is nothing to compare with"}
	case math.IsInf(found[0].Value, 0):
		return 0, Judgement{Verdict: Error, Message: "the query gave an infinite value for stable, with which nothing can be compared"}
	}
	return found[0].Value, Judgement{}
}

// judgeRelative compares with stable. Two zeros are the same: a revision without errors is as good as a stable without errors.
func (m Metric) judgeRelative(value, stable float64) Judgement {
	if math.IsNaN(value) {
		return Judgement{Verdict: NoData, Message: "the query gave NaN, not a number"}
	}
	relative := value - stable
	if m.Baseline.By == Ratio {
		relative = value / stable
		if value == 0 && stable == 0 {
			relative = 1
		}
	}
	if m.Baseline.By == Ratio && stable < 0 {
		return Judgement{Verdict: Error, Message: "stable's value is negative, so a ratio to it means nothing; compare by Difference"}
	}
	text := m.Threshold.Format(relative)
	values := m.bare(value) + " against stable's " + m.bare(stable)
	j := Judgement{Verdict: verdictOf(!math.IsInf(relative, 0) && m.Threshold.contains(relative)), Value: relative, Text: text}
	if j.Verdict == Fail {
		j.Message = "was " + text + " (" + values + "), wanted " + m.Wanted()
	}
	return j
}

// bare writes one of two values that are compared. Of a ratio the threshold's unit says nothing about them.
func (m Metric) bare(value float64) string {
	if m.Baseline.By == Ratio {
		return plain(value, 3)
	}
	return Threshold{Unit: m.Threshold.Unit}.Format(value)
}
