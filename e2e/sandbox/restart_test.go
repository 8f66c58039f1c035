//go:build integration

package sandbox

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// restarted waits until the last restart is over and none of the pods before it is left.
func (a *app) restarted(before map[string]bool) {
	a.t.Helper()
	r := a.waitFor("the restart to be over", func(r *v1alpha1.Rollout) bool {
		return r.Status.Restart != nil && r.Status.Restart.Done && r.Status.Phase == v1alpha1.PhaseHealthy
	})
	for uid := range a.pods(r.Status.StableRevision) {
		require.NotContains(a.t, before, uid)
	}
}

func TestARestartReplacesEveryPodAndNoneIsMissingMeanwhile(t *testing.T) {
	t.Parallel()
	a, _ := installed(t)
	stable := a.rollout().Status.StableRevision
	before, old := a.received(), keys(a.pods(stable))
	available := a.watchAvailability(stable)
	out, code := a.cli("restart", "checkout")
	require.Zero(t, code, out)
	a.restarted(old)
	require.Len(t, a.pods(stable), a.replicas)
	require.GreaterOrEqual(t, available.lowest(), int32(a.replicas))
	require.Zero(t, a.failedSince(before))
	require.EqualValues(t, 1, a.rollout().Status.Runs, "a restart is no release")
}

func TestARestartOfASingleReplicaNeverLeavesNobody(t *testing.T) {
	t.Parallel()
	for name, strategy := range map[string]string{
		"with a route": usualStrategy, "by replica count": byPods, "with a route and without surge": usualStrategy + "\n      maxSurge: 0\n      maxUnavailable: 1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			a.replicas, a.strategy = 1, strategy
			a.services()
			a.route()
			a.engine()
			a.release("v1")
			stable := a.waitPhase(v1alpha1.PhaseHealthy).Status.StableRevision
			old := keys(a.pods(stable))
			available := a.watchAvailability(stable)
			out, code := a.cli("restart", "checkout")
			require.Zero(t, code, out)
			a.restarted(old)
			require.Positive(t, available.lowest())
		})
	}
}

func TestRestartAtReplacesPodsThatAreOlderWhenItsTimeComesAndOnlyOnce(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.strategy = byPods
	a.engine()
	a.release("v1")
	stable := a.waitPhase(v1alpha1.PhaseHealthy).Status.StableRevision
	old := keys(a.pods(stable))
	a.spec = "\n  restartAt: " + time.Now().Add(2*time.Second).UTC().Format(time.RFC3339)
	a.release("v1")
	a.restarted(old)
	// The same time again asks for nothing.
	replaced := keys(a.pods(stable))
	a.replicas = 5
	a.release("v1")
	a.waitFor("five pods", func(r *v1alpha1.Rollout) bool {
		return r.Status.AvailableReplicas == 5 && r.Status.Phase == v1alpha1.PhaseHealthy
	})
	after := keys(a.pods(stable))
	for uid := range replaced {
		require.Contains(t, after, uid)
	}
}

func TestARestartWaitsForADisruptionBudgetAndGoesOnWhenItAllowsIt(t *testing.T) {
	t.Parallel()
	a, _ := installed(t)
	stable := a.rollout().Status.StableRevision
	old := keys(a.pods(stable))
	a.apply(`apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: checkout}
spec: {maxUnavailable: 0, selector: {matchLabels: {app: checkout}}}`)
	out, code := a.cli("restart", "checkout")
	require.Zero(t, code, out)
	r := a.waitFor("the restart to wait with a pod beside the old ones", func(r *v1alpha1.Rollout) bool {
		return r.Status.Restart != nil && r.Status.Restart.Left == 4 && r.Status.AvailableReplicas > 4
	})
	require.False(t, r.Status.Restart.Done)
	require.Subset(t, list(keys(a.pods(stable))), list(old))
	require.NoError(t, cluster.kubernetes.PolicyV1().PodDisruptionBudgets(a.namespace).Delete(t.Context(), "checkout", metav1.DeleteOptions{}))
	a.restarted(old)
}

func list(set map[string]bool) []string {
	var all []string
	for key := range set {
		all = append(all, key)
	}
	return all
}
