//go:build integration

package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func TestADeploymentLendsItsPodsForAReleaseAndGetsThemBackWithoutARestart(t *testing.T) {
	t.Parallel()
	ways := map[string]struct {
		kind, strategy, backends string
		services                 []string
	}{
		"canary with a route":     {"canary", usualStrategy, "", []string{"checkout-stable", "checkout-canary"}},
		"canary by replica count": {"canary", byPods, "{name: checkout-stable, port: 80}", nil},
		"blue-green": {"blueGreen", strings.NewReplacer("checkout-active", "checkout-stable", "checkout-preview", "checkout-canary", "600", "0").
			Replace(usualBlueGreen), "{name: checkout-stable, port: 80}", []string{"checkout-stable", "checkout-canary"}},
	}
	for name, way := range ways {
		for _, deployment := range []string{"shop", "checkout"} {
			t.Run(name+" of "+deployment, func(t *testing.T) {
				t.Parallel()
				b := newBorrower(t)
				b.kind, b.strategy = way.kind, way.strategy
				if way.backends != "" {
					b.routeTo(way.backends)
				}
				before := b.received()
				borrowed(t, b)
				require.True(t, b.read().Spec.Paused)
				require.Equal(t, 3, b.owned("Rollout"))
				first := b.rollout().Status.StableRevision
				b.deploy("v2")
				second := b.waitStable(first)
				for _, service := range way.services {
					require.Equal(t, second, b.reached(service))
				}
				pods := b.uids()
				b.remove(metav1.DeletePropagationBackground)
				b.requireHandedBack()
				require.Equal(t, pods, b.uids(), "no pod was restarted")
				for _, service := range way.services {
					require.Empty(t, b.reached(service), "the Deployment's next pods have to be reached too")
				}
				b.deploy("v3")
				b.waitRolledOut()
				require.Len(t, b.uids(), b.replicas)
				require.Empty(t, intersection(pods, b.uids()))
				require.Zero(t, b.failedSince(before))
			})
		}
	}
}

func intersection(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

// untilPromoted is a canary that stops in the middle until somebody promotes.
const untilPromoted = `
      stableService: checkout-stable
      canaryService: checkout-canary
      trafficRouting:
        settleSeconds: 1
        drainSeconds: 1
        gatewayAPI: {routes: [{kind: HTTPRoute, name: checkout}]}
      steps: [{setWeight: 20}, {pause: {}}]`

// midway is a borrower with a release of v2 that waits for somebody.
func midway(t *testing.T) (b *borrower, stable, canary string) {
	t.Helper()
	b = newBorrower(t)
	b.strategy = untilPromoted
	borrowed(t, b)
	b.deploy("v2")
	r := b.waitPhase(v1alpha1.PhasePaused)
	return b, r.Status.StableRevision, r.Status.Release.Revision
}

func TestARolloutDeletedInTheMiddleLeavesEverythingAsItIsAndIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	for _, policy := range []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			b, stable, canary := midway(t)
			before, pods, weight := b.received(), b.uids(), b.weight("checkout-canary")
			b.remove(policy)
			require.True(t, b.read().Spec.Paused)
			note := b.read().Annotations["rollout.dev/handed-back"]
			for _, part := range []string{"in the middle of a release", "kubectl rollout resume deployment shop", "Service checkout-stable, Service checkout-canary", "shop-" + stable + " (pods: 4)", "checkout-" + canary + " (pods: 1)"} {
				require.Contains(t, note, part)
			}
			b.requireUnchanged(func() bool {
				return slices.Equal(pods, b.uids()) && b.weight("checkout-canary") == weight && b.reached("checkout-stable") == stable && b.reached("checkout-canary") == canary
			})
			require.Zero(t, b.owned("Deployment"))

			b.borrow()
			b.waitFor("the release to go on, and what was stable to be so again", func(r *v1alpha1.Rollout) bool {
				return r.Status.Phase == v1alpha1.PhasePaused && r.Status.StableRevision == stable && r.Status.Release.Revision == canary
			})
			require.NotContains(t, b.read().Annotations, "rollout.dev/handed-back")
			out, code := b.cli("promote", "checkout")
			require.Zero(t, code, out)
			require.Equal(t, canary, b.waitStable(stable))
			require.Zero(t, b.failedSince(before))
		})
	}
}

// requireUnchanged checks that something stays so for as long as controllers need to act on what they saw.
func (b *borrower) requireUnchanged(holds func() bool) {
	b.t.Helper()
	// The Deployment's controller has seen the end of the deletion when it has seen a change that was made after it.
	b.patch(`{"metadata": {"annotations": {"example.com/look": "here"}}}`)
	eventually(b.t, "the Deployment's controller to have looked", func() (bool, string) {
		d := b.read()
		return d.Status.ObservedGeneration >= d.Generation, "it has not"
	})
	require.True(b.t, holds())
}

