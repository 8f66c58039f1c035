//go:build e2e

package release

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

const routed = `
canary:
  stableService: stable
  canaryService: canary
  trafficRouting:
    gatewayAPI: {routes: [{kind: HTTPRoute, name: shop}]}
    settleSeconds: 1
    drainSeconds: 1
  steps:
  - setWeight: 50
  - pause: {}
`

func TestBadInputIsNamedTogetherWithTheWayOut(t *testing.T) {
	for name, c := range map[string]struct {
		// spoil makes the input bad, before the Rollout is there.
		spoil func(*shop)
		// version is what is released; v1 unless the template itself is bad.
		version version
		reason  string
		says    []string
		// mend takes the way out that the message names.
		mend func(*shop)
	}{
		"a missing route": {
			spoil:  func(s *shop) { s.deleteRoute() },
			reason: "MissingRoute",
			says:   []string{"spec.strategy.canary.trafficRouting.gatewayAPI.routes", "HTTPRoute shop", "create it"},
			mend:   func(s *shop) { s.applyManifest("routed.yaml", map[string]any{"Host": s.host()}) },
		},
		"a route that doesn't name the Services": {
			spoil: func(s *shop) {
				s.patchRoute(`[{"op": "replace", "path": "/spec/rules/0/backendRefs", "value": [{"name": "stable", "port": 80}]}]`)
			},
			reason: "UnfitRoute",
			says:   []string{"spec.strategy.canary.trafficRouting.gatewayAPI.routes", "HTTPRoute shop", "canary"},
			mend:   func(s *shop) { s.applyManifest("routed.yaml", map[string]any{"Host": s.host()}) },
		},
		"a missing Service": {
			spoil:  func(s *shop) { s.deleteService("canary") },
			reason: "MissingService",
			says:   []string{"spec.strategy.canary.canaryService", `"canary"`, "create it"},
			mend:   func(s *shop) { s.applyManifest("routed.yaml", map[string]any{"Host": s.host()}) },
		},
		"a Service that selects other pods": {
			spoil:  func(s *shop) { s.patchService("stable", `{"spec":{"selector":{"app":"office"}}}`) },
			reason: "SelectorMismatch",
			says:   []string{"spec.strategy.canary.stableService", "app=office", "correct"},
			mend:   func(s *shop) { s.patchService("stable", `{"spec":{"selector":{"app":"shop"}}}`) },
		},
		"a template that is no pod": {
			version: version{name: "v1", image: `""`},
			reason:  "InvalidTemplate",
			says:    []string{"spec.template", "image", "correct"},
			mend:    func(s *shop) { s.release(version{name: "v1"}) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, plan{manifest: "routed.yaml", strategy: routed})
			if c.spoil != nil {
				c.spoil(s)
			}
			if c.version.name == "" {
				c.version = version{name: "v1"}
			}
			s.release(c.version)
			s.requireStalled("shop", c.reason, c.says...)
			c.mend(s)
			s.awaitPhase(v1alpha1.PhaseHealthy)
		})
	}
}

func TestASelectorThatMissesTheTemplateIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s := openShop(t, plan{manifest: "routed.yaml", strategy: routed})
	manifest := fmt.Appendf(nil, `
apiVersion: rollout.dev/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template: {metadata: {labels: {app: office}}, spec: {containers: [{name: app, image: %s}]}}
  strategy: {canary: {}}
`, appImage)
	err := s.apply(s.ctx, s.namespace, manifest)
	require.ErrorContains(t, err, "spec.template.metadata.labels must contain every label of spec.selector.matchLabels")
	require.ErrorContains(t, err, "add the labels to the template")
}

func TestTheSecondRolloutThatClaimsAServiceWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	s := openShop(t, plan{manifest: "routed.yaml", strategy: routed})
	s.release(version{name: "v1"})
	s.awaitPhase(v1alpha1.PhaseHealthy)
	weights, pods := s.weights(), s.pods()

	s.applyManifest("rollout.yaml", s.manifestOf("copy", version{name: "v1"}))

	s.requireStalled("copy", "ServiceClaimed", "Service", `Rollout "shop"`, "Services of its own")
	require.Equal(t, v1alpha1.PhaseHealthy, s.rollout().Status.Phase)
	require.Equal(t, weights, s.weights())
	require.Equal(t, pods, s.pods())
}

