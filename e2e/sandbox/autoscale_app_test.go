//go:build integration

package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// autoscaled is an app whose number of replicas is an autoscaler's business.
type autoscaled struct {
	*app
	drains  bool
	load    *load
	witness *witness
}

// way is a way to release that stops in the middle until somebody promotes.
type way struct {
	name string
	// kind is the field of spec.strategy, strategy what follows it.
	kind, strategy string
	services       []string
	// backends are those of the route.
	backends string
	// drains: pods go only when nobody sends them requests any more. By replica count it is up to the pods to answer what
	// still comes.
	drains bool
}

func ways() []way {
	return []way{
		{
			name: "canary with a route", kind: "canary", drains: true, services: []string{"checkout-stable", "checkout-canary"},
			backends: "{name: checkout-stable, port: 80, weight: 100}, {name: checkout-canary, port: 80, weight: 0}",
			strategy: `
      stableService: checkout-stable
      canaryService: checkout-canary
      trafficRouting:
        settleSeconds: 1
        drainSeconds: 1
        gatewayAPI: {routes: [{kind: HTTPRoute, name: checkout}]}
      steps: [{setWeight: 50}, {pause: {}}]`,
		},
		{
			name: "canary by replica count", kind: "canary", services: []string{"checkout"}, backends: "{name: checkout, port: 80}",
			strategy: `
      steps: [{setWeight: 50}, {pause: {}}]`,
		},
		{
			name: "blue-green", kind: "blueGreen", drains: true, services: []string{"checkout-active", "checkout-preview"}, backends: "{name: checkout-active, port: 80}",
			strategy: `
      activeService: checkout-active
      previewService: checkout-preview
      autoPromotionEnabled: false
      scaleDownDelaySeconds: 0
      settleSeconds: 1
      drainSeconds: 1`,
		},
	}
}

// metric is what an autoscaler looks at.
type metric struct {
	name, manifest string
	// stabilization is for how many seconds the autoscaler looks back before it takes pods away; 300 unless it is told.
	stabilization int
	// calm is what users ask for, as in load, unless it is twice that.
	calm int64
	// replicas are what the autoscaler makes of it at first, when it doubles, and when it halves.
	replicas [3]int32
}

func metrics() []metric {
	return []metric{
		{
			name:     "by CPU",
			manifest: fmt.Sprintf("{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: %d}}}", targetUtilization),
			// Below 4 and 8 by more than what is used by the pods that a release has beyond them, which an autoscaler counts in.
			calm: 3700, replicas: [3]int32{4, 8, 4},
			// Usage, pods and the selector of the scale are read one after the other. When they change at once, as with the switch
			// of a Service, it may look at pods that have nothing to do any more, or miss those that do their work.
			stabilization: 5,
		},
		{
			name:     "by requests",
			manifest: fmt.Sprintf(`{type: External, external: {metric: {name: %s}, target: {type: AverageValue, averageValue: "%d"}}}`, requestRate, requestsPerPod),
			// Above 4 and 8 by less than the tolerance of autoscalers, so that a pod too many in the status is enough for them to ask
			// for more. From 4 they go no further than to 8 at once.
			calm: 4300, replicas: [3]int32{4, 8, 5},
		},
	}
}

// newAutoscaled installs an app and an autoscaler for it, and returns when the autoscaler is content.
func newAutoscaled(t *testing.T, api *metricsAPI, way way, metric metric) *autoscaled {
	t.Helper()
	a := &autoscaled{app: newApp(t), drains: way.drains}
	a.kind, a.strategy, a.replicas = way.kind, way.strategy, int(metric.replicas[0])
	a.load = api.of(a.namespace)
	a.load.permille.Store(metric.calm)
	for _, service := range way.services {
		a.service(service)
	}
	a.routeTo(way.backends)
	a.apply(fmt.Sprintf(`apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: checkout}
spec:
  scaleTargetRef: {apiVersion: rollout.dev/v1alpha1, kind: Rollout, name: checkout}
  minReplicas: 2
  maxReplicas: 40
  metrics: [%s]
  behavior: {scaleDown: {stabilizationWindowSeconds: %d}}`, metric.manifest, metric.stabilization))
	a.engine()
	a.create()
	a.witness = &witness{namespace: a.namespace}
	a.witness.followReplicas(t)
	a.waitPhase(v1alpha1.PhaseHealthy)
	a.witness.followTraffic(t)
	a.waitContent()
	return a
}