func TestPodsOutliveEveryWayToDeleteTheRollout(t *testing.T) {
	t.Parallel()
	for _, policy := range []metav1.DeletionPropagation{metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			b := borrowed(t, newBorrower(t))
			pods := b.uids()
			b.remove(policy)
			b.requireHandedBack()
			require.Equal(t, pods, b.uids())
		})
	}
	t.Run("without the engine", func(t *testing.T) {
		t.Parallel()
		b := newBorrower(t)
		e := b.engine()
		b.borrow()
		b.waitPhase(v1alpha1.PhaseHealthy)
		pods := b.uids()
		e.kill()
		_, err := cluster.rollouts.Rollouts(b.namespace).Patch(t.Context(), "checkout", "application/merge-patch+json", []byte(`{"metadata": {"finalizers": null}}`), metav1.PatchOptions{})
		require.NoError(t, err)
		b.remove(metav1.DeletePropagationBackground)
		eventually(t, "the garbage collector to have looked", func() (bool, string) { return b.owned("") == 3, "it has not" })
		b.requireUnchanged(func() bool { return slices.Equal(pods, b.uids()) })
		e.run()
		b.borrow()
		b.waitPhase(v1alpha1.PhaseHealthy)
		b.remove(metav1.DeletePropagationBackground)
		b.requireHandedBack()
		require.Equal(t, pods, b.uids())
	})
}

func TestADeploymentThatSomebodyResumesIsTakenOverAgain(t *testing.T) {
	t.Parallel()
	b := borrowed(t, newBorrower(t))
	before, pods := b.received(), b.uids()
	stable := b.rollout().Status.StableRevision
	b.patch(`{"spec": {"paused": false}}`)
	eventually(t, "the Deployment to be paused again and to own nothing", func() (bool, string) {
		return b.read().Spec.Paused && b.owned("Deployment") == 0, "it is not"
	})
	eventually(t, "its new pods to be gone", func() (bool, string) {
		return slices.Equal(pods, b.uids()), fmt.Sprintf("there are %d pods", len(b.uids()))
	})
	require.Equal(t, stable, b.waitPhase(v1alpha1.PhaseHealthy).Status.StableRevision)
	require.Zero(t, b.failedSince(before))
	b.remove(metav1.DeletePropagationBackground)
	b.requireHandedBack()
	require.Equal(t, pods, b.uids())
}

func TestADeploymentThatIsBusyIsTakenOverWhenItIsDone(t *testing.T) {
	t.Parallel()
	b := newBorrower(t)
	b.more = "\n  minReadySeconds: 500"
	b.deploy("v2")
	b.engine()
	b.borrow()
	b.waitFor("the Rollout to wait", func(r *v1alpha1.Rollout) bool {
		return r.Status.Phase == v1alpha1.PhasePaused && strings.Contains(r.Status.Message, "in the middle of a rollout of its own")
	})
	require.False(t, b.read().Spec.Paused)
	b.more = ""
	b.deploy("v2")
	b.waitPhase(v1alpha1.PhaseHealthy)
	require.Zero(t, b.owned("Deployment"))
}

func TestADeploymentThatWasPausedBeforeIsPausedAfterwards(t *testing.T) {
	t.Parallel()
	b := newBorrower(t)
	b.patch(`{"spec": {"paused": true, "strategy": {"type": "Recreate", "rollingUpdate": null}}}`)
	borrowed(t, b)
	pods := b.uids()
	b.remove(metav1.DeletePropagationBackground)
	require.True(t, b.read().Spec.Paused)
	b.patch(`{"spec": {"paused": false}}`)
	b.requireHandedBack()
	require.Equal(t, pods, b.uids())
}

func TestTheOlderOfTwoRolloutsHasTheDeployment(t *testing.T) {
	t.Parallel()
	b := borrowed(t, newBorrower(t))
	pods := b.uids()
	b.kind, b.strategy = "canary", byPods
	b.borrowAs("late")
	eventually(t, "the younger one to be told", func() (bool, string) {
		r, err := cluster.rollouts.Rollouts(b.namespace).Get(t.Context(), "late", metav1.GetOptions{})
		require.NoError(t, err)
		reason, message := stalled(r)
		return reason == "WorkloadClaimed" && strings.Contains(message, `Rollout "checkout"`), message
	})
	b.remove(metav1.DeletePropagationBackground)
	eventually(t, "the younger one to have it", func() (bool, string) {
		r, err := cluster.rollouts.Rollouts(b.namespace).Get(t.Context(), "late", metav1.GetOptions{})
		require.NoError(t, err)
		return r.Status.Phase == v1alpha1.PhaseHealthy && b.owned("Rollout") == 3, r.Status.Message
	})
	require.Equal(t, pods, b.uids())
}

