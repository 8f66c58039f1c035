package analysis_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
)

func TestExpandReplacesVariablesAndLeavesBracesOfTheQueryAlone(t *testing.T) {
	vars := map[string]string{"service": "checkout-canary", "window": "1m", "odd": "{{service}}"}
	for query, want := range map[string]string{
		"":   "",
		"up": "up",
		`sum(rate(x{service="{{service}}",code=~"5.{2}"}[{{window}}]))`: `sum(rate(x{service="checkout-canary",code=~"5.{2}"}[1m]))`,
		"{{ service }}{{service}}":                                      "checkout-canarycheckout-canary",
		"{}}":                                                           "{}}",
		"{{odd}}":                                                       "{{service}}",
	} {
		got, err := analysis.Expand(query, vars)
		require.NoError(t, err, query)
		require.Equal(t, want, got)
	}
}

func TestExpandNamesWhatItCannotReplace(t *testing.T) {
	vars := map[string]string{"service": "checkout-canary", "window": "1m"}
	for query, want := range map[string]string{
		"x{a=\"{{canary}}\"}":      "query: there is no variable {{canary}}; known are {{service}}, {{window}}",
		"x[{{window}]":             "query: {{window is not closed by }}; known are {{service}}, {{window}}",
		"x[{{window":               "query: {{window is not closed by }}; known are {{service}}, {{window}}",
		"{{":                       "query: {{ is not closed by }}; known are {{service}}, {{window}}",
		"{{}}":                     "query: there is no variable {{}}; known are {{service}}, {{window}}",
		"{{{service}}}":            "query: {{ is not closed by }}; known are {{service}}, {{window}}",
		"{{Service}}":              "query: there is no variable {{Service}}; known are {{service}}, {{window}}",
		"{{service}} {{ser vice}}": "query: there is no variable {{ser vice}}; known are {{service}}, {{window}}",
	} {
		_, err := analysis.Expand(query, vars)
		require.EqualError(t, err, want)
	}
	_, err := analysis.Expand("{{a}}", nil)
	require.EqualError(t, err, "query: there is no variable {{a}}; no variable can be used here")
}

func FuzzExpandLeavesNoHole(f *testing.F) {
	f.Add(`rate(x{a="{{service}}"}[{{window}}])`)
	f.Add("{{{")
	f.Add("{{ service }}}}{{")
	f.Fuzz(func(t *testing.T, query string) {
		got, err := analysis.Expand(query, map[string]string{"service": "s", "window": "1m"})
		if err != nil {
			require.Contains(t, err.Error(), "query: ")
			return
		}
		if !strings.Contains(query, "{{") {
			require.Equal(t, query, got)
		}
		require.Equal(t, strings.Count(query, "{")-strings.Count(got, "{"), 2*strings.Count(query, "{{"), "only whole variables go")
	})
}
