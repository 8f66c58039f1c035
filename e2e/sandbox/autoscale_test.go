//go:build integration

package sandbox

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func TestAReleaseAndAnAutoscalerLeaveEachOtherAlone(t *testing.T) {
	t.Parallel()
	api := serveMetrics(t)
	for _, way := range ways() {
		for _, metric := range metrics() {
			t.Run(way.name+", "+metric.name, func(t *testing.T) {
				t.Parallel()
				a := newAutoscaled(t, api, way, metric)
				calm, busy, calmAgain := metric.replicas[0], metric.replicas[1], metric.replicas[2]

				a.through("v2", func() {
					a.waitLooks()
					a.witness.requireReplicas(t, calm)
					a.load.permille.Store(2 * metric.calm)
					a.waitReplicas(busy)
				})
				a.witness.requireReplicas(t, calm, busy)

				a.through("v3", func() {
					a.waitLooks()
					a.witness.requireReplicas(t, calm, busy)
					a.load.permille.Store(metric.calm)
					a.waitReplicas(calmAgain)
				})
				a.witness.requireReplicas(t, calm, busy, calmAgain)
			})
		}
	}
}

func TestARolloutThatNamesNoNumberOfPodsHasAScale(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.strategy = ` {}`
	a.engine()
	a.apply(strings.Replace(a.manifest("v1"), "replicas: 4", "", 1))
	require.EqualValues(t, 1, a.waitPhase(v1alpha1.PhaseHealthy).Status.ReadyReplicas)
	scale, err := cluster.dynamic.Resource(v1alpha1.GroupVersion.WithResource("rollouts")).Namespace(a.namespace).
		Get(t.Context(), "checkout", metav1.GetOptions{}, "scale")
	require.NoError(t, err)
	replicas, _, err := unstructured.NestedInt64(scale.Object, "spec", "replicas")
	require.NoError(t, err)
	require.EqualValues(t, 1, replicas)
}
