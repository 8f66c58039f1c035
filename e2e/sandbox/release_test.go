//go:build integration

package sandbox

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// installed is an app whose first version serves.
func installed(t *testing.T) (*app, *engine) {
	t.Helper()
	a := newApp(t)
	a.services()
	a.route()
	e := a.engine()
	a.release("v1")
	a.waitPhase(v1alpha1.PhaseHealthy)
	return a, e
}

// servedSince is what clients received since an earlier count.
func (a *app) failedSince(before received) int {
	a.t.Helper()
	return a.received().Total.Failed - before.Total.Failed
}

func TestAGoodVersionReachesProductionAndNoRequestIsLost(t *testing.T) {
	t.Parallel()
	a, _ := installed(t)
	before := a.received()
	old := a.rollout().Status.StableRevision
	a.release("v2")
	r := a.waitPhase(v1alpha1.PhaseHealthy)
	require.NotEqual(t, old, r.Status.StableRevision)
	require.Zero(t, a.failedSince(before))
	eventually(t, "the old pods to be gone", func() (bool, string) {
		set, err := cluster.kubernetes.AppsV1().ReplicaSets(a.namespace).Get(t.Context(), "checkout-"+old, metav1.GetOptions{})
		require.NoError(t, err)
		return set.Status.Replicas == 0, "they are there"
	})
	require.Zero(t, a.failedSince(before))
	out, code := a.cli("status", "checkout")
	require.Zero(t, code, out)
}

func TestAFailingVersionTakesItselfBackAndOnlyItsOwnAnswersFail(t *testing.T) {
	t.Parallel()
	a, _ := installed(t)
	before := a.received()
	stable := a.rollout().Status.StableRevision
	a.release("v2", "ERROR_RATE=1")
	r := a.waitPhase(v1alpha1.PhaseDegraded)
	require.Equal(t, stable, r.Status.StableRevision)
	require.Equal(t, "Analysis", r.Status.Release.Cause)
	require.Contains(t, r.Status.Message, "success-rate was")
	require.Zero(t, r.Status.Traffic.CanaryWeight)
	ownFailures := 0
	after := a.received()
	for _, revision := range after.Revisions {
		if revision.Revision == r.Status.Release.Revision {
			ownFailures = revision.Failed
		}
	}
	require.Positive(t, ownFailures)
	require.Equal(t, ownFailures, after.Total.Failed-before.Total.Failed)
	_, code := a.cli("status", "checkout")
	require.Equal(t, 3, code)
}

func TestTheControllerKilledAtAwkwardMomentsEndsTheReleaseTheSame(t *testing.T) {
	t.Parallel()
	moments := map[string]func(*v1alpha1.Rollout) bool{
		"before the first weight": func(r *v1alpha1.Rollout) bool { return r.Status.Release != nil && r.Status.Release.Phase == "Stepping" },
		"while a weight settles": func(r *v1alpha1.Rollout) bool {
			return r.Status.Traffic.CanaryWeight == 20 && r.Status.Release != nil && r.Status.Release.StepIndex == 0
		},
		"in a pause": func(r *v1alpha1.Rollout) bool { return r.Status.Release != nil && r.Status.Release.StepIndex == 1 },
		"in promotion": func(r *v1alpha1.Rollout) bool {
			return r.Status.Release != nil && r.Status.Release.Phase == "Promoting"
		},
		"handing over": func(r *v1alpha1.Rollout) bool { return r.Status.Release == nil && r.Status.Runs == 2 },
	}
	for name, moment := range moments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, e := installed(t)
			before := a.received()
			a.release("v2")
			a.waitFor(name, moment)
			e.kill()
			e.run()
			r := a.waitPhase(v1alpha1.PhaseHealthy)
			require.EqualValues(t, 2, r.Status.Runs, "the release was not begun again")
			require.Zero(t, a.failedSince(before))
		})
	}
}

func TestByReplicaCountTheShareIsTheNumberOfPods(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.strategy = byPods
	a.engine()
	a.release("v1")
	a.waitPhase(v1alpha1.PhaseHealthy)
	a.release("v2")
	r := a.waitFor("one canary pod of four", func(r *v1alpha1.Rollout) bool {
		return r.Status.Release != nil && r.Status.Release.StepIndex == 1
	})
	require.EqualValues(t, 25, r.Status.Traffic.CanaryWeight)
	r = a.waitPhase(v1alpha1.PhaseHealthy)
	require.EqualValues(t, 4, r.Status.AvailableReplicas)
	require.Equal(t, r.Status.Replicas, r.Status.UpdatedReplicas)
}

func TestPeopleSteerARelease(t *testing.T) {
	t.Parallel()
	a, _ := installed(t)
	a.strategy = usualStrategy + "\n      - pause: {}"
	a.release("v2")
	a.waitPhase(v1alpha1.PhasePaused)
	_, code := a.cli("status", "checkout")
	require.Equal(t, 2, code)

	out, code := a.cli("abort", "checkout")
	require.Zero(t, code, out)
	a.waitPhase(v1alpha1.PhaseDegraded)
	out, code = a.cli("promote", "checkout")
	require.NotZero(t, code)
	require.Contains(t, out, "retry")
	out, code = a.cli("retry", "checkout")
	require.Zero(t, code, out)
	a.waitPhase(v1alpha1.PhasePaused)
	out, code = a.cli("promote", "checkout")
	require.Zero(t, code, out)
	a.waitPhase(v1alpha1.PhaseHealthy)
}
