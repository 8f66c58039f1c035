package analysis_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
)

func TestAThresholdKeepsPassFailNoDataAndErrorApart(t *testing.T) {
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
			`the query gave 3 series, {code="200", pod="a"} and {code="200", pod="b"} among them; make it one number with sum(...), max(...) or avg(...), or say with series: All, Any or List what they mean together`},
		{"a value beside an error", "0", "", of(1), errors.New("out of order"), analysis.Error, 0, "out of order"},
	} {
		t.Run(c.name, func(t *testing.T) {
			threshold, err := analysis.ParseThreshold(c.min, c.max)
			require.NoError(t, err)
			got := judge(threshold, c.sample, c.err)
			require.Equal(t, c.verdict, got.Verdict)
			require.Equal(t, c.value, got.Value)
			require.Equal(t, c.message, got.Message)
			require.Equal(t, c.verdict == analysis.Pass || c.verdict == analysis.Fail, got.Text != "")
		})
	}
}

// judge is about a metric with nothing but a threshold.
func judge(t analysis.Threshold, s analysis.Sample, err error) analysis.Judgement {
	return analysis.Judge(analysis.Metric{Threshold: t}, analysis.Evidence{Sample: s, Err: err})
}

// condition is written in Go, for tests.
type condition struct {
	holds func(analysis.Answer) (bool, error)
	heeds []analysis.Oddity
	text  string
}

func (c condition) Holds(a analysis.Answer) (bool, error) { return c.holds(a) }
func (c condition) Heeds(o analysis.Oddity) bool          { return slices.Contains(c.heeds, o) }
func (c condition) String() string                        { return c.text }

// above is result > bound. heeds are the oddities that it is ready for.
func above(bound float64, heeds ...analysis.Oddity) condition {
	return condition{text: fmt.Sprintf("result > %v", bound), heeds: heeds, holds: func(a analysis.Answer) (bool, error) {
		switch v := a.Result.(type) {
		case float64:
			return v > bound, nil
		case []float64:
			return !slices.ContainsFunc(v, func(x float64) bool { return !(x > bound) }), nil
		case map[string]any:
			number, ok := v["rate"].(float64)
			if !ok {
				return false, errors.New("no such key: rate")
			}
			return number > bound, nil
		}
		return false, nil
	}}
}

