//go:build e2e

package release

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

const quick = `
canary:
  stableService: stable
  canaryService: canary
  trafficRouting:
    gatewayAPI: {routes: [{kind: HTTPRoute, name: shop}]}
    settleSeconds: 2
    drainSeconds: 3
  steps:
  - setWeight: 50
  - pause: {duration: 3s}
`

// moments are the ones at which the controller is killed, in their order within a release.
var moments = []struct {
	name    string
	reached func(*v1alpha1.Rollout) bool
}{
	{"before the first weight", func(r *v1alpha1.Rollout) bool { return inPhase(r, "Stepping") && r.Status.Traffic.CanaryWeight == 0 }},
	{"while a weight settles", func(r *v1alpha1.Rollout) bool { return inPhase(r, "Stepping") && reason(r) == "Settling" }},
	{"in a pause", func(r *v1alpha1.Rollout) bool { return inPhase(r, "Stepping") && reason(r) == "Pausing" }},
	{"while promoting", func(r *v1alpha1.Rollout) bool { return inPhase(r, "Promoting") }},
	{"while handing over", func(r *v1alpha1.Rollout) bool { return r.Status.Release == nil && reason(r) == "HandingOver" }},
}

func inPhase(r *v1alpha1.Rollout, phase string) bool {
	return r.Status.Release != nil && r.Status.Release.Phase == phase
}

// ending is what a release leads to, as far as it must not depend on what happened to the controller meanwhile.
type ending struct {
	phase           v1alpha1.Phase
	stable          string
	runs            int64
	weights         [2]int32
	stableTo        string
	canaryTo        string
	pods            map[string]int32
	revisionNumbers map[string]string
}

func TestAReleaseEndsTheSameWhenTheControllerIsKilled(t *testing.T) {
	undisturbed := releaseAndKill(t, "", nil)
	for _, moment := range moments {
		t.Run(moment.name, func(t *testing.T) {
			require.Equal(t, undisturbed, releaseAndKill(t, moment.name, moment.reached))
		})
	}
}

// releaseAndKill releases v2, kills the controller at a moment, and returns how it ended. Clients must not notice.
func releaseAndKill(t *testing.T, name string, moment func(*v1alpha1.Rollout) bool) ending {
	t.Helper()
	s, clients := openBusyShop(t, plan{manifest: "routed.yaml", strategy: quick})
	first := s.rollout().Status.StableRevision
	began := time.Now()
	s.release(version{name: "v2"})
	if moment != nil {
		s.await(name, moment)
		require.NoError(t, s.killController(s.ctx))
	}
	s.await("healthy with v2", func(r *v1alpha1.Rollout) bool {
		return r.Status.Phase == v1alpha1.PhaseHealthy && r.Status.StableRevision != first
	})
	r := s.rollout()
	s.awaitPods(r.Status.StableRevision)
	ended := time.Now()
	clients.awaitRequests(requestsPerSecond, ended)
	clients.Stop()
	require.Equal(t, 1.0, clients.Answers().Since(ended).Share("v2"))
	clients.requireNoFailure()
	s.figures.add(t.Name(), "%s, %s", ended.Sub(began).Round(time.Second), clients.Answers())
	return s.ending(r)
}

func (s *shop) ending(r *v1alpha1.Rollout) ending {
	s.t.Helper()
	service := func(name string) string {
		found, err := s.kube.CoreV1().Services(s.namespace).Get(s.ctx, name, metav1.GetOptions{})
		require.NoError(s.t, err)
		return selector(found)
	}
	sets, err := s.kube.AppsV1().ReplicaSets(s.namespace).List(s.ctx, metav1.ListOptions{})
	require.NoError(s.t, err)
	numbers := map[string]string{}
	for _, set := range sets.Items {
		numbers[set.Name] = set.Annotations[v1alpha1.RevisionAnnotation]
	}
	return ending{
		phase: r.Status.Phase, stable: r.Status.StableRevision, runs: r.Status.Runs, weights: s.weights(),
		stableTo: service("stable"), canaryTo: service("canary"), pods: s.pods(), revisionNumbers: numbers,
	}
}

func selector(s *corev1.Service) string { return s.Spec.Selector[v1alpha1.PodTemplateHashLabel] }
