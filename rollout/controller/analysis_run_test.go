package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func TestAnAnalysisThatEndedWithoutAVerdictIsCancelledAndNoPass(t *testing.T) {
	for verdict, phase := range map[analysis.Verdict]string{
		analysis.Pass: v1alpha1.RunPassed, analysis.Fail: v1alpha1.RunFailed, analysis.Inconclusive: v1alpha1.RunInconclusive,
		analysis.NoData: v1alpha1.RunNoData, analysis.Error: v1alpha1.RunError, "": v1alpha1.RunCancelled,
	} {
		require.Equal(t, phase, phaseOf(analysis.Conclusion{Verdict: verdict}))
	}
}

func TestWhatEndsAnAnalysisOnItsOwn(t *testing.T) {
	outage := analysis.Conclusion{Verdict: analysis.Error, Reason: "errors could not be measured: connection refused"}
	passed := analysis.Conclusion{Verdict: analysis.Pass}
	run := &v1alpha1.AnalysisRun{}
	cancelled := &v1alpha1.AnalysisRun{Spec: v1alpha1.AnalysisRunSpec{Cancel: true}}
	require.Equal(t, outage, conclude(run, outage, nil, time.Minute, false))
	require.Equal(t, passed, conclude(run, passed, nil, time.Minute, true), "a verdict in the last moment is one")
	late := conclude(run, outage, nil, time.Minute, true)
	require.Equal(t, analysis.Conclusion{Verdict: analysis.Error, Condemned: true, Reason: "no verdict within 1m0s: errors could not be measured: connection refused"}, late)
	require.Equal(t, v1alpha1.RunError, phaseOf(late), "an outage is no failure")
	require.Equal(t, v1alpha1.RunCancelled, phaseOf(conclude(cancelled, passed, nil, time.Minute, false)))
	require.Equal(t, "no value for host", conclude(run, passed, []string{"no value for host"}, time.Minute, false).Reason)
}

func TestARecordTellsTheRunThePlaceAndWhatWasMeasured(t *testing.T) {
	owner := exampleRollout(exampleTemplate)
	owner.Name, owner.Namespace, owner.UID = "checkout", "shop", "u-1"
	now := time.Unix(1700000000, 0)
	run := newRun(owner, rollout.Analysis{
		Place: "step-2", Run: 7, Revision: "abc", Started: now.Add(-time.Minute),
		Conclusion: analysis.Conclusion{Verdict: analysis.Fail, Condemned: true, Reason: "errors was 1, wanted <= 0"},
		Records:    []analysis.Record{{Metric: "errors", Verdict: analysis.Fail, Failures: 1}},
	}, now)
	require.Equal(t, "checkout-abc-7-step-2", run.Name)
	require.True(t, metav1.IsControlledBy(run, owner))
	require.Equal(t, v1alpha1.AnalysisOf{Rollout: "checkout", Revision: "abc", Run: 7, Place: "step-2"}, *run.Spec.Of)
	require.Equal(t, v1alpha1.RunFailed, run.Status.Phase)
	require.EqualValues(t, 1, run.Status.Metrics[0].Failures)
}

func TestOnlyAnotherVerdictIsWorthAWrite(t *testing.T) {
	before := []v1alpha1.MetricStatus{{Name: "errors", Verdict: "pass"}}
	require.False(t, changed(before, []analysis.Record{{Metric: "errors", Verdict: analysis.Pass, Passes: 9}}))
	require.True(t, changed(before, []analysis.Record{{Metric: "errors", Verdict: analysis.Error}}))
	require.True(t, changed(nil, []analysis.Record{{Metric: "errors", Verdict: analysis.Pass}}))
	require.False(t, changed(nil, []analysis.Record{{Metric: "errors"}}), "nothing has been measured")
}

func TestTheHistoryLimitsAreTheUsers(t *testing.T) {
	require.Equal(t, 5, historyLimit(nil, true))
	require.Equal(t, 5, historyLimit(nil, false))
	limits := &v1alpha1.AnalysisHistory{SuccessfulRunHistoryLimit: new(int32(0)), UnsuccessfulRunHistoryLimit: new(int32(2))}
	require.Zero(t, historyLimit(limits, true))
	require.Equal(t, 2, historyLimit(limits, false))
}
