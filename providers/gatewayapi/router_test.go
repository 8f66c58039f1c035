package gatewayapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/rollout-dev/rollout/providers/gatewayapi"
	"github.com/rollout-dev/rollout/traffic"
	"github.com/rollout-dev/rollout/traffic/routertest"
)

func TestRouterKeepsTheContract(t *testing.T) {
	routertest.Run(t, func(t *testing.T) routertest.Harness {
		server := owner{newServer(t)}
		return routertest.Harness{
			Router:       server.router(),
			Server:       server,
			Kinds:        []string{"HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"},
			Accepts:      true,
			Rules:        "spec.rules",
			Managed:      server,
			ManagedKinds: []string{"HTTPRoute"},
		}
	})
}

var (
	pair     = traffic.Pair{Stable: "checkout-stable", Canary: "checkout-canary"}
	checkout = traffic.RouteName{Kind: "HTTPRoute", Name: "checkout"}
	shop     = traffic.Target{Namespace: routertest.Namespace, Pair: pair, Routes: []traffic.RouteName{checkout}}
)

func TestRouterTellsAKindThatIsNotInstalledFromARouteThatDoesNotExist(t *testing.T) {
	server := newServer(t)
	server.Uninstall("GRPCRoute")
	both := shop
	both.Routes = []traffic.RouteName{checkout, {Kind: "GRPCRoute", Name: "checkout"}}
	for _, live := range []bool{true, false} {
		o, err := server.router().Observe(t.Context(), both, live)
		require.NoError(t, err)
		require.Equal(t, traffic.RouteObservation{RouteName: checkout, Missing: true}, o.Routes[0])
		require.Equal(t, traffic.RouteObservation{
			RouteName: both.Routes[1],
			Problem:   "the cluster has no GRPCRoute kind; install the Gateway API CRDs of version v1 (https://gateway-api.sigs.k8s.io)",
		}, o.Routes[1])
	}
}

func TestRouterNamesTheKindsThatItKnows(t *testing.T) {
	server := newServer(t)
	target := shop
	target.Routes = []traffic.RouteName{{Kind: "UDPRoute", Name: "checkout"}}
	o, err := server.router().Observe(t.Context(), target, true)
	require.NoError(t, err)
	require.Equal(t, `kind "UDPRoute" can't carry a split; use one of GRPCRoute, HTTPRoute, TCPRoute, TLSRoute`, o.Routes[0].Problem)
	writes, err := server.router().Apply(t.Context(), target, o, 10)
	require.NoError(t, err)
	require.Empty(t, writes)
}

// behind is a cache that has not seen the latest version of a route.
type behind struct {
	gatewayapi.Cache
	route *gatewayv1.HTTPRoute
}

func (b behind) HTTPRoute(string, string) (*gatewayv1.HTTPRoute, bool) { return b.route, true }

func TestRouterAppliesToTheVersionThatWasObservedWhateverTheCacheHas(t *testing.T) {
	server := newServer(t)
	owner{server}.Put(checkout, routertest.Rule{{Service: "login", Weight: 1}, {Service: pair.Stable, Weight: 100}, {Service: pair.Canary, Weight: 0}})
	stale, there := server.HTTPRoute(routertest.Namespace, checkout.Name)
	require.True(t, there)
	owner{server}.Put(checkout, routertest.Rule{{Service: pair.Canary, Weight: 0}, {Service: pair.Stable, Weight: 100}})
	router := server.routerWith(behind{server, stale})
	observed, err := router.Observe(t.Context(), shop, true)
	require.NoError(t, err)
	_, err = router.Apply(t.Context(), shop, observed, 10)
	require.NoError(t, err)
	require.Equal(t, []routertest.Rule{{{Service: pair.Canary, Weight: 10}, {Service: pair.Stable, Weight: 90}}}, owner{server}.Rules(checkout))
}

func TestRouterReportsARefusalOfTheAPIServerAsWhatItIs(t *testing.T) {
	server := newServer(t)
	owner{server}.Put(checkout, routertest.Rule{{Service: pair.Canary, Weight: 0}, {Service: pair.Stable, Weight: 100}})
	observed, err := server.router().Observe(t.Context(), shop, true)
	require.NoError(t, err)
	server.Refuse("weights are frozen until Monday")
	_, err = server.router().Apply(t.Context(), shop, observed, 10)
	require.ErrorContains(t, err, "weights are frozen until Monday")
	require.ErrorContains(t, err, "HTTPRoute checkout")
	require.NotErrorIs(t, err, traffic.ErrChanged)
}
