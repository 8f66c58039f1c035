//go:build integration

package crash

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// scenario is what people do with one application, and how it ends.
type scenario struct {
	name string
	// objects are what there is beside the Rollout.
	objects string
	// strategy is what stands below spec.strategy.
	strategy string
	replicas int
	// borrows: the pods come from a Deployment.
	borrows bool
	// before is what is done without bad luck, script what follows.
	before, script []deed
	end            ending
}

// Phases that a script waits for or ends in.
const (
	healthy  = v1alpha1.PhaseHealthy
	paused   = v1alpha1.PhasePaused
	degraded = v1alpha1.PhaseDegraded
	// gone: there is no Rollout any more.
	gone = v1alpha1.Phase("gone")
)

var scenarios = []scenario{
	{
		name: "first install", objects: routed, strategy: canary(halfWay), replicas: 2,
		script: []deed{release("v1")},
		end:    ending{phase: healthy, stable: "v1"},
	}, {
		name: "good release", objects: routed, strategy: canary(halfWay), replicas: 2,
		before: installed,
		script: []deed{release("v2")},
		end:    ending{phase: healthy, stable: "v2"},
	}, {
		name: "promoted in full", objects: routed, strategy: canary(waits), replicas: 2,
		before: underWay,
		script: []deed{ask(v1alpha1.VerbPromoteFull)},
		end:    ending{phase: healthy, stable: "v2"},
	}, {
		name: "aborted", objects: routed, strategy: canary(waits), replicas: 2,
		before: underWay,
		script: []deed{ask(v1alpha1.VerbAbort)},
		end:    ending{phase: degraded, stable: "v1", cause: "Request"},
	}, {
		name: "aborted and tried again", objects: routed, strategy: canary(waits), replicas: 2,
		before: underWay,
		script: []deed{ask(v1alpha1.VerbAbort), until(degraded), ask(v1alpha1.VerbRetry), until(paused), ask(v1alpha1.VerbPromote)},
		end:    ending{phase: healthy, stable: "v2"},
	}, {
		name: "new push in the middle", objects: routed, strategy: canary(waits), replicas: 2,
		before: underWay,
		script: []deed{release("v3"), until(paused), ask(v1alpha1.VerbPromote)},
		end:    ending{phase: healthy, stable: "v3"},
	}, {
		name: "by replica count", strategy: byReplicas, replicas: 4,
		before: installed,
		script: []deed{release("v2")},
		end:    ending{phase: healthy, stable: "v2"},
	}, {
		name: "scaled in the middle", objects: routed, strategy: canary(waits), replicas: 2,
		before: underWay,
		script: []deed{scale(4), until(paused), ask(v1alpha1.VerbPromote)},
		end:    ending{phase: healthy, stable: "v2"},
	}, {
		name: "undone", objects: routed, strategy: canary(halfWay), replicas: 2,
		before: append(slices.Clip(installed), release("v2"), until(healthy)),
		script: []deed{undo("v1")},
		end:    ending{phase: healthy, stable: "v1"},
	}, {
		name: "Services that take turns", objects: routed, strategy: pingPong, replicas: 2,
		before: installed,
		script: []deed{release("v2")},
		end:    ending{phase: healthy, stable: "v2"},
	}, {
		name: "dynamic stable scale, aborted", objects: routed, strategy: canary(waits) + "\n  dynamicStableScale: true", replicas: 4,
		before: underWay,
		script: []deed{ask(v1alpha1.VerbAbort)},
		end:    ending{phase: degraded, stable: "v1", cause: "Request"},
	}, {
		name: "canary of its own size", objects: routed, strategy: canary(sized), replicas: 4,
		before: installed,
		script: []deed{release("v2")},
		end:    ending{phase: healthy, stable: "v2"},
	}, {
		name: "restarted", objects: routed, strategy: canary(halfWay), replicas: 2,
		before: installed,
		script: []deed{ask(v1alpha1.VerbRestart), restarted},
		end:    ending{phase: healthy, stable: "v1"},
	}, {
		name: "blue-green", objects: preview, strategy: blueGreen, replicas: 2,
		before: installed,
		script: []deed{release("v2")},
		end:    ending{phase: healthy, stable: "v2"},
	}, {
		name: "blue-green, aborted after the switch", objects: preview, strategy: blueGreen + watched("nobody_measures_this"), replicas: 2,
		before: append(slices.Clip(installed), release("v2"), switched),
		script: []deed{ask(v1alpha1.VerbAbort)},
		end:    ending{phase: degraded, stable: "v1", cause: "Request"},
	}, {
		name: "blue-green, failed after the switch", objects: preview, strategy: blueGreen + watched("vector(0)"), replicas: 2,
		before: installed,
		script: []deed{release("v2")},
		end:    ending{phase: degraded, stable: "v1", cause: "Analysis"},
	}, {
		name: "taken over from a Deployment", objects: routed, strategy: canary(halfWay), replicas: 2, borrows: true,
		before: []deed{deploy("v1")},
		script: []deed{release("v1")},
		end:    ending{phase: healthy, stable: "v1"},
	}, {
		name: "handed back to a Deployment", objects: routed, strategy: canary(halfWay), replicas: 2, borrows: true,
		before: append([]deed{deploy("v1")}, installed...),
		script: []deed{remove()},
		end:    ending{phase: gone},
	}, {
		name: "from pods to routes", objects: routed, strategy: byReplicas, replicas: 4,
		before: installed,
		script: []deed{change(canary(halfWay))},
		end:    ending{phase: healthy, stable: "v1"},
	}, {
		name: "from routes to pods in the middle", objects: routed, strategy: canary(waits), replicas: 4,
		before: underWay,
		script: []deed{change(byReplicas)},
		end:    ending{phase: healthy, stable: "v2"},
	},
}

