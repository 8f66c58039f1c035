package istio_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/providers/istio"
	"github.com/rollout-dev/rollout/traffic"
	"github.com/rollout-dev/rollout/traffic/routertest"
	"github.com/rollout-dev/rollout/traffic/routertest/apiserver"
)

func TestRouterKeepsTheContractInEveryListOfRules(t *testing.T) {
	for _, list := range []string{"http", "tls", "tcp"} {
		t.Run(list, func(t *testing.T) {
			routertest.Run(t, func(t *testing.T) routertest.Harness {
				server := owner{server: newServer(t), list: list}
				h := routertest.Harness{Router: server.router(), Server: server, Kinds: []string{kind}, UnsetIsZero: true, Rules: "spec." + list}
				if list == "http" {
					h.Managed, h.ManagedKinds = server, h.Kinds
				}
				return h
			})
		})
	}
}

func TestRouterKeepsTheContractWithSubsets(t *testing.T) {
	routertest.Run(t, func(t *testing.T) routertest.Harness {
		server := owner{server: newServer(t), list: "http", subsets: true}
		server.destinationRule(`{"host": "checkout", "subsets": [{"name": "checkout-stable"}, {"name": "checkout-canary"}]}`)
		return routertest.Harness{
			Router: bySubsets{server.router()}, Server: server, Kinds: []string{kind}, UnsetIsZero: true, Rules: "spec.http",
			ReadsFirst: "DestinationRule checkout", Managed: server, ManagedKinds: []string{kind},
		}
	})
}

// bySubsets turns the contract's pair of Services into one of subsets.
type bySubsets struct{ router traffic.Router }

func (b bySubsets) Observe(ctx context.Context, target traffic.Target, live bool) (traffic.Observation, error) {
	target.Pair.SubsetsOf = "checkout"
	return b.router.Observe(ctx, target, live)
}

func (b bySubsets) Apply(ctx context.Context, target traffic.Target, observed traffic.Observation, percent int) ([]traffic.Write, error) {
	target.Pair.SubsetsOf = "checkout"
	return b.router.Apply(ctx, target, observed, percent)
}

func TestRouterTellsAKindThatIsNotInstalledFromAnObjectThatDoesNotExist(t *testing.T) {
	server := newServer(t)
	require.Equal(t, traffic.RouteObservation{RouteName: checkout, Missing: true}, server.observe(shop))
	server.Uninstall(kind)
	require.Equal(t, "the cluster has no VirtualService kind of version networking.istio.io/v1; install Istio 1.22 or newer (https://istio.io)",
		server.observe(shop).Problem)
}

func TestRouterNamesTheKindThatItKnows(t *testing.T) {
	server := newServer(t)
	target := shop
	target.Routes = []traffic.RouteName{{Kind: "Gateway", Name: "checkout"}}
	require.Equal(t, `kind "Gateway" can't carry a split in Istio; use VirtualService`, server.observe(target).Problem)
	server.apply(target, 10)
	require.Zero(t, server.Writes())
}

// behind is a cache that has not seen the latest version.
type behind struct {
	istio.Cache
	stale *istio.Object
}

func (b behind) VirtualService(string, string) (*istio.Object, bool) { return b.stale, true }

func TestRouterAppliesToTheVersionThatWasObservedWhateverTheCacheHas(t *testing.T) {
	server := owner{server: newServer(t), list: "http"}
	server.Put(checkout, routertest.Rule{{Service: "login", Weight: 1}, {Service: pair.Stable, Weight: 100}, {Service: pair.Canary, Weight: 0}})
	stale, there := server.VirtualService(routertest.Namespace, checkout.Name)
	require.True(t, there)
	server.Put(checkout, routertest.Rule{{Service: pair.Canary, Weight: 0}, {Service: pair.Stable, Weight: 100}})
	router := istio.NewRouter(server.client(), behind{server, stale})
	observed, err := router.Observe(t.Context(), shop, true)
	require.NoError(t, err)
	_, err = router.Apply(t.Context(), shop, observed, 10)
	require.NoError(t, err)
	require.Equal(t, []routertest.Rule{{{Service: pair.Canary, Weight: 10}, {Service: pair.Stable, Weight: 90}}}, server.Rules(checkout))
}

func TestRouterReportsARefusalOfTheAPIServerAsWhatItIs(t *testing.T) {
	server := owner{server: newServer(t), list: "http"}
	server.Put(checkout, routertest.Rule{{Service: pair.Canary, Weight: 0}, {Service: pair.Stable, Weight: 100}})
	observed, err := server.router().Observe(t.Context(), shop, true)
	require.NoError(t, err)
	server.Refuse("weights are frozen until Monday")
	_, err = server.router().Apply(t.Context(), shop, observed, 10)
	require.ErrorContains(t, err, "weights are frozen until Monday")
	require.ErrorContains(t, err, "VirtualService checkout")
	require.NotErrorIs(t, err, traffic.ErrChanged)
}

