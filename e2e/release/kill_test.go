//go:build e2e

package release

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

const quick = `
canary:
  stableService: stable
  canaryService: canary
  trafficRouting:
    gatewayAPI: {routes: [{kind: HTTPRoute, name: shop}]}
    settleSeconds: 4
    drainSeconds: 1
  steps:
  - setWeight: 50
  - pause: {duration: 5s}
`

func inPhase(r *v1alpha1.Rollout, phase string) bool {
	return r.Status.Release != nil && r.Status.Release.Phase == phase
}

// atStep says whether the release is at a step, counting from 0. The words of a status come a moment later than that.
func atStep(r *v1alpha1.Rollout, index int32) bool {
	return inPhase(r, "Stepping") && r.Status.Release.StepIndex == index
}

// moment is a part of a release.
type moment struct {
	name    string
	reached func(*v1alpha1.Rollout) bool
}

// ending is what a release leads to, told in a way that is the same for every release.
type ending struct {
	phase              v1alpha1.Phase
	weights            [2]int32
	stableTo, canaryTo string
	// pods are those of all revisions, newRevisions the ReplicaSets that the release made, and runs how often it began.
	pods         map[string]int32
	newRevisions int
	runs         int64
}

func TestAReleaseEndsTheSameWhenTheControllerIsKilled(t *testing.T) {
	s, clients := openBusyShop(t, plan{manifest: "routed.yaml", strategy: quick, limit: 6 * time.Minute})
	undisturbed := s.releaseAndKill("v2", "undisturbed", nil)
	require.Equal(t, ending{
		phase: v1alpha1.PhaseHealthy, weights: [2]int32{100, 0}, stableTo: "new", canaryTo: "new",
		pods: map[string]int32{"new": replicas}, newRevisions: 1, runs: 1,
	}, undisturbed)
	for i, moment := range []moment{
		{"before the first weight", func(r *v1alpha1.Rollout) bool { return atStep(r, 0) && r.Status.Traffic.CanaryWeight == 0 }},
		{"while a weight settles", func(r *v1alpha1.Rollout) bool { return atStep(r, 0) && r.Status.Traffic.CanaryWeight == 50 }},
		{"in a pause", func(r *v1alpha1.Rollout) bool { return atStep(r, 1) }},
		{"while promoting", func(r *v1alpha1.Rollout) bool { return inPhase(r, "Promoting") }},
		{"while handing over", func(r *v1alpha1.Rollout) bool { return r.Status.Release == nil && len(r.Status.Revisions) == 2 }},
	} {
		next := fmt.Sprintf("v%d", i+3)
		require.Equal(t, undisturbed, s.releaseAndKill(next, moment.name, moment.reached), "killed %s", moment.name)
		ended := time.Now()
		clients.awaitRequests(requestsPerSecond, ended)
		require.Equal(t, 1.0, clients.Answers().Since(ended).Share(next))
		clients.requireNoFailure()
	}
	s.figures.add(t.Name(), "%s", clients.Answers())
}

// releaseAndKill releases a version, kills the controller at a moment, and returns how it ended.
func (s *shop) releaseAndKill(next, name string, moment func(*v1alpha1.Rollout) bool) ending {
	s.t.Helper()
	before := s.rollout()
	sets := len(s.replicaSets())
	began := time.Now()
	s.release(version{name: next})
	if moment != nil {
		s.await(name, moment)
		require.NoError(s.t, s.killController(s.ctx))
		require.True(s.t, moment(s.rollout()), "the release went on before the controller was killed")
	}
	r := s.await("healthy with "+next, func(r *v1alpha1.Rollout) bool {
		return r.Status.Phase == v1alpha1.PhaseHealthy && r.Status.StableRevision != before.Status.StableRevision
	})
	s.awaitPods(r.Status.StableRevision)
	s.figures.add(s.t.Name()+" "+name, "%s", time.Since(began).Round(time.Second))
	names := func(revision string) string {
		return map[string]string{r.Status.StableRevision: "new", before.Status.StableRevision: "old"}[revision]
	}
	pods := map[string]int32{}
	for revision, n := range s.pods() {
		pods[names(revision)] = n
	}
	return ending{
		phase: r.Status.Phase, weights: s.weights(), stableTo: names(s.pointsTo("stable")), canaryTo: names(s.pointsTo("canary")),
		pods: pods, newRevisions: len(s.replicaSets()) - sets, runs: r.Status.Runs - before.Status.Runs,
	}
}

// pointsTo is the revision that a Service selects.
func (s *shop) pointsTo(service string) string {
	s.t.Helper()
	found, err := s.kube.CoreV1().Services(s.namespace).Get(s.ctx, service, metav1.GetOptions{})
	require.NoError(s.t, err)
	return found.Spec.Selector[v1alpha1.PodTemplateHashLabel]
}