// What has happened before the luck turns.
var (
	installed = []deed{release("v1"), until(healthy)}
	underWay  = append(slices.Clip(installed), release("v2"), until(paused))
)

var (
	restarted = when("the restart to be over", func(r *v1alpha1.Rollout) bool { return r.Status.Restart != nil && r.Status.Restart.Done })
	switched  = when("the switch", func(r *v1alpha1.Rollout) bool { return r.Status.Traffic != nil && r.Status.Traffic.CanaryWeight == 100 })
)

// What the steps are.
const (
	halfWay = `[{setWeight: 50}, {pause: {duration: 100ms}}]`
	waits   = `[{setWeight: 50}, {pause: {}}]`
	sized   = `[{setCanaryScale: {replicas: 3}}, {setWeight: 25}, {setCanaryScale: {matchTrafficWeight: true}}, {setWeight: 50}]`
)

func canary(steps string) string {
	return `canary:
  stableService: shop-stable
  canaryService: shop-canary
  trafficRouting:
    ` + times + `
    gatewayAPI: {routes: [{kind: HTTPRoute, name: shop}]}
  abortScaleDownDelaySeconds: 0
  steps: ` + steps
}

// times are the settle and the drain time of all strategies.
var times = strings.Join([]string{fmt.Sprintf("settleSeconds: %d", int(settle.Seconds())), fmt.Sprintf("drainSeconds: %d", int(drain.Seconds()))}, "\n    ")

var pingPong = strings.Replace(canary(halfWay), "stableService: shop-stable\n  canaryService: shop-canary",
	"pingPong: {pingService: shop-stable, pongService: shop-canary}", 1)

var blueGreen = `blueGreen:
  activeService: shop-active
  previewService: shop-preview
  scaleDownDelaySeconds: 0
  abortScaleDownDelaySeconds: 0
  ` + strings.ReplaceAll(times, "\n    ", "\n  ")

// watched adds an analysis after the switch.
func watched(query string) string {
	return `
  postPromotionAnalysis: {metrics: [{name: health, query: ` + query + `, threshold: {min: "1"}, interval: 1s}]}`
}

const byReplicas = `canary:
  steps: [{setWeight: 25}, {pause: {duration: 100ms}}]`

// routed are the Services and the route of a canary.
const routed = `
apiVersion: v1
kind: Service
metadata: {name: shop-stable}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop-canary}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: web, namespace: gateway}]
  rules:
  - backendRefs: [{name: shop-stable, port: 80, weight: 100}, {name: shop-canary, port: 80, weight: 0}]
`

// preview are the Services of a blue-green release.
const preview = `
apiVersion: v1
kind: Service
metadata: {name: shop-active}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop-preview}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}
`