func TestConditionsKeepTheFiveVerdictsApart(t *testing.T) {
	number := analysis.Number
	both := analysis.Metric{Success: above(0.99), Failure: condition{text: "result < 0.95",
		holds: func(a analysis.Answer) (bool, error) { return a.Result.(float64) < 0.95, nil }}}
	onlyFailure := analysis.Metric{Failure: above(0.05)}
	lenient := analysis.Metric{Failure: above(0.05, analysis.NotANumber, analysis.Infinite, analysis.Nothing)}
	list := analysis.Metric{Success: above(0.99), Choice: analysis.List}
	vector := func(values ...float64) analysis.Sample {
		var s analysis.Sample
		for i, v := range values {
			s.Series = append(s.Series, analysis.Series{Labels: map[string]string{"pod": fmt.Sprint(i)}, Value: v})
		}
		return s
	}
	all, some := both, both
	all.Choice, some.Choice = analysis.All, analysis.Any
	for _, c := range []struct {
		name    string
		metric  analysis.Metric
		sample  analysis.Sample
		verdict analysis.Verdict
		message string
	}{
		{"success holds", both, number(0.995), analysis.Pass, ""},
		{"failure holds", both, number(0.9), analysis.Fail, "was 0.9, wanted result > 0.99, not result < 0.95"},
		{"neither holds", both, number(0.97), analysis.Inconclusive, "was 0.97, wanted result > 0.99, not result < 0.95"},
		{"NaN", both, number(math.NaN()), analysis.NoData, "the query gave NaN, not a number"},
		{"an infinity", both, number(math.Inf(1)), analysis.Fail, "was +Inf, wanted result > 0.99, not result < 0.95"},
		{"nothing", both, analysis.Sample{}, analysis.NoData, "the query gave no value"},
		{"only a failure, and it doesn't hold", onlyFailure, number(0.01), analysis.Pass, ""},
		{"only a failure, and it holds", onlyFailure, number(0.1), analysis.Fail, "was 0.1, wanted not result > 0.05"},
		{"only a failure, and NaN, of which no comparison holds", onlyFailure, number(math.NaN()), analysis.NoData, "the query gave NaN, not a number"},
		{"only a failure, and the smallest of all values", onlyFailure, number(math.Inf(-1)), analysis.Fail, "was -Inf, wanted not result > 0.05"},
		{"a condition that deals with NaN itself", lenient, number(math.NaN()), analysis.Pass, ""},
		{"a condition that deals with nothing itself", lenient, analysis.Sample{}, analysis.Pass, ""},
		{"a condition that deals with infinities itself", lenient, number(math.Inf(1)), analysis.Fail, "was +Inf, wanted not result > 0.05"},
		{"several series and no choice", both, vector(1, 1), analysis.Error, `the query gave 2 series, {pod="0"} and {pod="1"} among them; make it one number ` +
			"with sum(...), max(...) or avg(...), or say with series: All, Any or List what they mean together"},
		{"all, all good", all, vector(1, 1), analysis.Pass, ""},
		{"all, the first bad", all, vector(0.9, 1), analysis.Fail, `was 0.9, wanted result > 0.99, not result < 0.95 {pod="0"}`},
		{"all, one NaN", all, vector(1, math.NaN()), analysis.NoData, `the query gave NaN, not a number {pod="1"}`},
		{"all, a bad one beside NaN", all, vector(math.NaN(), 0.9), analysis.Fail, `was 0.9, wanted result > 0.99, not result < 0.95 {pod="1"}`},
		{"any, one good", some, vector(0.9, 1, math.NaN()), analysis.Pass, ""},
		{"any, one NaN among bad ones", some, vector(0.9, math.NaN()), analysis.NoData, `the query gave NaN, not a number {pod="1"}`},
		{"any, all bad", some, vector(0.9, 0.8), analysis.Fail, `was 0.9, wanted result > 0.99, not result < 0.95 {pod="0"}`},
		{"any, no series at all", some, vector(), analysis.NoData, "the query gave no value"},
		{"a list, all good", list, vector(1, 1, 1, 1), analysis.Pass, ""},
		{"a list, one bad", list, vector(1, 0.5), analysis.Fail, "was [1, 0.5], wanted result > 0.99"},
		{"a list that is empty, of which everything is true", list, vector(), analysis.NoData, "the query gave no value"},
		{"a list with NaN", list, vector(1, math.NaN()), analysis.NoData, `the query gave NaN, not a number, for {pod="1"}`},
		{"a list with an infinity", list, vector(math.Inf(1), 1), analysis.Fail, `was infinite for {pod="0"}, wanted result > 0.99`},
		{"a document", list, analysis.Sample{Document: map[string]any{"rate": 0.999}}, analysis.Pass, ""},
		{"a document that is bad", list, analysis.Sample{Document: map[string]any{"rate": 0.5}}, analysis.Fail, "did not answer as wanted: result > 0.99"},
		{"a document without the field", list, analysis.Sample{Document: map[string]any{}}, analysis.Error, "successCondition result > 0.99: no such key: rate"},
		{"a document and no condition", analysis.Metric{}, analysis.Sample{Document: map[string]any{}}, analysis.Error,
			"the answer is a document; say what is good of it with successCondition, or take a number out of it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := analysis.Judge(c.metric, analysis.Evidence{Sample: c.sample})
			require.Equal(t, c.verdict, got.Verdict)
			require.Equal(t, c.message, got.Message)
		})
	}
}

func TestAValueAboutTooFewRequestsIsInconclusiveBeItGoodOrBad(t *testing.T) {
	threshold, err := analysis.ParseThreshold("99%", "")
	require.NoError(t, err)
	m := analysis.Metric{Threshold: threshold, MinRequests: 100}
	for _, value := range []float64{1, 0.5} {
		few := analysis.Judge(m, analysis.Evidence{Sample: analysis.Number(value), Counts: []analysis.Counts{{Requests: 60}, {Requests: 39.4}}})
		require.Equal(t, analysis.Inconclusive, few.Verdict)
		require.Equal(t, "is about 99.4 requests, too few to judge; wanted 100", few.Message)
	}
	require.Equal(t, analysis.Inconclusive, analysis.Judge(m, analysis.Evidence{Sample: analysis.Number(1)}).Verdict, "nobody counted")
	require.Equal(t, analysis.Inconclusive, analysis.Judge(m, analysis.Evidence{Sample: analysis.Number(1), Counts: []analysis.Counts{{Requests: math.NaN()}}}).Verdict)
	enough := analysis.Judge(m, analysis.Evidence{Sample: analysis.Number(1), Counts: []analysis.Counts{{Requests: 100}}})
	require.Equal(t, analysis.Judgement{Verdict: analysis.Pass, Value: 1, Text: "100%", Requests: 100}, enough)
	require.Equal(t, analysis.NoData, analysis.Judge(m, analysis.Evidence{}).Verdict, "no data is not a small number of requests")
}

