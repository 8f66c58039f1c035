package analysis_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
)

// asked is a source that notes what it is asked.
type asked struct {
	queries []analysis.Query
	answers map[string]analysis.Sample
}

func (a *asked) Query(_ context.Context, q analysis.Query) (analysis.Sample, error) {
	a.queries = append(a.queries, q)
	sample, there := a.answers[q.Text]
	if !there {
		return sample, errors.New("there is no such metric")
	}
	return sample, nil
}

func TestAQueryLooksBackNoFurtherThanTheRunHasHadTraffic(t *testing.T) {
	m := analysis.Metric{Query: "rate(x[{{window}}])", Window: time.Minute}
	for exposed, want := range map[time.Duration]string{8 * time.Second: "rate(x[8000ms])", time.Hour: "rate(x[60000ms])", 0: "rate(x[1000ms])"} {
		s := &asked{}
		require.Error(t, analysis.Ask(t.Context(), s, m, exposed, "id").Err)
		require.Equal(t, want, s.queries[0].Text)
		require.Equal(t, "id", s.queries[0].ID)
	}
}

func TestAMeasurementAsksAboutStableAndCountsRequestsOverTheSameWindow(t *testing.T) {
	m := analysis.Metric{Query: "canary[{{window}}]", Baseline: &analysis.Baseline{Query: "stable[{{window}}]"}, Requests: "n[{{window}}]", Window: 30 * time.Second}
	s := &asked{answers: map[string]analysis.Sample{
		"canary[30000ms]": analysis.Number(0.2), "stable[30000ms]": analysis.Number(0.1),
		"n[30000ms]": {Series: []analysis.Series{{Value: 60}, {Value: 40}}},
	}}
	e := analysis.Ask(t.Context(), s, m, time.Hour, "id")
	require.NoError(t, e.Err)
	require.Equal(t, analysis.Number(0.2), e.Sample)
	require.Equal(t, analysis.Number(0.1), e.Baseline)
	require.Equal(t, 100.0, analysis.Total(e.Counts))
	require.Equal(t, []string{"id", "id/stable", "id/requests"}, []string{s.queries[0].ID, s.queries[1].ID, s.queries[2].ID})

	elsewhere := &asked{answers: map[string]analysis.Sample{"stable[30000ms]": analysis.Number(0.3)}}
	m.Baseline.Source = elsewhere
	require.Equal(t, analysis.Number(0.3), analysis.Ask(t.Context(), s, m, time.Hour, "id").Baseline, "stable may be asked about elsewhere")
}

func TestWhatCouldNotBeAskedIsNamed(t *testing.T) {
	s := &asked{answers: map[string]analysis.Sample{"canary": analysis.Number(1)}}
	m := analysis.Metric{Query: "canary", Baseline: &analysis.Baseline{Query: "nothing"}}
	require.EqualError(t, analysis.Ask(t.Context(), s, m, time.Hour, "id").Err, "stable: there is no such metric")
	m = analysis.Metric{Query: "canary", Requests: "nothing"}
	require.EqualError(t, analysis.Ask(t.Context(), s, m, time.Hour, "id").Err, "requests: there is no such metric")
}
