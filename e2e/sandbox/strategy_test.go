//go:build integration

package sandbox

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// wired waits until a strategy is in force and nothing is left to do.
func (a *app) wired(mode string) {
	a.t.Helper()
	a.waitFor("mode "+mode, func(r *v1alpha1.Rollout) bool {
		t := r.Status.Traffic
		return t != nil && t.Wiring != nil && t.Wiring.Mode == mode && r.Status.ObservedGeneration == r.Generation && r.Status.Phase == v1alpha1.PhaseHealthy
	})
}

func TestTheStrategyCanBeChangedInEveryDirectionAndNoRequestIsLost(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.services()
	a.route()
	a.engine()
	a.strategy = byPods
	a.release("v1")
	a.wired("Pods")
	before, old := a.received(), a.rollout().Status.StableRevision

	a.strategy = usualStrategy
	a.release("v1")
	a.wired("Routes")
	require.Equal(t, old, a.reached("checkout-stable"))
	a.release("v2")
	a.waitPhase(v1alpha1.PhaseHealthy)

	// What it is to change to isn't there yet: everything stays as it is, and a person is told.
	a.kind = "blueGreen"
	a.strategy = strings.NewReplacer("checkout-active", "checkout-stable").Replace(usualBlueGreen)
	a.release("v2")
	a.waitStalled("MissingService", "spec.strategy.blueGreen.previewService", `"checkout-preview"`)
	require.Equal(t, "Routes", a.rollout().Status.Traffic.Wiring.Mode)
	a.service("checkout-preview")
	a.wired("Selector")
	require.Empty(t, a.reached("checkout-canary"), "nobody looks after it any more")
	a.release("v3")
	a.waitPhase(v1alpha1.PhaseHealthy)

	a.kind, a.strategy = "canary", byPods
	a.release("v3")
	a.wired("Pods")
	require.Empty(t, a.reached("checkout-stable"))
	require.Empty(t, a.reached("checkout-preview"))
	a.release("v4")
	r := a.waitPhase(v1alpha1.PhaseHealthy)
	require.EqualValues(t, 4, r.Status.Runs, "a change of the strategy alone is no release")
	require.Zero(t, a.failedSince(before))
}

func TestAReleaseUnderWayIsTakenBackBeforeTheStrategyChangesAndBeginsAgain(t *testing.T) {
	t.Parallel()
	a, _ := installed(t)
	a.strategy = usualStrategy + "\n      - pause: {}"
	before := a.received()
	a.release("v2")
	next := a.waitPhase(v1alpha1.PhasePaused).Status.Release.Revision
	a.strategy = byPods
	a.release("v2")
	a.wired("Pods")
	require.Equal(t, next, a.rollout().Status.StableRevision)
	require.Zero(t, a.failedSince(before))
}

const pingPong = `
      pingPong: {pingService: checkout-stable, pongService: checkout-canary}
      trafficRouting:
        settleSeconds: 1
        drainSeconds: 1
        gatewayAPI: {routes: [{kind: HTTPRoute, name: checkout}]}
      abortScaleDownDelaySeconds: 0
      steps: [{setWeight: 50}]`

func TestServicesThatTakeTurnsAreNeverPointedElsewhereWhileTheyHaveTraffic(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.services()
	a.route()
	a.engine()
	a.strategy = pingPong
	a.release("v1")
	a.waitPhase(v1alpha1.PhaseHealthy)
	before, moved := a.received(), a.watchPointers()
	for round, version := range []string{"v2", "v3", "v4"} {
		a.release(version)
		r := a.waitPhase(v1alpha1.PhaseHealthy)
		require.Equal(t, round%2 == 0, r.Status.Traffic.Swapped)
		require.Zero(t, r.Status.Traffic.CanaryWeight)
		serving := map[bool]string{false: "checkout-stable", true: "checkout-canary"}[r.Status.Traffic.Swapped]
		require.Equal(t, r.Status.StableRevision, a.reached(serving))
		require.EqualValues(t, 100, a.weight(serving))
	}
	require.Zero(t, a.failedSince(before))
	pointed := moved()
	require.Len(t, pointed, 6, "each release points a Service at the new revision, and the other one when it has drained")
	for _, m := range pointed {
		require.NoError(t, m.err)
		require.Zero(t, m.weight, "Service %s was pointed elsewhere", m.service)
	}
}

// weight is what the app's route gives a Service.
func (a *app) weight(service string) int32 {
	a.t.Helper()
	weight, err := weightIn(a.t.Context(), a.namespace, service)
	require.NoError(a.t, err)
	return weight
}

func weightIn(ctx context.Context, namespace, service string) (int32, error) {
	route, err := cluster.routes.GatewayV1().HTTPRoutes(namespace).Get(ctx, "checkout", metav1.GetOptions{})
	if err != nil {
		return 0, err
	}
	for _, b := range route.Spec.Rules[0].BackendRefs {
		if string(b.Name) == service {
			return *b.Weight, nil
		}
	}
	return 0, fmt.Errorf("the route doesn't name Service %s", service)
}

// pointing is that a Service's selector was changed, and what the route gave it then.
type pointing struct {
	service string
	weight  int32
	err     error
}

// watchPointers notes every change of what a Service points at, until the returned function is called. The weight is read
// right after, which is soon enough: a Service that was pointed elsewhere gets no share before it has settled.
func (a *app) watchPointers() func() []pointing {
	a.t.Helper()
	services := cluster.kubernetes.CoreV1().Services(a.namespace)
	known, err := services.List(a.t.Context(), metav1.ListOptions{})
	require.NoError(a.t, err)
	points := map[string]string{}
	for _, s := range known.Items {
		points[s.Name] = s.Spec.Selector[v1alpha1.PodTemplateHashLabel]
	}
	watching, err := services.Watch(a.t.Context(), metav1.ListOptions{ResourceVersion: known.ResourceVersion})
	require.NoError(a.t, err)
	var seen []pointing
	done := make(chan struct{})
	go func() {
		defer close(done)
		for event := range watching.ResultChan() {
			s, ok := event.Object.(*corev1.Service)
			if !ok || s.Spec.Selector[v1alpha1.PodTemplateHashLabel] == points[s.Name] {
				continue
			}
			points[s.Name] = s.Spec.Selector[v1alpha1.PodTemplateHashLabel]
			weight, err := weightIn(a.t.Context(), a.namespace, s.Name)
			seen = append(seen, pointing{s.Name, weight, err})
		}
	}()
	stop := sync.OnceFunc(func() { watching.Stop(); <-done })
	a.t.Cleanup(stop)
	return func() []pointing {
		stop()
		return seen
	}
}
