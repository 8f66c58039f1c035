package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
	"github.com/rollout-dev/rollout/traffic"
)

// routed is a canary with a route that is named like the Rollout.
func routed(stable, canary string) *v1alpha1.Canary {
	return &v1alpha1.Canary{StableService: stable, CanaryService: canary, TrafficRouting: &v1alpha1.TrafficRouting{
		GatewayAPI: &v1alpha1.GatewayAPI{Routes: []v1alpha1.RouteReference{{Kind: "HTTPRoute", Name: "checkout"}}},
	}}
}

// checkoutRoute is the text of that route.
const checkoutRoute = `{"routes":[{"kind":"HTTPRoute","name":"checkout"}]}`

// meshed is a canary with routes of two routers, one of them in another namespace and restricted to some of its rules.
func meshed() *v1alpha1.Canary {
	c := routed("s", "c")
	c.TrafficRouting.Istio = &v1alpha1.Istio{VirtualServices: []v1alpha1.VirtualService{
		{Name: "checkout", Namespace: "mesh", RuleSelection: v1alpha1.RuleSelection{Routes: []string{"web"},
			TLSRoutes: []v1alpha1.TLSRouteMatch{{Port: 443, SNIHosts: []string{"a", "b"}}}, TCPRoutes: []v1alpha1.TCPRouteMatch{{Port: 5432}}}},
		{Name: "checkout"},
	}}
	return c
}

func TestTheRouterIsToldOfNamespacesAndOfTheRulesThatCarryTheSplit(t *testing.T) {
	here, there := traffic.RouteName{Kind: "VirtualService", Name: "checkout"}, traffic.RouteName{Kind: "VirtualService", Name: "checkout", Namespace: "mesh"}
	got := target("shop", wiringOf(v1alpha1.Strategy{Canary: meshed()}), false)
	require.Equal(t, traffic.Target{Namespace: "shop", Pair: traffic.Pair{Stable: "s", Canary: "c"},
		Routes: []traffic.RouteName{{Kind: "HTTPRoute", Name: "checkout"}, here, there},
		Only: map[traffic.RouteName]traffic.Selection{there: {HTTP: []string{"web"},
			TLS: []traffic.TLSMatch{{Port: 443, SNIHosts: []string{"a", "b"}}}, TCP: []int{5432}}},
	}, got)
}

func TestARolloutIsFoundByItsRoutesInWhateverNamespaceTheyAre(t *testing.T) {
	r := exampleRollout(exampleTemplate)
	r.Spec.Strategy = v1alpha1.Strategy{Canary: meshed()}
	require.Equal(t, []string{"HTTPRoute/shop/checkout", "VirtualService/shop/checkout", "VirtualService/mesh/checkout"}, indexRoutes(r))
}

func TestAProblemOfARouteNamesTheFieldThatNamesIt(t *testing.T) {
	r := exampleRollout(exampleTemplate)
	r.Spec.Strategy = v1alpha1.Strategy{Canary: meshed()}
	w := exampleWorld(t, r)
	w.services = map[string]*corev1.Service{"s": service(), "c": service()}
	w.wanted.Routes = []traffic.RouteObservation{
		{RouteName: traffic.RouteName{Kind: "HTTPRoute", Name: "checkout"}, Problem: "it has no rule for the pair"},
		{RouteName: traffic.RouteName{Kind: "VirtualService", Name: "checkout", Namespace: "mesh"}, Missing: true},
	}
	problems := w.referenceProblems()
	require.Equal(t, "spec.strategy.canary.trafficRouting.gatewayAPI.routes: HTTPRoute checkout: it has no rule for the pair", problems[0].Message)
	require.Equal(t, "spec.strategy.canary.trafficRouting.istio.virtualServices: there is no VirtualService checkout in namespace mesh; create it, or correct the name",
		problems[1].Message)
	one := v1alpha1.Strategy{Canary: &v1alpha1.Canary{TrafficRouting: &v1alpha1.TrafficRouting{Istio: &v1alpha1.Istio{VirtualService: &v1alpha1.VirtualService{Name: "checkout"}}}}}
	require.Equal(t, "spec.strategy.canary.trafficRouting.istio.virtualService", routeField(one, traffic.RouteName{Kind: "VirtualService", Name: "checkout"}))
}

