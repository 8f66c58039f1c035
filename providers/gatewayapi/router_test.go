package gatewayapi_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/rollout-dev/rollout/providers/gatewayapi"
	"github.com/rollout-dev/rollout/traffic"
	"github.com/rollout-dev/rollout/traffic/routertest"
)

func TestRouterKeepsTheContract(t *testing.T) {
	routertest.Run(t, func(t *testing.T) routertest.Harness {
		server := newAPIServer(t)
		return routertest.Harness{
			Router:  server.router(),
			Server:  owner{server},
			Kinds:   []string{"HTTPRoute", "GRPCRoute"},
			Accepts: true,
		}
	})
}

// owner is the API server as the contract's tests use it.
type owner struct{ *apiServer }

func (o owner) Put(route traffic.RouteName, rules ...routertest.Rule) {
	o.change(path(route.Kind, routertest.Namespace, route.Name), func(r object) {
		meta, _ := r["metadata"].(object)
		if meta == nil {
			meta = object{"name": route.Name, "namespace": routertest.Namespace}
		}
		meta["annotations"] = object{"example.com/note": "<keep> & \"me\"", "example.com/weight": "12"}
		meta["managedFields"] = []any{object{"manager": "kubectl", "fieldsV1": object{"f:spec": object{}}}}
		r["apiVersion"], r["kind"], r["metadata"] = "gateway.networking.k8s.io/v1", route.Kind, meta
		spec := object{
			"parentRefs": []any{object{"name": "public", "namespace": "infra", "sectionName": "web"}, object{"name": "internal"}},
			"hostnames":  []any{"shop.example.com"},
			"fromTomorrow": object{
				"weight": json.Number("9007199254740993"), // not a number that a float64 can hold
			},
			"rules": []any{},
		}
		for _, rule := range rules {
			spec["rules"] = append(spec["rules"].([]any), object{
				"name": "r", "backendRefs": backendRefs(rule), "fromTomorrow": []any{nil, 1.5e-7},
				"filters": []any{object{"type": "RequestHeaderModifier", "requestHeaderModifier": object{"set": []any{}}}},
			})
		}
		r["spec"] = spec
	})
}

func backendRefs(rule routertest.Rule) []any {
	refs := []any{}
	for i, b := range rule {
		ref := object{"name": b.Service, "port": json.Number("80"), "fromTomorrow": true, "filters": []any{object{"type": "FromTomorrow"}}}
		if i%2 == 0 {
			ref["kind"], ref["group"], ref["namespace"] = "Service", "", routertest.Namespace
		}
		if b.Weight != routertest.Unset {
			ref["weight"] = b.Weight
		}
		refs = append(refs, ref)
	}
	return refs
}

func (o owner) Touch(route traffic.RouteName) {
	o.change(path(route.Kind, routertest.Namespace, route.Name), func(r object) {
		r["metadata"].(object)["annotations"] = object{"example.com/touched": r["metadata"].(object)["resourceVersion"]}
	})
}

func (o owner) Delete(route traffic.RouteName) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.objects, path(route.Kind, routertest.Namespace, route.Name))
}

func (o owner) Rules(route traffic.RouteName) []routertest.Rule {
	o.mu.Lock()
	defer o.mu.Unlock()
	stored, there := o.objects[path(route.Kind, routertest.Namespace, route.Name)]
	if !there {
		return nil
	}
	var rules []routertest.Rule
	for _, rule := range rulesOf(parse(canonical(stored))) {
		read := routertest.Rule{}
		for _, ref := range rule["backendRefs"].([]any) {
			b := routertest.Backend{Service: ref.(object)["name"].(string), Weight: routertest.Unset}
			if weight, set := ref.(object)["weight"].(json.Number); set {
				n, err := weight.Int64()
				require.NoError(o.t, err)
				b.Weight = int(n)
			}
			read = append(read, b)
		}
		rules = append(rules, read)
	}
	return rules
}

func rulesOf(r object) []object {
	var rules []object
	for _, rule := range r["spec"].(object)["rules"].([]any) {
		rules = append(rules, rule.(object))
	}
	return rules
}

func (o owner) Rest(route traffic.RouteName, pair traffic.Pair) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return restOf(o.objects[path(route.Kind, routertest.Namespace, route.Name)], pair)
}

// restOf is a route without the weights of the pair and without what counts changes.
func restOf(stored object, pair traffic.Pair) string {
	r := parse(canonical(stored))
	delete(r["metadata"].(object), "resourceVersion")
	delete(r["metadata"].(object), "generation")
	for _, rule := range rulesOf(r) {
		refs, _ := rule["backendRefs"].([]any)
		for _, ref := range refs {
			if name := ref.(object)["name"]; name == pair.Stable || name == pair.Canary {
				delete(ref.(object), "weight")
			}
		}
	}
	return string(canonical(r))
}

func (o owner) Answer(route traffic.RouteName, answers ...routertest.Answer) {
	o.change(path(route.Kind, routertest.Namespace, route.Name), func(r object) {
		generation, err := r["metadata"].(object)["generation"].(json.Number).Int64()
		require.NoError(o.t, err)
		parents := []any{}
		for i, a := range answers {
			observed := generation
			if a.Stale {
				observed--
			}
			condition := func(kind string, holds bool) object {
				c := object{"type": kind, "status": "True", "reason": kind, "message": "", "observedGeneration": observed, "lastTransitionTime": nil}
				if !holds {
					c["status"], c["reason"], c["message"] = "False", a.Reason, a.Message
				}
				return c
			}
			parents = append(parents, object{
				"parentRef":      r["spec"].(object)["parentRefs"].([]any)[i],
				"controllerName": "example.com/gateway",
				"conditions":     []any{condition("ResolvedRefs", a.Resolved), condition("Accepted", a.Accepted)},
			})
		}
		r["status"] = object{"parents": parents}
	})
}

func (o owner) Fail(n int, lost bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failIn, o.lost, o.failed = n, lost, false
}

func (o owner) Failed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failed
}

func (o owner) BeforeWrite(do func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.before = do
}

func (o owner) Writes() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.writes
}

var (
	pair     = traffic.Pair{Stable: "checkout-stable", Canary: "checkout-canary"}
	checkout = traffic.RouteName{Kind: "HTTPRoute", Name: "checkout"}
	shop     = traffic.Target{Namespace: routertest.Namespace, Pair: pair, Routes: []traffic.RouteName{checkout}}
)

func TestRouterTellsAKindThatIsNotInstalledFromARouteThatDoesNotExist(t *testing.T) {
	server := newAPIServer(t)
	server.served["grpcroutes"] = false
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
	server := newAPIServer(t)
	target := shop
	target.Routes = []traffic.RouteName{{Kind: "TCPRoute", Name: "checkout"}}
	o, err := server.router().Observe(t.Context(), target, true)
	require.NoError(t, err)
	require.Equal(t, `kind "TCPRoute" can't carry a split; use one of GRPCRoute, HTTPRoute`, o.Routes[0].Problem)
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
	server := newAPIServer(t)
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
	server := newAPIServer(t)
	owner{server}.Put(checkout, routertest.Rule{{Service: pair.Canary, Weight: 0}, {Service: pair.Stable, Weight: 100}})
	observed, err := server.router().Observe(t.Context(), shop, true)
	require.NoError(t, err)
	server.refuse = "weights are frozen until Monday"
	_, err = server.router().Apply(t.Context(), shop, observed, 10)
	require.ErrorContains(t, err, "weights are frozen until Monday")
	require.ErrorContains(t, err, "HTTPRoute checkout")
	require.NotErrorIs(t, err, traffic.ErrChanged)
}
