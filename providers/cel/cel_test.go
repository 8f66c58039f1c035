package cel_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/providers/cel"
)

func compile(t *testing.T, text string) analysis.Condition {
	t.Helper()
	c, err := cel.New()
	require.NoError(t, err)
	condition, err := c.Compile(text)
	require.NoError(t, err)
	return condition
}

func TestConditionsSeeNumbersListsDocumentsLabelsAndStable(t *testing.T) {
	document := map[string]any{"data": map[string]any{"ok": true, "rate": 0.97, "errors": []any{1.0, 2.0}}}
	for _, c := range []struct {
		text   string
		answer analysis.Answer
		want   bool
	}{
		{"result >= 0.95", analysis.Answer{Result: 0.97}, true},
		{"result >= 1", analysis.Answer{Result: 0.97}, false},
		{"result == 200", analysis.Answer{Result: 200.0}, true},
		{"result.all(x, x < 0.5)", analysis.Answer{Result: []float64{0.1, 0.6}}, false},
		{"size(result) > 1 && result[0] < 0.5", analysis.Answer{Result: []float64{0.1, 0.6}}, true},
		{"result.data.ok && result.data.rate > 0.95", analysis.Answer{Result: document}, true},
		{"result.data.errors.exists(x, x > 1.5)", analysis.Answer{Result: document}, true},
		{`labels.path == "/pay" || result < 0.1`, analysis.Answer{Result: 0.5, Labels: map[string]string{"path": "/pay"}}, true},
		{"result > 0.01 && result > 1.5 * stable", analysis.Answer{Result: 0.05, Baseline: 0.01}, true},
		{"isNaN(result) || result > 0.9", analysis.Answer{Result: math.NaN()}, true},
		{"isInf(result)", analysis.Answer{Result: math.Inf(-1)}, true},
		{"isInf(result) || isNaN(result)", analysis.Answer{Result: 1.0}, false},
		{"default(result, 1.0) > 0.9", analysis.Answer{}, true},
		{"default(result, 0.0) > 0.9", analysis.Answer{Result: math.NaN()}, false},
		{"default(result, 0.0) > 0.9", analysis.Answer{Result: 0.95}, true},
	} {
		held, err := compile(t, c.text).Holds(c.answer)
		require.NoError(t, err, c.text)
		require.Equal(t, c.want, held, c.text)
	}
}

func TestAConditionThatMakesNoSenseOfAnAnswerSaysWhy(t *testing.T) {
	for text, c := range map[string]struct {
		result any
		why    string
	}{
		"result.data.rate > 0.5": {map[string]any{"error": "not ready"}, "no such key: data"},
		"result * 100 > 5":       {0.5, "write 100.0"},
		"result > 5":             {[]float64{1}, "result is a list"},
		"result[0] > 5.0":        {[]float64{}, "index out of bounds"},
		"result":                 {0.5, "neither true nor false"},
		"result > 1":             {nil, "no such overload"},
	} {
		_, err := compile(t, text).Holds(analysis.Answer{Result: c.result})
		require.ErrorContains(t, err, c.why, text)
		require.NotContains(t, err.Error(), "\n")
	}
}

func TestMistakesAreFoundBeforeAnythingIsMeasured(t *testing.T) {
	c, err := cel.New()
	require.NoError(t, err)
	for text, why := range map[string]string{
		"result >":            "is not understood",
		"value > 0.5":         "undeclared reference",
		"0.5":                 "gives a double; a condition is true or false",
		`"yes"`:               "gives a string",
		"asFloat(result) > 1": "undeclared reference to 'asFloat'",
	} {
		_, err := c.Compile(text)
		require.ErrorContains(t, err, why, text)
		require.NotContains(t, err.Error(), "\n", text)
	}
}

func TestAConditionHeedsOnlyWhatItAsksFor(t *testing.T) {
	for text, heeds := range map[string][]analysis.Oddity{
		"result > 0.5":                                nil,
		`labels.isNaN == "x"`:                         nil,
		"!(result > 0.5)":                             nil,
		"isNaN(result) || result > 0.5":               {analysis.NotANumber},
		"[result].exists(x, isInf(x))":                {analysis.Infinite},
		"default(result, 0.0) > 0.5":                  {analysis.NotANumber, analysis.Nothing},
		"isInf(result) || default(result, 0.0) > 0.5": {analysis.NotANumber, analysis.Infinite, analysis.Nothing},
	} {
		condition := compile(t, text)
		for _, o := range []analysis.Oddity{analysis.NotANumber, analysis.Infinite, analysis.Nothing} {
			require.Equal(t, slices.Contains(heeds, o), condition.Heeds(o), "%s, oddity %d", text, o)
		}
		require.Equal(t, text, condition.String())
	}
}

func TestAConditionThatTakesTooMuchWorkIsStopped(t *testing.T) {
	many := make([]float64, 2000)
	_, err := compile(t, "result.all(a, result.all(b, result.all(c, a + b + c == 0.0)))").Holds(analysis.Answer{Result: many})
	require.ErrorContains(t, err, "cost")
}

func TestTheSameExpressionIsCompiledOnce(t *testing.T) {
	c, err := cel.New()
	require.NoError(t, err)
	first, err := c.Compile("result > 0.5")
	require.NoError(t, err)
	again, err := c.Compile("result > 0.5")
	require.NoError(t, err)
	require.Same(t, first, again)
	for i := range 5000 {
		_, err := c.Compile("result > 0.5" + strings.Repeat("0", i%100+1) + strings.Repeat(" ", i/100))
		require.NoError(t, err)
	}
}