func TestARunningReleaseCanBeAbortedWhateverElseIsBroken(t *testing.T) {
	for name, spoil := range map[string]func(*shop){
		"its route is gone":          func(s *shop) { s.deleteRoute() },
		"its canary Service is gone": func(s *shop) { s.deleteService("canary") },
		"its route names nobody": func(s *shop) {
			s.patchRoute(`[{"op": "replace", "path": "/spec/rules/0/backendRefs", "value": [{"name": "stable", "port": 80}]}]`)
		},
		"its canary Service selects other pods": func(s *shop) {
			s.patchService("canary", `{"spec":{"selector":{"app":"office"}}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, plan{manifest: "routed.yaml", strategy: routed})
			s.release(version{name: "v1"})
			s.awaitPhase(v1alpha1.PhaseHealthy)
			s.release(version{name: "v2"})
			s.awaitPause(2)
			spoil(s)
			s.ask("abort", "shop")
			s.requireAborted()
		})
	}
}

func TestWithoutPrometheusAReleaseIsHeldAndCanBeAborted(t *testing.T) {
	s, clients := openBusyShop(t, plan{manifest: "routed.yaml", progressDeadline: 15 * time.Second, strategy: `
canary:
  stableService: stable
  canaryService: canary
  trafficRouting:
    gatewayAPI: {routes: [{kind: HTTPRoute, name: shop}]}
    settleSeconds: 1
    drainSeconds: 1
  analysis:
    metrics:
    - {name: success-rate, interval: 1s, window: 5s, threshold: {min: "0.99"}}
  steps:
  - setWeight: 40
  - setWeight: 50
`})
	require.NoError(t, s.scalePrometheus(s.ctx, 0))
	defer func() { require.NoError(t, s.scalePrometheus(context.WithoutCancel(s.ctx), 1)) }()

	s.release(version{name: "v2"})
	s.requireStalled("shop", "Held", "spec.strategy.canary.analysis", "success-rate", "Prometheus", "rollout promote", "rollout abort")
	require.Equal(t, [2]int32{60, 40}, s.weights())

	s.ask("abort", "shop")
	s.requireAborted()
	require.Equal(t, [2]int32{100, 0}, s.weights())
	clients.Stop()
	clients.requireNoFailure()
}

// requireStalled waits for a condition that says what is wrong, and an event that says the same.
func (s *shop) requireStalled(name, reason string, says ...string) {
	s.t.Helper()
	var stalled *metav1.Condition
	s.awaitNamed(name, "stalled by "+reason, func(r *v1alpha1.Rollout) bool {
		stalled = meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionStalled)
		return stalled != nil && stalled.Status == metav1.ConditionTrue && stalled.Reason == reason
	})
	for _, words := range says {
		require.Contains(s.t, stalled.Message, words)
	}
	require.NoError(s.t, poll(s.ctx, "an event "+reason, func(ctx context.Context) error {
		events := s.events(ctx)
		for _, e := range events {
			if e.InvolvedObject.Name == name && e.Reason == reason && e.Type == corev1.EventTypeWarning && e.Message == stalled.Message {
				return nil
			}
		}
		return fmt.Errorf("none of %d events is one", len(events))
	}))
}

// requireAborted waits until the release was taken back by request.
func (s *shop) requireAborted() {
	s.t.Helper()
	r := s.await("taken back", func(r *v1alpha1.Rollout) bool { return inPhase(r, "Aborted") })
	require.Equal(s.t, v1alpha1.PhaseDegraded, r.Status.Phase)
	require.Equal(s.t, "Request", r.Status.Release.Cause)
}

func (s *shop) deleteRoute() {
	s.t.Helper()
	require.NoError(s.t, s.routes.GatewayV1().HTTPRoutes(s.namespace).Delete(s.ctx, "shop", metav1.DeleteOptions{}))
}

func (s *shop) patchRoute(patch string) {
	s.t.Helper()
	_, err := s.routes.GatewayV1().HTTPRoutes(s.namespace).Patch(s.ctx, "shop", types.JSONPatchType, []byte(patch), metav1.PatchOptions{FieldManager: fieldManager})
	require.NoError(s.t, err)
}

func (s *shop) deleteService(name string) {
	s.t.Helper()
	require.NoError(s.t, s.kube.CoreV1().Services(s.namespace).Delete(s.ctx, name, metav1.DeleteOptions{}))
}

func (s *shop) patchService(name, patch string) {
	s.t.Helper()
	_, err := s.kube.CoreV1().Services(s.namespace).Patch(s.ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: fieldManager})
	require.NoError(s.t, err)
}