func TestHostsAreReadByIstiosRules(t *testing.T) {
	for _, c := range []struct {
		in, host string
		same     bool
	}{
		{routertest.Namespace, "checkout-canary", true},
		{routertest.Namespace, "checkout-canary.shop.svc.cluster.local", true},
		{routertest.Namespace, "checkout-canary.shop.svc.example.com", true},
		{routertest.Namespace, "checkout-canary.staging.svc.cluster.local", false},
		{routertest.Namespace, "checkout-canary.shop.svc.clusterset.local", false},
		{routertest.Namespace, "checkout-canary.shop", false},
		{routertest.Namespace, "checkout-canary.shop.svc", false},
		{routertest.Namespace, "checkout-canary.example.com", false},
		{"mesh", "checkout-canary", false},
		{"mesh", "checkout-canary.shop.svc.cluster.local", true},
	} {
		server := newServer(t)
		target := shop
		target.Routes = []traffic.RouteName{{Kind: kind, Name: "checkout", Namespace: c.in}}
		server.Change(kind, c.in, "checkout", func(o object) {
			o["spec"] = object{"http": []any{object{"route": []any{
				object{"destination": object{"host": "checkout-stable.shop.svc.cluster.local"}, "weight": 60},
				object{"destination": object{"host": c.host}, "weight": 40},
			}}}}
		})
		o := server.observe(target)
		if c.same {
			require.Empty(t, o.Problem, "%s in %s", c.host, c.in)
			require.True(t, o.Share.Exactly(40))
			continue
		}
		require.Equal(t, "spec.http[0].route names Service checkout-stable but not Service checkout-canary; "+
			"add it with weight 0 and give the other one 100, or restrict the split to other rules", o.Problem, "%s in %s", c.host, c.in)
	}
}

func TestVirtualServicesOfSeveralNamespacesCarryOneSplit(t *testing.T) {
	server := newServer(t)
	target := shop
	target.Routes = append(target.Routes, traffic.RouteName{Kind: kind, Name: "checkout", Namespace: "mesh"})
	for _, namespace := range []string{routertest.Namespace, "mesh"} {
		server.Change(kind, namespace, "checkout", func(o object) {
			o["spec"] = apiserver.Parse([]byte(`{"hosts": ["x"], "http": [{"route": [
				{"destination": {"host": "checkout-stable.shop.svc.cluster.local"}, "weight": 100},
				{"destination": {"host": "checkout-canary.shop.svc.cluster.local"}}]}]}`))
		})
	}
	server.apply(target, 30)
	observed, err := server.router().Observe(t.Context(), target, false)
	require.NoError(t, err)
	require.True(t, observed.Share().Exactly(30))
	require.Equal(t, 2, server.Writes())

	server.Remove(kind, "mesh", "checkout")
	observed, err = server.router().Observe(t.Context(), target, false)
	require.NoError(t, err)
	require.Equal(t, "VirtualService mesh/checkout", observed.Routes[1].String())
	require.True(t, observed.Routes[1].Missing)
}

func TestAVirtualServiceThatNamesNoServiceIsToldHowTo(t *testing.T) {
	server := newServer(t)
	target := shop
	target.Routes = []traffic.RouteName{{Kind: kind, Name: "checkout", Namespace: "mesh"}}
	server.Change(kind, "mesh", "checkout", func(o object) { o["spec"] = object{} })
	require.Equal(t, "none of spec.http, spec.tls and spec.tcp has a rule with both Service checkout-stable and Service checkout-canary; "+
		"add the two to the rule that serves the application, as destinations with the weights 100 and 0 and the host "+
		"checkout-stable.shop.svc.cluster.local or checkout-canary.shop.svc.cluster.local", server.observe(target).Problem)
}

func TestWhatIsNoVirtualServiceIsAProblemOfThatObjectAlone(t *testing.T) {
	for spec, says := range map[string]string{
		`{"http": {}}`: "read spec", `{"http": [[]]}`: "read spec.http[0]", `{"tcp": [{}, {"route": [{"weight": "1"}]}]}`: "read spec.tcp[1]",
		`{"http": [{"route": [{"destination": {"host": "checkout-stable"}, "weight": -1}, {"destination": {"host": "checkout-canary"}}]}]}`: "spec.http[0].route[0].weight is -1",
	} {
		server := newServer(t)
		server.spec(spec)
		require.Contains(t, server.observe(shop).Problem, says)
		server.apply(shop, 10)
		require.Zero(t, server.Writes())
	}
}

// A field that only looks like a weight must not be taken for one.
func TestNamesOfFieldsAreCaseSensitive(t *testing.T) {
	server := newServer(t)
	server.spec(`{"http": [{"route": [{"destination": {"host": "checkout-stable", "Host": "x"}, "weight": 75, "Weight": 1},
		{"destination": {"host": "checkout-canary"}, "WEIGHT": 9, "weight": 25}]}]}`)
	require.True(t, server.observe(shop).Share.Exactly(25))
}
