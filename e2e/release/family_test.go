//go:build e2e

package release

import (
	"maps"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/rollout-dev/rollout/e2e/load"
)

// family is a way to release, in the variants that the transitions need.
type family struct {
	name string
	// plan has no strategy yet.
	plan
	// held waits for a person in the middle of a release. flowing goes through by itself, and so does slow, which leaves time
	// for a person.
	held, flowing, slow string
	// judged is held with an analysis that fails.
	judged string
	// hidden: clients don't meet a version before it is promoted.
	hidden bool
	// enter sends the clients.
	enter func(*shop) *clients
}

const gatewayStrategy = `
canary:
  stableService: stable
  canaryService: canary
  trafficRouting:
    gatewayAPI: {routes: [{kind: HTTPRoute, name: shop}]}
    settleSeconds: 1
    drainSeconds: 2
  abortScaleDownDelaySeconds: 0
`

const (
	heldSteps    = `steps: [{setWeight: 50}, {pause: {}}, {setWeight: 75}, {pause: {duration: 1s}}]`
	slowSteps    = `steps: [{setWeight: 50}, {pause: {duration: 6s}}]`
	flowingSteps = `steps: [{setWeight: 50}, {pause: {duration: 2s}}, {setWeight: 75}, {pause: {duration: 1s}}]`
	// failing is an analysis that no version passes.
	failing = `{metrics: [{name: verdict, query: vector(0), interval: 1s, threshold: {min: "1"}}]}`
)

// byGateway splits traffic by the weights of a route.
func byGateway() family {
	return family{
		name: "canary, gateway", plan: plan{manifest: "routed.yaml", replicas: 2},
		held: with(gatewayStrategy, heldSteps), flowing: with(gatewayStrategy, flowingSteps), slow: with(gatewayStrategy, slowSteps),
		judged: with(gatewayStrategy, heldSteps, "analysis: "+failing),
		enter:  throughGateway,
	}
}

// byReplicas splits traffic by the number of pods.
func byReplicas() family {
	const strategy = `canary: {maxSurge: 1, maxUnavailable: 0, abortScaleDownDelaySeconds: 0}`
	return family{
		name: "canary, replicas", plan: plan{manifest: "plain.yaml", replicas: 2, env: lingering()},
		held: with(strategy, heldSteps), flowing: with(strategy, flowingSteps), slow: with(strategy, slowSteps),
		judged: with(strategy, heldSteps, "analysis: "+failing),
		enter:  func(s *shop) *clients { return s.sendThroughNode("shop", transitionRate) },
	}
}

// bySwitch switches the selector of a Service.
func bySwitch() family {
	const strategy = `
blueGreen:
  activeService: active
  previewService: preview
  settleSeconds: 1
  drainSeconds: 2
  scaleDownDelaySeconds: 3
  abortScaleDownDelaySeconds: 0
`
	return family{
		name: "blue-green", plan: plan{manifest: "switched.yaml", replicas: 2},
		held: with(strategy, "autoPromotionEnabled: false"), flowing: with(strategy, "autoPromotionSeconds: 2"), slow: with(strategy, "autoPromotionSeconds: 6"),
		judged: with(strategy, "autoPromotionEnabled: false", "prePromotionAnalysis: "+failing),
		hidden: true,
		enter:  func(s *shop) *clients { return s.sendThroughNode("active", transitionRate) },
	}
}

// patience is how long a client waits. Many transitions at the same time are too much for a small machine now and then; an
// answer that comes late is none that was lost.
const patience = 30 * time.Second

func throughGateway(s *shop) *clients {
	return s.send(load.Options{URL: s.gatewayURL(), Host: s.host(), Rate: transitionRate, Timeout: patience})
}

// with is a strategy with other values for some of its fields, both as YAML; null removes a field.
func with(strategy string, fields ...string) string {
	var base map[string]map[string]any
	mustParse(strategy, &base)
	for _, text := range fields {
		var changes map[string]any
		mustParse(text, &changes)
		for _, kind := range base {
			maps.Copy(kind, changes)
			maps.DeleteFunc(kind, func(_ string, value any) bool { return value == nil })
		}
	}
	text, err := yaml.Marshal(base)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// mustParse reads YAML that is part of this program.
func mustParse(text string, into any) {
	if err := yaml.Unmarshal([]byte(text), into); err != nil {
		panic(text + ": " + err.Error())
	}
}
