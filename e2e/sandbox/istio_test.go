//go:build integration

package sandbox

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

const bySubsets = `
      trafficRouting:
        settleSeconds: 1
        drainSeconds: 1
        managedRoutes: [{name: testers}, {name: shadow}]
        istio:
          virtualService: {name: checkout, routes: [web]}
          destinationRule: {name: checkout, stableSubsetName: stable, canarySubsetName: canary}
      abortScaleDownDelaySeconds: 0
      steps:
      - setHeaderRoute: {name: testers, match: [{headerName: x-canary, headerValue: {exact: "yes"}}]}
      - pause: {}
      - setMirrorRoute: {name: shadow, percentage: 30}
      - setWeight: 25
      - pause: {}`

const meshObjects = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: checkout}
spec:
  host: checkout
  trafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}, outlierDetection: {consecutive5xxErrors: 3}}
  subsets:
  - {name: legacy, labels: {version: legacy}}
  - {name: stable, labels: {app: checkout}, trafficPolicy: {loadBalancer: {simple: LEAST_REQUEST}}}
  - {name: canary}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: checkout, labels: {team: shop}}
spec:
  hosts: [checkout]
  http:
  - name: admin
    match: [{uri: {prefix: /admin}}]
    route: [{destination: {host: admin}}]
  - name: web
    timeout: 3s
    retries: {attempts: 2, retryOn: gateway-error}
    headers: {request: {set: {x-from: mesh}}}
    route:
    - {destination: {host: checkout, subset: legacy}, weight: 0}
    - {destination: {host: checkout, subset: stable}, weight: 100}
    - {destination: {host: checkout, subset: canary}, weight: 0}`

// installIstio defines the kinds of Istio's that the engine writes, from the module that the engine is built with.
func installIstio(t *testing.T) {
	t.Helper()
	folder, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "istio.io/api").Output()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(folder)), "kubernetes", "customresourcedefinitions.gen.yaml"))
	require.NoError(t, err)
	for definition := range strings.SplitSeq(string(text), "\n---\n") {
		if strings.Contains(definition, "\n    kind: VirtualService\n") || strings.Contains(definition, "\n    kind: DestinationRule\n") {
			require.NoError(t, apply("", definition))
		}
	}
}

// meshObject is an object of Istio's.
func (a *app) meshObject(plural string) *unstructured.Unstructured {
	a.t.Helper()
	resource := schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: plural}
	object, err := cluster.dynamic.Resource(resource).Namespace(a.namespace).Get(a.t.Context(), "checkout", metav1.GetOptions{})
	require.NoError(a.t, err)
	return object
}

// spec is the spec as JSON, which has one form.
func spec(t *testing.T, object *unstructured.Unstructured) string {
	t.Helper()
	text, err := json.Marshal(object.Object["spec"])
	require.NoError(t, err)
	return string(text)
}

// httpRules are the rules of the VirtualService by their names, and the names in their order.
func (a *app) httpRules() (rules map[string]map[string]any, order []string) {
	a.t.Helper()
	all, _, err := unstructured.NestedSlice(a.meshObject("virtualservices").Object, "spec", "http")
	require.NoError(a.t, err)
	rules = map[string]map[string]any{}
	for _, rule := range all {
		name := rule.(map[string]any)["name"].(string)
		rules[name], order = rule.(map[string]any), append(order, name)
	}
	return rules, order
}

func weightsOf(rule map[string]any) []int64 {
	var weights []int64
	for _, to := range rule["route"].([]any) {
		weight, _ := to.(map[string]any)["weight"].(int64)
		weights = append(weights, weight)
	}
	return weights
}

// pausedAt waits until the release waits for a person at a step.
func (a *app) pausedAt(step string) {
	a.t.Helper()
	a.waitFor("pause at "+step, func(r *v1alpha1.Rollout) bool {
		return r.Status.Phase == v1alpha1.PhasePaused && strings.Contains(r.Status.Message, step)
	})
}

func (a *app) mustCLI(args ...string) {
	a.t.Helper()
	out, code := a.cli(args...)
	require.Zero(a.t, code, out)
}

func TestAReleaseBySubsetsWithHeaderAndMirrorLeavesEverythingElseOfTheMeshAsItIs(t *testing.T) {
	t.Parallel()
	installIstio(t)
	a := newApp(t)
	a.service("checkout")
	eventually(t, "kinds of Istio", func() (bool, string) {
		err := apply(a.namespace, meshObjects)
		return err == nil, "apply says no"
	})
	service, route, rule := "checkout", spec(t, a.meshObject("virtualservices")), spec(t, a.meshObject("destinationrules"))
	e := a.engine()
	a.strategy = bySubsets
	a.release("v1")
	first := a.waitPhase(v1alpha1.PhaseHealthy).Status.StableRevision
	pinned := func(stable, canary string) string {
		return strings.NewReplacer(`{"labels":{"app":"checkout"},`, `{"labels":{"app":"checkout","pod-template-hash":"`+stable+`"},`,
			`{"name":"canary"}`, `{"labels":{"pod-template-hash":"`+canary+`"},"name":"canary"}`).Replace(rule)
	}
	require.Equal(t, pinned(first, first), spec(t, a.meshObject("destinationrules")))
	require.Equal(t, route, spec(t, a.meshObject("virtualservices")))
	require.Empty(t, a.reached(service), "the Service of subsets reaches all revisions")

	a.release("v2")
	a.pausedAt("step 2 of 5")
	second := a.rollout().Status.Release.Revision
	require.Equal(t, pinned(first, second), spec(t, a.meshObject("destinationrules")))
	rules, order := a.httpRules()
	require.Equal(t, []string{"admin", "testers", "web"}, order)
	require.Equal(t, []int64{0, 100, 0}, weightsOf(rules["web"]))
	require.Equal(t, rules["web"]["retries"], rules["testers"]["retries"], "what the owner says of the requests holds for testers too")

	e.kill()
	e.run()
	a.mustCLI("promote", "checkout")
	a.pausedAt("step 5 of 5")
	rules, order = a.httpRules()
	require.Equal(t, []string{"admin", "testers", "shadow", "web"}, order, "what an earlier step has set survives a restart and later steps")
	require.Len(t, rules["shadow"]["mirrors"], 1)

	a.mustCLI("abort", "checkout")
	a.waitPhase(v1alpha1.PhaseDegraded)
	a.waitFor("the way back", func(r *v1alpha1.Rollout) bool { return r.Status.Release.Phase == "Aborted" })
	eventually(t, "everything as it was", func() (bool, string) {
		now := spec(t, a.meshObject("destinationrules"))
		return now == pinned(first, first), now
	})
	require.Equal(t, route, spec(t, a.meshObject("virtualservices")), "the weights are what they were, and no rule is left")

	a.mustCLI("retry", "checkout")
	a.pausedAt("step 2 of 5")
	a.mustCLI("promote", "checkout", "--full")
	a.waitPhase(v1alpha1.PhaseHealthy)
	require.Equal(t, pinned(second, second), spec(t, a.meshObject("destinationrules")))
	require.Equal(t, route, spec(t, a.meshObject("virtualservices")))
	require.Equal(t, "shop", a.meshObject("virtualservices").GetLabels()["team"])
}
