package view

import (
	"math"
	"strings"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// sparkline draws the last values of a metric, oldest first, from the lowest to the highest of them. What gave no value is · for
// no data, ! for an error and ? for what is inconclusive.
func sparkline(measurements []v1alpha1.MeasurementStatus) string {
	values := make([]float64, len(measurements))
	low, high := math.Inf(1), math.Inf(-1)
	for i, m := range measurements {
		values[i] = number(m.Value)
		if !math.IsNaN(values[i]) {
			low, high = min(low, values[i]), max(high, values[i])
		}
	}
	var line strings.Builder
	for i, m := range measurements {
		line.WriteString(bar(values[i], low, high, m.Verdict))
	}
	return line.String()
}

// bar is the sign of one measurement.
func bar(value, low, high float64, verdict string) string {
	levels := []rune("▁▂▃▄▅▆▇█")
	switch {
	case math.IsNaN(value) && verdict == noData:
		return "·"
	case math.IsNaN(value) && verdict == failed:
		return "!"
	case math.IsNaN(value):
		return "?"
	case low == high:
		return string(levels[len(levels)/2])
	}
	return string(levels[int((value-low)/(high-low)*float64(len(levels)-1)+0.5)])
}

// number reads a value as the status writes it: 0.93, 99.5% or 734ms. What is none of them is NaN.
func number(text string) float64 {
	bound, err := analysis.ParseThreshold(text, "")
	if err != nil || bound.Min == nil {
		return math.NaN()
	}
	return *bound.Min
}
