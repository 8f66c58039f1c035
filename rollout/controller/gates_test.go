package controller

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// gated resolves the example with gates, and notes the calls of those.
func gated(t *testing.T, calls *[]analysis.Query, gates ...v1alpha1.Gate) resolved {
	t.Helper()
	o := exampleRollout(exampleTemplate)
	o.UID, o.Spec.Gates = "8f2e", gates
	requests := []ProviderRequest{}
	r := resolved{spec: rollout.Spec{ProgressDeadline: time.Minute}}
	r.resolveGates(asked(&requests, calls), &world{object: o})
	return r
}

func TestAGateHasDefaults(t *testing.T) {
	r := gated(t, nil, v1alpha1.Gate{Name: "a", At: "Rollback", Web: v1alpha1.GateServer{URL: "http://a/"}},
		v1alpha1.Gate{Name: "b", At: "AfterStep", OnDeadline: "Abort", Web: v1alpha1.GateServer{URL: "http://b/"},
			Timeout: &metav1.Duration{Duration: 1}, Interval: &metav1.Duration{Duration: 2}, Deadline: &metav1.Duration{Duration: 3}})
	require.Empty(t, r.problems)
	r.spec.Gates[0].Source, r.spec.Gates[1].Source = nil, nil
	require.Equal(t, []rollout.Gate{
		{Name: "a", At: rollout.Rollback, Timeout: 10 * time.Second, Interval: 10 * time.Second, Deadline: time.Minute, OnDeadline: rollout.Hold},
		{Name: "b", At: rollout.AfterStep, Timeout: 1, Interval: 2, Deadline: 3, OnDeadline: rollout.GiveUp},
	}, r.spec.Gates)
}

func TestACallOfAGateIsNamedByRolloutRunStepAndGate(t *testing.T) {
	var calls []analysis.Query
	r := gated(t, &calls, v1alpha1.Gate{Name: "window", At: "BeforeIncrease", Web: v1alpha1.GateServer{URL: "http://a/"}, Metadata: map[string]string{"cmd": "smoke"}})
	for range 2 {
		_, err := r.spec.Gates[0].Source.Query(t.Context(),
			analysis.Query{Text: `{"gate":"window","at":"BeforeIncrease","revision":"abc","stableRevision":"def","run":3,"step":2,"weight":20}`, ID: "of the measurement"})
		require.NoError(t, err)
	}
	require.Equal(t, calls[0], calls[1], "a repeated call is the same")
	require.Equal(t, "8f2e/3/2/window", calls[0].ID)
	require.JSONEq(t, `{"id":"8f2e/3/2/window","namespace":"shop","name":"checkout","gate":"window","at":"BeforeIncrease",
		"revision":"abc","stableRevision":"def","run":3,"step":2,"weight":20,"metadata":{"cmd":"smoke"}}`, calls[0].Text)
}

func TestAGateThatCannotBeAskedKeepsNewRevisionsBackAndHoldsTheOneUnderWay(t *testing.T) {
	r := gated(t, nil, v1alpha1.Gate{Name: "a", At: "AfterStep", Web: v1alpha1.GateServer{URL: "http://forbidden/"}})
	require.Equal(t, reasonInvalidGate, r.problems[0].Reason)
	require.Equal(t, "spec.gates[0] (a): web.url is forbidden", r.problems[0].Message)
	_, err := r.spec.Gates[0].Source.Query(t.Context(), analysis.Query{})
	require.ErrorContains(t, err, "spec.gates[0] (a): web.url is forbidden")
}

func gateMetric(source analysis.Source) analysis.Metric {
	return analysis.Metric{Name: "gate/window", Gate: true, Interval: 10 * time.Second, Timeout: 2 * time.Second, Source: source}
}

func TestAGateIsAskedUntilItAnswersAndNotOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []analysis.Sample{analysis.Permit(analysis.Inconclusive, ""), {}, analysis.Permit(analysis.Pass, "")}
		calls := 0
		gate := gateMetric(answering(func(context.Context, analysis.Query) (analysis.Sample, error) {
			calls++
			if calls == 2 {
				return analysis.Sample{}, errors.New("down")
			}
			return answers[calls-1], nil
		}))
		m, woken := measuring(t, 4, nil)
		want := &rollout.Measure{Run: 1, Metrics: []analysis.Metric{gate}}
		m.Want(checkout, want)
		advance(time.Hour)
		require.Equal(t, 3, calls)
		require.EqualValues(t, 3, woken.Load())
		m.Want(checkout, want) // No status could be written yet.
		advance(time.Hour)
		require.Equal(t, 3, calls, "an answer that no status has taken up is not asked for again")
		require.Len(t, m.Results(checkout), 3)
	})
}

func TestAGateThatMayAskForARollbackIsAskedAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		gate := gateMetric(answering(func(context.Context, analysis.Query) (analysis.Sample, error) {
			calls++
			return analysis.Permit(analysis.Fail, ""), nil
		}))
		gate.Repeated = true
		m, _ := measuring(t, 4, nil)
		m.Want(checkout, &rollout.Measure{Run: 1, Metrics: []analysis.Metric{gate}})
		advance(25 * time.Second)
		require.Equal(t, 3, calls)
	})
}

func TestACallOfAGateEndsWithItsOwnTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := measuring(t, 4, nil)
		m.Want(checkout, &rollout.Measure{Run: 1, Metrics: []analysis.Metric{gateMetric(answering(func(ctx context.Context, _ analysis.Query) (analysis.Sample, error) {
			<-ctx.Done()
			return analysis.Sample{}, ctx.Err()
		}))}})
		advance(1900 * time.Millisecond)
		require.Empty(t, m.Results(checkout))
		advance(200 * time.Millisecond)
		require.Equal(t, analysis.Error, m.Results(checkout)[0].Verdict)
	})
}
