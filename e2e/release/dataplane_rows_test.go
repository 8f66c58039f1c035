//go:build e2e

package release

import (
	"fmt"
	"strings"
	"time"
)

const (
	// What clients send per second: those in the mesh, others, and those of whom a version should get all or nothing. Those of
	// five data planes keep less than one of two processors busy.
	meshRate, planeRate, certainRate = 200, 150, 100
	// What testers send, and nobody else.
	testerHeader, testerValue = "x-tester", "yes"
	// settling is how long a data plane may need to take over a route, and draining for the requests that are under way then.
	settling, draining = 2 * time.Second, 2 * time.Second
)

const (
	weightedSteps = `steps: [{setWeight: 20}, {pause: {}}, {setWeight: 60}, {pause: {}}]`
	testersSteps  = `steps:
- setCanaryScale: {weight: 50}
- setHeaderRoute: {name: testers, match: [{headerName: x-tester, headerValue: {exact: "yes"}}]}
- pause: {}
- setWeight: 40
- pause: {}
`
	managedTesters = `managedRoutes: [{name: testers}]`
	affinity       = `affinity: {cookie: {name: ` + sessionCookie + `}}`
	meshRoute      = `istio: {virtualService: {name: shop}}`

	connectionRoutes = `gatewayAPI: {routes: [{kind: TCPRoute, name: shop}, {kind: TLSRoute, name: shop}]}`
)

// The stops of weightedSteps and of testersSteps.
func weighted() []stop { return []stop{{share: 20}, {share: 60}} }
func tested() []stop   { return []stop{{share: 0, testers: 100}, {share: 40, testers: 100}} }

// meshes are the data planes whose clients are in the mesh.
func meshes() []plane {
	return []plane{
		{router: "Istio, VirtualService", plan: meshPlan("mesh-hosts.yaml", istio(weightedSteps)),
			enter: meshPublic, stops: weighted()},
		{router: "Istio, DestinationRule subsets", plan: meshPlan("mesh-subsets.yaml", istioSubsets()),
			enter: meshPublic, stops: weighted()},
		{router: "Istio, header route", plan: meshPlan("mesh-hosts.yaml", istio(testersSteps, managedTesters)),
			enter: meshWithTesters, stops: tested()},
		{router: "Istio, affinity", plan: meshPlan("mesh-hosts.yaml", istio(weightedSteps, affinity)),
			enter: meshPublic, stops: weighted(), sticky: true},
		{router: "Istio, GRPCRoute of a Service", plan: meshPlan("mesh-grpcroute.yaml", gatewayRoutes("GRPCRoute", weightedSteps)),
			enter: meshPublic, stops: weighted()},
	}
}

// gateways are the other data planes.
func gateways() []plane {
	return []plane{
		{router: "Traefik, HTTPRoute", plan: plan{manifest: "routed.yaml", strategy: gatewayRoutes("HTTPRoute", weightedSteps)},
			enter: gatewayPublic, stops: weighted()},
		{router: "Traefik, header route", plan: plan{manifest: "routed.yaml", strategy: gatewayRoutes("HTTPRoute", testersSteps, managedTesters)},
			enter: gatewayWithTesters, stops: tested()},
		{router: "Traefik, TCPRoute and TLSRoute", plan: plan{manifest: "connections.yaml", strategy: with(hostsStrategy, routing(connectionRoutes), weightedSteps)},
			enter: connections, stops: weighted()},
		{router: "Traefik, HTTPRoute and Istio, VirtualService", plan: meshPlan("mesh-and-gateway.yaml", gatewayRoutes("HTTPRoute", weightedSteps, meshRoute)),
			enter: gatewayAndMesh, stops: weighted(), abort: abortWithoutMesh},
		{router: "kube-proxy, Service", plan: plan{manifest: "switched.yaml", strategy: bySwitch().held},
			enter: nodePublic, stops: []stop{nothing}, connected: true},
	}
}

func meshPlan(manifest, strategy string) plan {
	return plan{manifest: manifest, strategy: strategy, image: meshImage}
}

// hostsStrategy lacks the routes.
const hostsStrategy = `
canary:
  stableService: stable
  canaryService: canary
  abortScaleDownDelaySeconds: 0
`

// istio splits by a VirtualService between Services. more are further fields of trafficRouting.
func istio(steps string, more ...string) string {
	return with(hostsStrategy, routing(append(more, meshRoute)...), steps)
}

// istioSubsets splits by a VirtualService between subsets.
func istioSubsets() string {
	return with(`canary: {abortScaleDownDelaySeconds: 0}`, routing(
		`istio: {virtualService: {name: shop}, destinationRule: {name: shop, stableSubsetName: stable, canarySubsetName: canary}}`), weightedSteps)
}

// gatewayRoutes splits by a route of the Gateway API. more are further fields of trafficRouting.
func gatewayRoutes(kind, steps string, more ...string) string {
	return with(hostsStrategy, routing(append(more, `gatewayAPI: {routes: [{kind: `+kind+`, name: shop}]}`)...), steps)
}

// routing is the field trafficRouting.
func routing(fields ...string) string {
	return fmt.Sprintf("trafficRouting:\n  settleSeconds: %g\n  drainSeconds: %g\n  %s\n", settling.Seconds(), draining.Seconds(), strings.Join(fields, "\n  "))
}

func meshPublic(s *shop) audience {
	return audience{everybody("of all clients", s.callThroughMesh("client", meshRate, ""))}
}

func meshWithTesters(s *shop) audience {
	return append(meshPublic(s), testers(s.callThroughMesh("tester", certainRate, testerHeader+"="+testerValue)))
}

func gatewayPublic(s *shop) audience {
	return audience{everybody("of all clients", s.throughGatewayAs(planeRate, nil))}
}

func gatewayWithTesters(s *shop) audience {
	return append(gatewayPublic(s), testers(s.throughGatewayAs(certainRate, map[string][]string{"X-Tester": {testerValue}})))
}

func nodePublic(s *shop) audience {
	return audience{everybody("of all clients", s.sendThroughNode("active", planeRate))}
}