// service selects the pods of the example.
func service() *corev1.Service {
	return &corev1.Service{Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "checkout"}}}
}

func TestEveryStrategyNamesWhatCarriesTheTraffic(t *testing.T) {
	several := routed("s", "c")
	several.TrafficRouting.GatewayAPI.Routes = []v1alpha1.RouteReference{{Kind: "HTTPRoute", Name: "b"}, {Kind: "GRPCRoute", Name: "z"}, {Kind: "HTTPRoute", Name: "a"}}
	turns := routed("", "")
	turns.PingPong = &v1alpha1.PingPong{PingService: "ping", PongService: "pong"}
	for name, c := range map[string]struct {
		strategy v1alpha1.Strategy
		wiring   rollout.Wiring
	}{
		"by replica count": {v1alpha1.Strategy{Canary: &v1alpha1.Canary{}}, rollout.Wiring{Mode: rollout.ByPods}},
		"routes in any order": {v1alpha1.Strategy{Canary: several},
			rollout.Wiring{Mode: rollout.ByRoutes, Stable: "s", Canary: "c",
				Routes: `{"routes":[{"kind":"GRPCRoute","name":"z"},{"kind":"HTTPRoute","name":"a"},{"kind":"HTTPRoute","name":"b"}]}`}},
		"routes of two routers": {v1alpha1.Strategy{Canary: meshed()},
			rollout.Wiring{Mode: rollout.ByRoutes, Stable: "s", Canary: "c", Routes: `{"routes":[{"kind":"HTTPRoute","name":"checkout"},` +
				`{"kind":"VirtualService","name":"checkout"},` +
				`{"kind":"VirtualService","name":"checkout","namespace":"mesh","routes":["web"],"tlsRoutes":[{"port":443,"sniHosts":["a","b"]}],"tcpRoutes":[{"port":5432}]}]}`}},
		"Services that take turns": {v1alpha1.Strategy{Canary: turns},
			rollout.Wiring{Mode: rollout.ByRoutes, Stable: "ping", Canary: "pong", Alternate: true, Routes: checkoutRoute}},
		"blue-green without a preview": {v1alpha1.Strategy{BlueGreen: &v1alpha1.BlueGreen{ActiveService: "a"}}, rollout.Wiring{Mode: rollout.BySelector, Stable: "a"}},
		"a router of tomorrow":         {v1alpha1.Strategy{Canary: &v1alpha1.Canary{TrafficRouting: &v1alpha1.TrafficRouting{}}}, rollout.Wiring{}},
		"nothing":                      {v1alpha1.Strategy{}, rollout.Wiring{}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.wiring, wiringOf(c.strategy))
			require.Equal(t, c.wiring, readWiring(newWiring(c.wiring)))
		})
	}
}

func TestWithServicesThatHaveTakenTurnsTheOtherOneReachesStable(t *testing.T) {
	w := rollout.Wiring{Mode: rollout.ByRoutes, Stable: "ping", Canary: "pong", Alternate: true, Routes: `{"routes":[{"kind":"GRPCRoute","name":"z"}]}`}
	routes := []traffic.RouteName{{Kind: "GRPCRoute", Name: "z"}}
	require.Equal(t, traffic.Target{Namespace: "shop", Pair: traffic.Pair{Stable: "ping", Canary: "pong"}, Routes: routes}, target("shop", w, false))
	require.Equal(t, traffic.Target{Namespace: "shop", Pair: traffic.Pair{Stable: "pong", Canary: "ping"}, Routes: routes}, target("shop", w, true))
}

// moving is a Rollout whose spec names other Services and routes than those that are in force.
func moving() *v1alpha1.Rollout {
	r := exampleRollout(exampleTemplate)
	r.Spec.Strategy = v1alpha1.Strategy{BlueGreen: &v1alpha1.BlueGreen{ActiveService: "active", PreviewService: "preview"}}
	r.Status.Traffic = &v1alpha1.Traffic{Wiring: &v1alpha1.Wiring{Mode: "Routes", StableService: "stable", CanaryService: "active",
		Routes: []v1alpha1.WiredRoute{{Kind: "HTTPRoute", Name: "old"}}}}
	return r
}

