package rollout_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/traffic"
)

// A clock that was wrong leaves a pass from the future. It would be newer than every change of the traffic, and so vouch
// for shares that it has never seen.
func TestAPassFromTheFutureIsNoVerdict(t *testing.T) {
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	future, before := now.Add(time.Hour), now.Add(-time.Minute)
	require.Equal(t, rollout.Revision("v2"), rollout.Decide(readyToPromote(now, before.Add(time.Minute), nil)).Status.Stable)

	measured := readyToPromote(now, time.Time{}, []analysis.Measurement{{Run: 1, Metric: "m", At: future, Judgement: analysis.Judgement{Verdict: analysis.Pass}}})
	require.Equal(t, rollout.Revision("v1"), rollout.Decide(measured).Status.Stable)
	require.Equal(t, rollout.Revision("v1"), rollout.Decide(readyToPromote(now, future, nil)).Status.Stable)
}

// readyToPromote is a release that has had all traffic for a minute, and a record of a pass at some time if there is one.
func readyToPromote(now, passed time.Time, measurements []analysis.Measurement) rollout.Observed {
	since := now.Add(-time.Minute)
	release := rollout.Release{Run: 1, Revision: "v2", Phase: rollout.Promoting, Started: since, StepStarted: since, Deadline: now.Add(time.Hour),
		Metrics: []analysis.Record{{Metric: "m"}}}
	if !passed.IsZero() {
		release.Metrics[0] = analysis.Record{Metric: "m", Verdict: analysis.Pass, At: passed, Passes: 1}
	}
	backend := func(revision rollout.Revision) rollout.Backend {
		return rollout.Backend{Revision: revision, Endpoints: map[rollout.Revision]int{revision: 1}}
	}
	pod := func(revision rollout.Revision) rollout.Workload {
		return rollout.Workload{Revision: revision, Replicas: 1, Ready: 1, Available: 1}
	}
	return rollout.Observed{
		Now:       now,
		Spec:      rollout.Spec{Target: "v2", Replicas: 1, Wiring: rollout.Wiring{Mode: rollout.ByRoutes}, Settle: time.Second, ProgressDeadline: time.Hour, Metrics: []analysis.Metric{{Name: "m", Interval: time.Second}}},
		Workloads: []rollout.Workload{pod("v1"), pod("v2")},
		Stable:    backend("v1"), Canary: backend("v2"),
		Routes:       traffic.Observation{Routes: []traffic.RouteObservation{{Share: traffic.Range{Low: 100, High: 100}, Accepted: true}}},
		Measurements: measurements,
		Status: rollout.Status{Stable: "v1", Runs: 1, Release: &release, Ledger: rollout.Ledger{Low: 100, High: 100, Accepted: true, Since: since,
			Stable: rollout.Pointer{Revision: "v1", Since: since}, Canary: rollout.Pointer{Revision: "v2", Since: since}}},
	}
}