// create makes the Rollout with replicas. What is applied later leaves them out, as an autoscaled app's manifest has to, and
// so doesn't take them away either: they belong to whoever created them.
func (a *autoscaled) create() {
	a.t.Helper()
	var object v1alpha1.Rollout
	require.NoError(a.t, yaml.Unmarshal([]byte(a.text("v1")), &object))
	_, err := cluster.rollouts.Rollouts(a.namespace).Create(a.t.Context(), &object, metav1.CreateOptions{FieldManager: "operator"})
	require.NoError(a.t, err)
}

// text is the manifest with what a pod asks for, which a utilization is a part of.
func (a *autoscaled) text(version string) string {
	return strings.Replace(a.manifest(version), "image: checkout,", fmt.Sprintf("image: checkout, resources: {requests: {cpu: %dm}},", requestedCPU), 1)
}

// through releases a version and does something in the middle. It returns when nothing but the new version is left.
func (a *autoscaled) through(version string, inTheMiddle func()) {
	a.t.Helper()
	before := a.received()
	a.apply(strings.Replace(a.text(version), fmt.Sprintf("  replicas: %d\n", a.replicas), "", 1))
	a.waitPhase(v1alpha1.PhasePaused)
	inTheMiddle()
	out, code := a.cli("promote", "checkout")
	require.Zero(a.t, code, out)
	a.waitPhase(v1alpha1.PhaseHealthy)
	a.waitFor("the pods of "+version+" alone", func(r *v1alpha1.Rollout) bool {
		return r.Status.Replicas == *r.Spec.Replicas && r.Status.UpdatedReplicas == *r.Spec.Replicas && r.Status.AvailableReplicas == *r.Spec.Replicas
	})
	a.waitLooks()
	if a.drains {
		require.Zero(a.t, a.failedSince(before))
	}
}

// waitLooks returns when the autoscaler has looked at the present state, and acted on it if it found reason to.
func (a *autoscaled) waitLooks() {
	a.t.Helper()
	// The answer that it is acting on just now is about the past, the one after that it has acted on when it asks again.
	enough := a.load.looks.Load() + 2
	eventually(a.t, "the autoscaler to look", func() (bool, string) { return a.load.looks.Load() >= enough, "it hasn't asked for metrics" })
}

func (a *autoscaled) waitReplicas(want int32) {
	a.t.Helper()
	a.waitFor(fmt.Sprintf("%d replicas", want), func(r *v1alpha1.Rollout) bool { return *r.Spec.Replicas == want })
}

// waitContent returns when the autoscaler can do its work.
func (a *autoscaled) waitContent() {
	a.t.Helper()
	eventually(a.t, "the autoscaler to be active", func() (bool, string) {
		return slices.ContainsFunc(a.autoscaler(), func(c autoscalingv2.HorizontalPodAutoscalerCondition) bool {
			return c.Type == autoscalingv2.ScalingActive && c.Status == corev1.ConditionTrue
		}), a.complaint()
	})
	a.waitLooks()
}

// autoscaler is what the autoscaler says of itself.
func (a *autoscaled) autoscaler() []autoscalingv2.HorizontalPodAutoscalerCondition {
	a.t.Helper()
	hpa, err := cluster.kubernetes.AutoscalingV2().HorizontalPodAutoscalers(a.namespace).Get(a.t.Context(), "checkout", metav1.GetOptions{})
	require.NoError(a.t, err)
	return hpa.Status.Conditions
}

// complaint is why the autoscaler may not do what is expected of it.
func (a *autoscaled) complaint() string {
	a.t.Helper()
	var said []string
	for _, c := range a.autoscaler() {
		said = append(said, fmt.Sprintf("%s is %s: %s", c.Type, c.Status, c.Message))
	}
	return strings.Join(said, "; ")
}
