//go:build e2e

package release

// Where chance decides about each call, 6000 calls are less than 2 points away from the weight in all but a few of ten thousand
// measurements; what takes turns needs no more than shareRequests.
const (
	byChance = 6000
	meshRate = 400
	// What testers send, and nobody else.
	testerHeader, testerValue = "x-tester", "yes"
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
)

// planes are all data planes.
func planes() []plane {
	weighted := []stop{{share: 20}, {share: 60}}
	tested := []stop{{share: 0, testers: 100}, {share: 40, testers: 100}}
	return []plane{
		{router: "Istio, VirtualService", plan: meshPlan("mesh-hosts.yaml", istio("", weightedSteps)),
			enter: meshPublic, stops: weighted, sample: byChance},
		{router: "Istio, DestinationRule subsets", plan: meshPlan("mesh-subsets.yaml", istioSubsets()),
			enter: meshPublic, stops: weighted, sample: byChance},
		{router: "Istio, header route", plan: meshPlan("mesh-hosts.yaml", istio(managedTesters, testersSteps)),
			enter: meshWithTesters, stops: tested, sample: byChance},
		{router: "Istio, GRPCRoute of a Service", plan: meshPlan("mesh-grpcroute.yaml", gatewayRoutes("GRPCRoute", "", weightedSteps)),
			enter: meshPublic, stops: weighted, sample: byChance},
		{router: "Traefik, HTTPRoute", plan: plan{manifest: "routed.yaml", strategy: gatewayRoutes("HTTPRoute", "", weightedSteps)},
			enter: gatewayPublic, stops: weighted, sample: shareRequests},
		{router: "Traefik, header route", plan: plan{manifest: "routed.yaml", strategy: gatewayRoutes("HTTPRoute", managedTesters, testersSteps)},
			enter: gatewayWithTesters, stops: tested, sample: shareRequests},
		{router: "kube-proxy, Service", plan: plan{manifest: "switched.yaml", strategy: bySwitch().held},
			enter: nodePublic, stops: []stop{nothing}, sample: shareRequests},
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

// istio splits by a VirtualService between Services. managed are further fields of trafficRouting.
func istio(managed, steps string) string {
	return with(hostsStrategy, routing(`istio: {virtualService: {name: shop}}`, managed), steps)
}

// istioSubsets splits by a VirtualService between subsets.
func istioSubsets() string {
	return with(`canary: {abortScaleDownDelaySeconds: 0}`, routing(
		`istio: {virtualService: {name: shop}, destinationRule: {name: shop, stableSubsetName: stable, canarySubsetName: canary}}`, ""), weightedSteps)
}

// gatewayRoutes splits by a route of the Gateway API.
func gatewayRoutes(kind, managed, steps string) string {
	return with(hostsStrategy, routing(`gatewayAPI: {routes: [{kind: `+kind+`, name: shop}]}`, managed), steps)
}

// routing is the field trafficRouting.
func routing(fields ...string) string {
	text := "trafficRouting:\n  settleSeconds: 3\n  drainSeconds: 3\n"
	for _, field := range fields {
		if field != "" {
			text += "  " + field + "\n"
		}
	}
	return text
}

func meshPublic(s *shop) audience {
	return audience{public: s.callThroughMesh("client", meshRate, "")}
}

func meshWithTesters(s *shop) audience {
	a := meshPublic(s)
	a.testers = s.callThroughMesh("tester", requestsPerSecond, testerHeader+"="+testerValue)
	return a
}

func gatewayPublic(s *shop) audience { return audience{public: s.throughGatewayAs(nil)} }

func gatewayWithTesters(s *shop) audience {
	a := gatewayPublic(s)
	a.testers = s.throughGatewayAs(map[string][]string{"X-Tester": {testerValue}})
	return a
}

func nodePublic(s *shop) audience {
	return audience{public: s.sendThroughNode("active", requestsPerSecond)}
}