func TestRelativeToStable(t *testing.T) {
	number := analysis.Number
	for _, c := range []struct {
		name           string
		by             analysis.Comparison
		min, max       string
		canary, stable analysis.Sample
		verdict        analysis.Verdict
		message        string
	}{
		{"within the ratio", analysis.Ratio, "", "1.1", number(0.105), number(0.1), analysis.Pass, ""},
		{"above the ratio", analysis.Ratio, "", "110%", number(0.2), number(0.1), analysis.Fail, "was 200% (0.2 against stable's 0.1), wanted <= 110% of stable's"},
		{"both without errors", analysis.Ratio, "", "1.1", number(0), number(0), analysis.Pass, ""},
		{"errors against none", analysis.Ratio, "", "1.1", number(0.001), number(0), analysis.Fail, "was +Inf (0.001 against stable's 0), wanted <= 1.1 of stable's"},
		{"a ratio to a negative value", analysis.Ratio, "", "1.1", number(1), number(-1), analysis.Error,
			"stable's value is negative, so a ratio to it means nothing; compare by Difference"},
		{"within the difference", analysis.Difference, "", "50ms", number(0.14), number(0.1), analysis.Pass, ""},
		{"above the difference", analysis.Difference, "", "50ms", number(0.2), number(0.1), analysis.Fail, "was 100ms (200ms against stable's 100ms), wanted <= 50ms above stable's"},
		{"below the difference", analysis.Difference, "-1%", "", number(0.95), number(0.99), analysis.Fail, "was -4% (95% against stable's 99%), wanted >= -1% above stable's"},
		{"nothing of stable", analysis.Ratio, "", "1.1", number(1), analysis.Sample{}, analysis.NoData, "the query gave no value for stable, so there is nothing to compare with"},
		{"NaN of stable", analysis.Ratio, "", "1.1", number(1), number(math.NaN()), analysis.NoData, "the query gave NaN, not a number, for stable, so there is nothing to compare with"},
		{"an infinity of stable", analysis.Ratio, "", "1.1", number(1), number(math.Inf(1)), analysis.Error, "the query gave an infinite value for stable, with which nothing can be compared"},
		{"NaN of the canary", analysis.Difference, "", "1", number(math.NaN()), number(1), analysis.NoData, "the query gave NaN, not a number"},
		{"an infinity of the canary", analysis.Difference, "0", "", number(math.Inf(1)), number(1), analysis.Fail, "was +Inf (+Inf against stable's 1), wanted >= 0 above stable's"},
	} {
		t.Run(c.name, func(t *testing.T) {
			threshold, err := analysis.ParseThreshold(c.min, c.max)
			require.NoError(t, err)
			m := analysis.Metric{Threshold: threshold, Baseline: &analysis.Baseline{By: c.by}}
			got := analysis.Judge(m, analysis.Evidence{Sample: c.canary, Baseline: c.stable})
			require.Equal(t, c.verdict, got.Verdict)
			require.Equal(t, c.message, got.Message)
		})
	}
}

func TestAConditionSeesStableOfTheSameLabels(t *testing.T) {
	m := analysis.Metric{Choice: analysis.All, Baseline: &analysis.Baseline{By: analysis.Ratio}, Success: condition{
		text: "result <= baseline", holds: func(a analysis.Answer) (bool, error) { return a.Result.(float64) <= a.Baseline.(float64), nil }}}
	series := func(path string, value float64) analysis.Series {
		return analysis.Series{Labels: map[string]string{"path": path}, Value: value}
	}
	canary := analysis.Sample{Series: []analysis.Series{series("/a", 1), series("/b", 2)}}
	got := analysis.Judge(m, analysis.Evidence{Sample: canary, Baseline: analysis.Sample{Series: []analysis.Series{series("/b", 2), series("/a", 1)}}})
	require.Equal(t, analysis.Pass, got.Verdict)
	got = analysis.Judge(m, analysis.Evidence{Sample: canary, Baseline: analysis.Sample{Series: []analysis.Series{series("/a", 1), series("/c", 9)}}})
	require.Equal(t, analysis.NoData, got.Verdict, "stable has no /b")
}

func TestANumberThatADocumentHoldsIsJudgedByTheThreshold(t *testing.T) {
	answer := analysis.Number(0.5)
	answer.Document = 0.5
	low := 0.99
	got := judge(analysis.Threshold{Min: &low, Text: ">= 0.99"}, answer, nil)
	require.Equal(t, analysis.Fail, got.Verdict)
	require.Equal(t, "was 0.5, wanted >= 0.99", got.Message)
}