func TestPodsOutliveTheirDeployment(t *testing.T) {
	t.Parallel()
	b := borrowed(t, newBorrower(t))
	before, pods := b.received(), b.uids()
	foreground := metav1.DeletePropagationForeground
	require.NoError(t, cluster.kubernetes.AppsV1().Deployments(b.namespace).Delete(t.Context(), "shop", metav1.DeleteOptions{PropagationPolicy: &foreground}))
	b.waitStalled("MissingWorkload", "spec.workloadRef.name", `"shop"`)
	require.Equal(t, pods, b.uids())

	b.deploy("v1")
	eventually(t, "the new Deployment to be taken over", func() (bool, string) {
		d := b.read()
		return d.Spec.Paused && b.owned("Deployment") == 0, "it is not"
	})
	eventually(t, "its pods to be gone", func() (bool, string) {
		return slices.Equal(pods, b.uids()), fmt.Sprintf("there are %d pods", len(b.uids()))
	})
	b.waitPhase(v1alpha1.PhaseHealthy)
	require.Zero(t, b.failedSince(before))

	require.NoError(t, cluster.kubernetes.AppsV1().Deployments(b.namespace).Delete(t.Context(), "shop", metav1.DeleteOptions{PropagationPolicy: &foreground}))
	b.remove(metav1.DeletePropagationBackground)
	require.Zero(t, b.owned("Rollout"))
	require.Equal(t, pods, b.uids())
	b.deploy("v1")
	b.waitRolledOut()
	require.Equal(t, pods, b.uids(), "a Deployment of the same template adopts them")
}

func TestTheNumberOfPodsIsTheDeploymentsAndStaysWhenItGetsThemBack(t *testing.T) {
	t.Parallel()
	b := borrowed(t, newBorrower(t))
	b.patch(`{"spec": {"replicas": 6}}`)
	b.waitFor("6 pods", func(r *v1alpha1.Rollout) bool {
		return r.Status.AvailableReplicas == 6 && r.Status.Phase == v1alpha1.PhaseHealthy
	})
	b.spec = "\n  replicas: 7"
	b.borrow()
	b.waitFor("7 pods", func(r *v1alpha1.Rollout) bool {
		return r.Status.AvailableReplicas == 7 && r.Status.Phase == v1alpha1.PhaseHealthy
	})
	pods := b.uids()
	b.remove(metav1.DeletePropagationBackground)
	b.requireHandedBack()
	require.EqualValues(t, 7, *b.read().Spec.Replicas)
	require.Equal(t, pods, b.uids())
	b.deploy("v2")
	b.waitRolledOut()
	require.Len(t, b.uids(), b.replicas, "a change of the template is rolled out after a change of the size, too")
}

func TestWhatARolePutOnPodsDoesNotRestartThemWhenTheyAreHandedBack(t *testing.T) {
	t.Parallel()
	b := newBorrower(t)
	b.strategy = usualStrategy + `
      stableMetadata: {labels: {role: stable}}
      canaryMetadata: {labels: {role: canary}, annotations: {note: new}}
      antiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: {weight: 1}}`
	borrowed(t, b)
	first := b.rollout().Status.StableRevision
	b.waitPods("the role on pods that were taken over", first, b.replicas, role("stable"))
	b.deploy("v2")
	second := b.waitStable(first)
	b.waitPods("the role on the new pods", second, b.replicas, role("stable"))
	pods := b.uids()
	b.remove(metav1.DeletePropagationBackground)
	b.requireHandedBack()
	require.Equal(t, pods, b.uids())
	for _, set := range b.sets() {
		require.Nil(t, set.Spec.Template.Spec.Affinity)
		require.NotContains(t, set.Spec.Template.Labels, "role")
	}
}

// A new version of Kubernetes may give out templates with more defaults, and then the hash of every one of them is another.
func TestATemplateWhoseHashIsUnknownIsNoNewRevisionIfItIsThatOfAReplicaSet(t *testing.T) {
	t.Parallel()
	b := newBorrower(t)
	e := b.engine()
	b.borrow()
	stable := b.waitPhase(v1alpha1.PhaseHealthy).Status.StableRevision
	pods := b.uids()
	e.kill()
	_, err := cluster.kubernetes.AppsV1().ReplicaSets(b.namespace).Patch(t.Context(), "shop-"+stable, types.MergePatchType,
		[]byte(`{"metadata": {"annotations": {"rollout.dev/hash": "of-another-version"}}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	e.run()
	b.patch(`{"spec": {"replicas": 5}}`)
	r := b.waitFor("one pod more", func(r *v1alpha1.Rollout) bool {
		return r.Status.AvailableReplicas == 5 && r.Status.Phase == v1alpha1.PhaseHealthy
	})
	require.Equal(t, stable, r.Status.StableRevision)
	require.Zero(t, r.Status.Runs)
	require.Len(t, intersection(pods, b.uids()), len(pods))
}

func TestUndoGoesBackToARevisionThatTheDeploymentMade(t *testing.T) {
	t.Parallel()
	b := borrowed(t, newBorrower(t))
	first := b.rollout().Status.StableRevision
	b.deploy("v2")
	b.waitStable(first)
	out, code := b.cli("undo", "checkout")
	require.Zero(t, code, out)
	eventually(t, "the first revision to be stable again", func() (bool, string) {
		r := b.rollout()
		return r.Status.StableRevision == first && r.Status.Phase == v1alpha1.PhaseHealthy, r.Status.Message
	})
	b.remove(metav1.DeletePropagationBackground)
	b.requireHandedBack()
	index := slices.IndexFunc(b.sets(), func(s appsv1.ReplicaSet) bool { return *s.Spec.Replicas > 0 })
	require.Equal(t, "shop-"+first, b.sets()[index].Name)
}
