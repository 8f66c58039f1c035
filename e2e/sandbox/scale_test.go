//go:build integration

package sandbox

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// routed is what every canary with a route has, without its steps.
const routed = `
      stableService: checkout-stable
      canaryService: checkout-canary
      trafficRouting:
        settleSeconds: 1
        drainSeconds: 1
        gatewayAPI: {routes: [{kind: HTTPRoute, name: checkout}]}
      abortScaleDownDelaySeconds: 0`

func TestTheCanaryHasThePodsThatThePlanSaysWhateverItsWeight(t *testing.T) {
	t.Parallel()
	a, _ := installed(t)
	before := a.received()
	a.strategy = routed + `
      minPodsPerReplicaSet: 2
      steps: [{setCanaryScale: {replicas: 3}}, {setWeight: 10}, {pause: {}}, {setCanaryScale: {matchTrafficWeight: true}}, {pause: {}}, {setCanaryScale: {weight: 100}}, {pause: {}}]`
	a.release("v2")
	for _, pods := range []int{3, 2, 4} {
		canary := a.waitPhase(v1alpha1.PhasePaused).Status.Release
		require.Len(t, a.pods(canary.Revision), pods, "step %d", canary.StepIndex)
		require.EqualValues(t, 10, a.weight("checkout-canary"))
		out, code := a.cli("promote", "checkout")
		require.Zero(t, code, out)
		a.waitFor("the next step", func(r *v1alpha1.Rollout) bool {
			return r.Status.Release == nil || r.Status.Release.StepIndex > canary.StepIndex
		})
	}
	a.waitPhase(v1alpha1.PhaseHealthy)
	require.Zero(t, a.failedSince(before))
}

func TestAStableThatGivesItsPodsBackGetsThemBeforeItsTraffic(t *testing.T) {
	t.Parallel()
	a, _ := installed(t)
	before, stable := a.received(), a.rollout().Status.StableRevision
	a.strategy = routed + `
      dynamicStableScale: true
      steps: [{setWeight: 75}, {pause: {}}]`
	a.release("v2")
	a.waitFor("stable to have one pod of four", func(r *v1alpha1.Rollout) bool {
		return r.Status.Phase == v1alpha1.PhasePaused && len(a.pods(stable)) == 1
	})
	out, code := a.cli("abort", "checkout")
	require.Zero(t, code, out)
	a.waitPhase(v1alpha1.PhaseDegraded)
	require.Len(t, a.pods(stable), 4)
	require.EqualValues(t, 100, a.weight("checkout-stable"))
	require.Zero(t, a.failedSince(before))
}

func TestAPodWaitsRatherThanShareANodeWithAnotherRevision(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.strategy = routed + `
      antiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {}}
      steps: [{setWeight: 50}, {pause: {}}]`
	a.services()
	a.route()
	a.engine()
	a.release("v1")
	stable := a.waitPhase(v1alpha1.PhaseHealthy).Status.StableRevision
	taken := map[string]bool{}
	for _, pod := range a.pods(stable) {
		taken[pod.Spec.NodeName] = true
	}
	nodes, err := cluster.kubernetes.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, taken, len(nodes.Items), "stable has a pod on every node")
	a.release("v2")
	r := a.waitFor("the release", func(r *v1alpha1.Rollout) bool { return r.Status.Release != nil })
	a.waitPods("the canary's pods to find no node", r.Status.Release.Revision, 2, func(pod corev1.Pod) bool {
		return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonUnschedulable
		})
	})
}
