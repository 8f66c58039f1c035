package analysis_test

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
)

func TestJudgeKeepsTheFourVerdictsApart(t *testing.T) {
	of := analysis.Number
	series := func(pod string) analysis.Series {
		return analysis.Series{Labels: map[string]string{"pod": pod, "code": "200"}, Value: 1}
	}
	for _, c := range []struct {
		name     string
		min, max string
		sample   analysis.Sample
		err      error
		verdict  analysis.Verdict
		value    float64
		message  string
	}{
		{"within", "0.99", "", of(0.995), nil, analysis.Pass, 0.995, ""},
		{"on the lower bound", "0.99", "", of(0.99), nil, analysis.Pass, 0.99, ""},
		{"on the upper bound", "", "0.5", of(0.5), nil, analysis.Pass, 0.5, ""},
		{"on the bound but for rounding", "99%", "", of(1 - 0.01000000000001), nil, analysis.Pass, 1 - 0.01000000000001, ""},
		{"just below", "0.99", "", of(0.9899), nil, analysis.Fail, 0.9899, "was 0.9899, wanted >= 0.99"},
		{"above", "", "500ms", of(0.7341), nil, analysis.Fail, 0.7341, "was 734ms, wanted <= 500ms"},
		{"outside of two bounds", "10%", "20%", of(0.3), nil, analysis.Fail, 0.3, "was 30%, wanted >= 10% and <= 20%"},
		{"barely below zero", "0", "", of(-math.SmallestNonzeroFloat64), nil, analysis.Fail, -math.SmallestNonzeroFloat64, "was -5e-324, wanted >= 0"},
		{"negative zero", "0", "", of(math.Copysign(0, -1)), nil, analysis.Pass, math.Copysign(0, -1), ""},
		{"the largest number", "0", "", of(math.MaxFloat64), nil, analysis.Pass, math.MaxFloat64, ""},
		{"infinite without an upper bound", "0.99", "", of(math.Inf(1)), nil, analysis.Fail, math.Inf(1), "was +Inf, wanted >= 0.99"},
		{"infinitely small without a lower bound", "", "1", of(math.Inf(-1)), nil, analysis.Fail, math.Inf(-1), "was -Inf, wanted <= 1"},
		{"not a number", "0.99", "", of(math.NaN()), nil, analysis.NoData, 0, "the query gave NaN, not a number"},
		{"absent", "0", "", analysis.Sample{}, nil, analysis.NoData, 0, "the query gave no value"},
		{"several series", "0", "", analysis.Sample{Series: []analysis.Series{series("a"), series("b"), series("c")}}, nil, analysis.Error, 0,
			`the query gave 3 series, {code="200", pod="a"} and {code="200", pod="b"} among them; make it one number with sum(...), max(...) or avg(...)`},
		{"a value beside an error", "0", "", of(1), errors.New("out of order"), analysis.Error, 0, "out of order"},
	} {
		t.Run(c.name, func(t *testing.T) {
			threshold, err := analysis.ParseThreshold(c.min, c.max)
			require.NoError(t, err)
			verdict, value, message := analysis.Judge(threshold, c.sample, c.err)
			require.Equal(t, c.verdict, verdict)
			require.Equal(t, c.value, value)
			require.Equal(t, c.message, message)
		})
	}
}
