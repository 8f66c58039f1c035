//go:build integration

package sandbox

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

const usualBlueGreen = `
      activeService: checkout-active
      previewService: checkout-preview
      scaleDownDelaySeconds: 600
      abortScaleDownDelaySeconds: 0
      settleSeconds: 1
      drainSeconds: 1`

// afterTheSwitch is an analysis of the new revision once users reach it.
func afterTheSwitch(query string) string {
	return `
      postPromotionAnalysis: {metrics: [{name: health, query: ` + query + `, threshold: {min: "1"}, interval: 1s}]}`
}

// switched is an app whose first version serves behind an active Service.
func switched(t *testing.T, more string) *app {
	t.Helper()
	a := newApp(t)
	a.kind, a.strategy = "blueGreen", usualBlueGreen+more
	a.service("checkout-active")
	a.service("checkout-preview")
	a.routeTo("{name: checkout-active, port: 80}")
	a.engine()
	a.release("v1")
	a.waitPhase(v1alpha1.PhaseHealthy)
	return a
}

func TestBlueGreenSwitchesAllUsersAtOnceAndNoRequestIsLost(t *testing.T) {
	t.Parallel()
	a := switched(t, "")
	before, old := a.received(), a.rollout().Status.StableRevision
	require.Equal(t, old, a.reached("checkout-active"))
	a.release("v2")
	r := a.waitPhase(v1alpha1.PhaseHealthy)
	require.NotEqual(t, old, r.Status.StableRevision)
	require.Equal(t, r.Status.StableRevision, a.reached("checkout-active"))
	require.Equal(t, r.Status.StableRevision, a.reached("checkout-preview"))
	require.Zero(t, a.failedSince(before))
}

func TestUndoWithinTheScaleDownDelayIsOneSwitchBackToPodsThatStillRun(t *testing.T) {
	t.Parallel()
	a := switched(t, "\n      autoPromotionSeconds: 1")
	before, first := a.received(), a.rollout().Status.StableRevision
	warm := a.pods(first)
	a.release("v2")
	a.waitPhase(v1alpha1.PhaseHealthy)
	out, code := a.cli("undo", "checkout")
	require.Zero(t, code, out)
	r := a.waitFor("the first revision to be stable again", func(r *v1alpha1.Rollout) bool {
		return r.Status.StableRevision == first && r.Status.Phase == v1alpha1.PhaseHealthy
	})
	require.EqualValues(t, 3, r.Status.Runs)
	require.Equal(t, first, a.reached("checkout-active"))
	require.Equal(t, keys(warm), keys(a.pods(first)), "no pod had to be started")
	require.Zero(t, a.failedSince(before))
}

func TestUsersNeverMeetARevisionThatFailedItsRehearsal(t *testing.T) {
	t.Parallel()
	a := switched(t, `
      previewReplicaCount: 1
      prePromotionAnalysis: {metrics: [{name: health, query: vector(0), threshold: {min: "1"}, interval: 1s}]}`)
	before, stable := a.received(), a.rollout().Status.StableRevision
	a.release("v2", "ERROR_RATE=1")
	r := a.waitFor("the preview to be pointed at the new revision", func(r *v1alpha1.Rollout) bool {
		return r.Status.Release != nil && a.reached("checkout-preview") == r.Status.Release.Revision
	})
	require.LessOrEqual(t, len(a.pods(r.Status.Release.Revision)), 1)
	r = a.waitPhase(v1alpha1.PhaseDegraded)
	require.Equal(t, "Analysis", r.Status.Release.Cause)
	require.Equal(t, stable, a.reached("checkout-active"))
	require.Zero(t, a.failedSince(before))
}

func TestARevisionThatFailsAfterTheSwitchIsSwitchedBack(t *testing.T) {
	t.Parallel()
	a := switched(t, afterTheSwitch("vector(0)"))
	before, stable := a.received(), a.rollout().Status.StableRevision
	a.release("v2")
	r := a.waitPhase(v1alpha1.PhaseDegraded)
	require.Equal(t, "Analysis", r.Status.Release.Cause)
	require.Equal(t, stable, r.Status.StableRevision)
	require.Equal(t, stable, a.reached("checkout-active"))
	require.Zero(t, a.failedSince(before), "the revision itself answered everything")
}

func TestAPersonWaitsAtThePreviewAndAbortsAfterTheSwitch(t *testing.T) {
	t.Parallel()
	a := switched(t, "\n      autoPromotionEnabled: false"+afterTheSwitch("nobody_measures_this"))
	before, stable := a.received(), a.rollout().Status.StableRevision
	a.release("v2")
	r := a.waitPhase(v1alpha1.PhasePaused)
	next := r.Status.Release.Revision
	require.Equal(t, next, a.reached("checkout-preview"))
	require.Equal(t, stable, a.reached("checkout-active"))
	require.Equal(t, "preview", r.Status.Revisions[0].Role)

	out, code := a.cli("promote", "checkout")
	require.Zero(t, code, out)
	a.waitFor("the switch", func(r *v1alpha1.Rollout) bool {
		return a.reached("checkout-active") == next && strings.Contains(r.Status.Message, "health has no data")
	})
	out, code = a.cli("abort", "checkout")
	require.Zero(t, code, out)
	r = a.waitPhase(v1alpha1.PhaseDegraded)
	require.Equal(t, "Request", r.Status.Release.Cause)
	require.Equal(t, stable, a.reached("checkout-active"))
	require.Zero(t, a.failedSince(before))
}

func keys[V any](m map[string]V) map[string]bool {
	all := map[string]bool{}
	for key := range m {
		all[key] = true
	}
	return all
}
