//go:build integration

package sandbox

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// roles are labels and annotations that tell the pods of the two revisions apart.
const roles = `
      canaryMetadata: {labels: {role: canary}, annotations: {example.com/note: on trial}}
      stableMetadata: {labels: {role: stable}}`

func role(want string) func(corev1.Pod) bool {
	return func(pod corev1.Pod) bool {
		_, noted := pod.Annotations["example.com/note"]
		return pod.Labels["role"] == want && noted == (want == "canary")
	}
}

func TestPodsCarryTheirRoleAsLongAsTheyPlayItAndNoneIsRestarted(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.services()
	a.route()
	a.engine()
	a.strategy = usualStrategy + "\n      - pause: {}" + roles
	a.release("v1")
	stable := a.waitPhase(v1alpha1.PhaseHealthy).Status.StableRevision
	a.waitPods("the pods of the first version to be stable", stable, 4, role("stable"))
	first := keys(a.pods(stable))

	a.release("v2")
	canary := a.waitPhase(v1alpha1.PhasePaused).Status.Release.Revision
	a.waitPods("the canary's pods to say so", canary, 3, role("canary"))
	require.Equal(t, first, keys(a.pods(stable)))
	on := keys(a.pods(canary))

	out, code := a.cli("promote", "checkout")
	require.Zero(t, code, out)
	a.waitPhase(v1alpha1.PhaseHealthy)
	a.waitPods("the pods of the second version to be stable", canary, 4, role("stable"))
	require.Subset(t, list(keys(a.pods(canary))), list(on))
}

func TestWhatTheStrategySaysOfPodsChangesWithoutARelease(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.strategy = byPods + roles
	a.engine()
	a.release("v1")
	r := a.waitPhase(v1alpha1.PhaseHealthy)
	stable := r.Status.StableRevision
	a.waitPods("the label", stable, 4, role("stable"))
	pods := keys(a.pods(stable))

	a.spec, a.strategy = "\n  minReadySeconds: 1", byPods
	a.release("v1")
	a.waitPods("the label to be taken off", stable, 4, role(""))
	eventually(t, "minReadySeconds to reach the ReplicaSet", func() (bool, string) {
		set, err := cluster.kubernetes.AppsV1().ReplicaSets(a.namespace).Get(t.Context(), "checkout-"+stable, metav1.GetOptions{})
		require.NoError(t, err)
		return set.Spec.MinReadySeconds == 1 && set.Spec.Template.Labels["role"] == "", "not yet"
	})
	require.Equal(t, pods, keys(a.pods(stable)))
	require.EqualValues(t, 1, a.waitPhase(v1alpha1.PhaseHealthy).Status.Runs)
}