func TestARolloutIsFoundByWhatItsSpecNamesAndByWhatIsStillInForce(t *testing.T) {
	r := moving()
	require.Equal(t, []string{"shop/active", "shop/preview", "shop/stable"}, indexServices(r))
	require.Equal(t, []string{"HTTPRoute/shop/old"}, indexRoutes(r))
	after := r.DeepCopy()
	after.Status.Traffic.Wiring = newWiring(wiringOf(after.Spec.Strategy))
	require.Equal(t, []string{"shop/stable"}, letGo(r, after))
	require.Equal(t, []string{"shop/active", "shop/preview"}, letGo(after, nil))
	require.Empty(t, letGo(nil, r))
}

func TestTheOlderOfTwoRolloutsKeepsTheServiceUntilItHasLetGoOfIt(t *testing.T) {
	named := func(name string, age int, s v1alpha1.Strategy) *v1alpha1.Rollout {
		r := exampleRollout(exampleTemplate)
		r.Name, r.UID, r.Spec.Strategy = name, types.UID(name), s
		r.CreationTimestamp = metav1.NewTime(time.Unix(int64(1000-age), 0))
		return r
	}
	old := named("old", 10, v1alpha1.Strategy{Canary: routed("a", "b")})
	young := named("young", 5, v1alpha1.Strategy{BlueGreen: &v1alpha1.BlueGreen{ActiveService: "c", PreviewService: "a"}})
	all := []*v1alpha1.Rollout{old, young}
	require.Empty(t, claimedBy(old, all))
	require.Equal(t, `spec.strategy.blueGreen.previewService: Service "a" belongs to Rollout "old" (its spec.strategy.canary.stableService)`, claimedBy(young, all))

	old.Status.Traffic = &v1alpha1.Traffic{Wiring: newWiring(wiringOf(old.Spec.Strategy))}
	old.Spec.Strategy = v1alpha1.Strategy{Canary: &v1alpha1.Canary{}}
	require.Equal(t, `spec.strategy.blueGreen.previewService: Service "a" belongs to Rollout "old", which has not let go of it yet`, claimedBy(young, all))
	old.Status.Traffic.Wiring = newWiring(wiringOf(old.Spec.Strategy))
	require.Empty(t, claimedBy(young, all))

	young.Status.Traffic = &v1alpha1.Traffic{Wiring: newWiring(wiringOf(young.Spec.Strategy))}
	old.Spec.Strategy = v1alpha1.Strategy{Canary: routed("a", "b")}
	require.Empty(t, claimedBy(young, all), "an older Rollout can't take away by an edit what carries the traffic of a younger one")
	require.Contains(t, claimedBy(old, all), `Service "a" belongs to Rollout "young" (its spec.strategy.blueGreen.previewService)`)
}

func TestOnlyWhatTheSpecNamesIsAProblemOfTheSpec(t *testing.T) {
	w := exampleWorld(t, moving())
	w.services = map[string]*corev1.Service{
		"active": {Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "other", v1alpha1.PodTemplateHashLabel: "x"}}},
	}
	w.observed.Routes.Routes = []traffic.RouteObservation{{RouteName: traffic.RouteName{Kind: "HTTPRoute", Name: "old"}, Missing: true}}
	problems := w.referenceProblems()
	require.Len(t, problems, 2)
	require.Equal(t, reasonSelectorMismatch, problems[0].Reason)
	require.Contains(t, problems[0].Message, `spec.strategy.blueGreen.activeService: Service "active" selects app=other`)
	require.Equal(t, reasonMissingService, problems[1].Reason)
	require.Contains(t, problems[1].Message, `spec.strategy.blueGreen.previewService: there is no Service "preview"`)
	for _, p := range problems {
		require.True(t, p.Reference, "the first revision's pods may start meanwhile")
	}
}

func TestBlueGreenHasItsOwnWordsForTheServices(t *testing.T) {
	r := moving()
	w := &world{object: r, key: engine.Key{Namespace: "shop", Name: "checkout"}}
	w.observed.Status = readStatus(r.Status)
	point := rollout.Point{Backend: rollout.StableRole, Service: "stable", Revision: "abc"}
	require.Equal(t, `point the stable Service "stable" at revision abc`, describe(w, point))
	w.observed.Status.Wiring.Mode = rollout.BySelector
	require.Equal(t, `point the active Service "stable" at revision abc`, describe(w, point))
}
