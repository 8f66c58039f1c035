//go:build e2e

package release

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func inPhase(r *v1alpha1.Rollout, phase string) bool {
	return r.Status.Release != nil && r.Status.Release.Phase == phase
}

// atStep says whether the release is at a step, counting from 0. The words of a status come a moment later than that.
func atStep(r *v1alpha1.Rollout, index int32) bool {
	return inPhase(r, "Stepping") && r.Status.Release.StepIndex == index
}

// ownControllers runs tests whose shops have a controller each, which they may kill without disturbing others.
func ownControllers(t *testing.T, tests func(t *testing.T)) {
	require.NoError(t, shared.scaleController(shared.ctx, 0))
	t.Cleanup(func() { require.NoError(t, shared.scaleController(context.WithoutCancel(shared.ctx), 2)) })
	// Parallel subtests go on after their parent's function has returned, but end before its own parent goes on.
	t.Run("own controllers", tests)
}

// ending is what a shop looks like once everything is over, told in a way that is the same for every run.
type ending struct {
	phase v1alpha1.Phase
	runs  int64
	// pods are wanted of each version; every ReplicaSet counts, also one without pods.
	pods map[string]int32
	// selected is the version that each Service has, weights what each backend of the route has.
	selected map[string]string
	weights  map[string]int32
}

// ending looks at the shop. There may be no Rollout any more.
func (s *stage) ending() ending {
	s.t.Helper()
	e := ending{pods: map[string]int32{}, selected: map[string]string{}, weights: map[string]int32{}}
	rollouts, err := s.rollouts.Rollouts(s.namespace).List(s.ctx, metav1.ListOptions{})
	require.NoError(s.t, err)
	for _, r := range rollouts.Items {
		e.phase, e.runs = r.Status.Phase, r.Status.Runs
	}
	versions := map[string]string{}
	for _, set := range s.replicaSets() {
		versions[set.Labels[v1alpha1.PodTemplateHashLabel]] = versionOf(set)
		e.pods[versionOf(set)] += *set.Spec.Replicas
	}
	services, err := s.kube.CoreV1().Services(s.namespace).List(s.ctx, metav1.ListOptions{})
	require.NoError(s.t, err)
	for _, service := range services.Items {
		e.selected[service.Name] = versions[service.Spec.Selector[v1alpha1.PodTemplateHashLabel]]
	}
	routes, err := s.routes.GatewayV1().HTTPRoutes(s.namespace).List(s.ctx, metav1.ListOptions{})
	require.NoError(s.t, err)
	for _, route := range routes.Items {
		for _, backend := range route.Spec.Rules[0].BackendRefs {
			e.weights[string(backend.Name)] = *backend.Weight
		}
	}
	return e
}

func TestAReleaseEndsTheSameWhenTheControllerIsKilled(t *testing.T) {
	// Settling takes long enough for a kill to hit its moment.
	f := byGateway()
	strategy := with(f.flowing, `trafficRouting: {gatewayAPI: {routes: [{kind: HTTPRoute, name: shop}]}, settleSeconds: 4, drainSeconds: 1}`,
		`steps: [{setWeight: 50}, {pause: {duration: 5s}}]`)
	moments := map[string]func(*v1alpha1.Rollout) bool{
		"before the first weight": func(r *v1alpha1.Rollout) bool { return atStep(r, 0) && r.Status.Traffic.CanaryWeight == 0 },
		"while a weight settles":  func(r *v1alpha1.Rollout) bool { return atStep(r, 0) && r.Status.Traffic.CanaryWeight == 50 },
		"in a pause":              func(r *v1alpha1.Rollout) bool { return atStep(r, 1) },
		"while promoting":         func(r *v1alpha1.Rollout) bool { return inPhase(r, "Promoting") },
		"while handing over":      func(r *v1alpha1.Rollout) bool { return r.Status.Release == nil && len(r.Status.Revisions) == 2 },
	}
	ownControllers(t, func(t *testing.T) {
		for name, reached := range moments {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				row := transition{family: f, strategy: strategy, served: []string{"v1", "v2"}, play: func(s *stage) {
					s.push("v2")
					s.await(name, reached)
					require.NoError(s.t, s.killController(s.ctx, s.namespace))
					require.True(s.t, reached(s.rollout()), "the release went on before the controller was killed")
				}}
				var shown performance
				row.perform(t, &shown)
				require.Equal(t, ending{
					phase: v1alpha1.PhaseHealthy, runs: 2, pods: map[string]int32{"v1": 0, "v2": 2},
					selected: map[string]string{"stable": "v2", "canary": "v2"}, weights: map[string]int32{"stable": 100, "canary": 0},
				}, shown.ending)
				shared.figures.add(t.Name(), "%s, %d requests, %d failed", time.Since(began).Round(time.Second), shown.requests, shown.failed)
			})
		}
	})
}

// pointsTo is the revision that a Service selects.
func (s *shop) pointsTo(service string) string {
	s.t.Helper()
	found, err := s.kube.CoreV1().Services(s.namespace).Get(s.ctx, service, metav1.GetOptions{})
	require.NoError(s.t, err)
	return found.Spec.Selector[v1alpha1.PodTemplateHashLabel]
}
