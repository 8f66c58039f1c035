package gatewayapi_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/rollout-dev/rollout/providers/gatewayapi"
	"github.com/rollout-dev/rollout/traffic"
	"github.com/rollout-dev/rollout/traffic/routertest"
	"github.com/rollout-dev/rollout/traffic/routertest/apiserver"
)

// FuzzApplyChangesNothingButTheWeightsOfThePair makes random routes, with fields that no version of the API has and with
// backends that are almost the pair's, and leads shares and managed rules through them.
func FuzzApplyChangesNothingButTheWeightsOfThePair(f *testing.F) {
	for seed := range uint64(150) {
		f.Add(seed, int(seed)%101)
	}
	f.Fuzz(func(t *testing.T, seed uint64, percent int) {
		if percent < 0 || percent > 100 {
			return
		}
		random := rand.New(rand.NewPCG(seed, 0))
		name := traffic.RouteName{Kind: []string{"HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"}[random.IntN(4)], Name: "checkout"}
		target := traffic.Target{Namespace: routertest.Namespace, Pair: pair, Routes: []traffic.RouteName{name}}
		server := newServer(t)
		server.change(name, func(r object) { randomRoute(random, r) })
		target.Managed.Names = []string{"testers", "copies"}
		before := restOf(server.stored(name), pair)
		if name.Kind == "HTTPRoute" {
			target.Managed.Rules = randomManaged(random)
		}
		server.lead(random, target, percent, seed)
		require.Equal(t, before, restOf(server.stored(name), pair, target.Managed.Names...), "seed %d", seed)
		target.Managed.Rules = nil
		server.lead(random, target, 0, seed)
		require.Equal(t, before, restOf(server.stored(name), pair), "seed %d", seed)
	})
}

// lead applies a share, and checks that it is there.
func (s server) lead(random *rand.Rand, target traffic.Target, percent int, seed uint64) {
	observed, err := s.router().Observe(s.t.Context(), target, random.IntN(2) == 0)
	require.NoError(s.t, err)
	writes, err := s.router().Apply(s.t.Context(), target, observed, percent)
	if err != nil {
		require.Regexp(s.t, "multiply all weights|can't be added", err.Error(), "seed %d", seed)
		require.Empty(s.t, writes)
		return
	}
	after, err := s.router().Observe(s.t.Context(), target, true)
	require.NoError(s.t, err)
	require.Empty(s.t, after.Astray(), "seed %d", seed)
	if after.Routes[0].Problem == "" {
		require.True(s.t, after.Share().Exactly(percent), "seed %d: %d%% became %v", seed, percent, after.Share())
	}
	writes, err = s.router().Apply(s.t.Context(), target, after, percent)
	require.NoError(s.t, err)
	require.Empty(s.t, writes, "seed %d: nothing is left to write", seed)
}

func randomManaged(random *rand.Rand) []traffic.ManagedRule {
	value := []traffic.StringMatch{exact("/a"), prefix("/a"), regex("/a")}[random.IntN(3)]
	rules := []traffic.ManagedRule{
		traffic.HeaderRoute("testers", traffic.HeaderMatch{Header: "x-a", Value: exact("1")}),
		traffic.MirrorRoute("copies", 1+random.IntN(100), traffic.RequestMatch{Path: value}),
	}
	return rules[random.IntN(2) : 1+random.IntN(2)]
}

func randomRoute(random *rand.Rand, r object) {
	r["metadata"] = object{"name": "checkout", "namespace": routertest.Namespace, "annotations": object{"x": fmt.Sprint(random.Uint64())}}
	spec := object{"parentRefs": []any{object{"name": "public"}}, "unknown": anything(random, 3)}
	rules := []any{}
	for range random.IntN(5) {
		rule := object{"unknown": anything(random, 3), "backendRefs": randomBackends(random)}
		if random.IntN(2) == 0 {
			path := object{"type": []string{"Exact", "PathPrefix"}[random.IntN(2)], "value": []string{"/", "/a", "/a/b"}[random.IntN(3)]}
			rule["matches"] = []any{object{"path": path, "unknown": anything(random, 2), "headers": []any{object{"name": "X-A", "value": "1"}}[:random.IntN(2)]}}
		}
		rules = append(rules, rule)
	}
	spec["rules"] = rules
	r["spec"] = spec
}

// randomBackends are often just the pair, so that there is something to write.
func randomBackends(random *rand.Rand) []any {
	refs := []any{}
	add := func(name string) {
		ref := object{"name": name, "port": json.Number("80"), "unknown": anything(random, 2)}
		if random.IntN(4) != 0 {
			ref["weight"] = json.Number(fmt.Sprint(random.IntN([]int{1, 3, 101, 1_000_001}[random.IntN(4)])))
		}
		refs = append(refs, ref)
	}
	if random.IntN(5) != 0 {
		add(pair.Stable)
		add(pair.Canary)
	}
	for range random.IntN(3) {
		add([]string{"login", pair.Canary + "-2", "checkout", "CHECKOUT-STABLE"}[random.IntN(4)])
	}
	random.Shuffle(len(refs), func(i, j int) { refs[i], refs[j] = refs[j], refs[i] })
	return refs
}

// anything is a JSON value.
func anything(random *rand.Rand, depth int) any {
	switch kind := random.IntN(7); {
	case kind == 0:
		return nil
	case kind == 1:
		return json.Number(fmt.Sprint(random.Int64()))
	case kind == 2:
		return "text with \"quotes\", <tags> and \u2028 in it"
	case kind == 3:
		return random.IntN(2) == 0
	case kind == 4 || depth == 0:
		return random.NormFloat64()
	case kind == 5:
		return []any{anything(random, depth-1), anything(random, depth-1)}
	}
	return object{"weight": anything(random, depth-1), "name": pair.Canary, "metadata": anything(random, depth-1)}
}

func TestOnlyServicesOfTheRoutesNamespaceAreThePair(t *testing.T) {
	for name, change := range map[string]func(ref object){
		"another namespace": func(ref object) { ref["namespace"] = "staging" },
		"another kind":      func(ref object) { ref["kind"] = "TraefikService" },
		"another group":     func(ref object) { ref["group"] = "multicluster.x-k8s.io" },
	} {
		server := newServer(t)
		owner{server}.Put(checkout, routertest.Rule{{Service: pair.Stable, Weight: 50}, {Service: pair.Canary, Weight: 50}})
		server.change(checkout, func(r object) {
			change(rulesOf(r)[0]["backendRefs"].([]any)[1].(object))
		})
		o, err := server.router().Observe(t.Context(), shop, true)
		require.NoError(t, err)
		require.Contains(t, o.Routes[0].Problem, "names Service checkout-stable but not Service checkout-canary", name)
	}
}

func TestStrippedRoutesKeepTheirRulesAndBackendsInPlace(t *testing.T) {
	server := newServer(t)
	for _, kind := range []string{"HTTPRoute", "GRPCRoute"} {
		owner{server}.Put(traffic.RouteName{Kind: kind, Name: "checkout"},
			nil, routertest.Rule{{Service: "login", Weight: 1}, {Service: pair.Stable, Weight: routertest.Unset}}, routertest.Rule{{Service: pair.Canary, Weight: 7}})
	}
	http := gatewayapi.StripHTTPRoute(apiserver.As[gatewayv1.HTTPRoute](t, server.stored(checkout)))
	grpc := gatewayapi.StripGRPCRoute(apiserver.As[gatewayv1.GRPCRoute](t, server.stored(traffic.RouteName{Kind: "GRPCRoute", Name: "checkout"})))
	require.Len(t, http.Spec.Rules, 3)
	require.Len(t, grpc.Spec.Rules, 3)
	require.Empty(t, http.Spec.Rules[0].BackendRefs)
	require.Empty(t, grpc.Spec.Rules[0].BackendRefs)
	require.EqualValues(t, pair.Stable, http.Spec.Rules[1].BackendRefs[1].Name)
	require.EqualValues(t, pair.Stable, grpc.Spec.Rules[1].BackendRefs[1].Name)
	for _, text := range []string{string(apiserver.Canonical(http)), string(apiserver.Canonical(grpc))} {
		for _, dropped := range []string{"managedFields", "annotations", "hostnames"} {
			require.NotContains(t, text, dropped)
		}
		require.Contains(t, text, `"uid"`)
	}
	require.NotContains(t, string(apiserver.Canonical(grpc)), "filters")
	require.Contains(t, string(apiserver.Canonical(http)), "filters", "a managed rule is a copy")
	again := gatewayapi.StripHTTPRoute(http.DeepCopy())
	require.Equal(t, http, again, "a cache may strip what it has stripped before")
}

func TestParentsThatTheRouteNoLongerNamesAndControllersThatAreGoneDoNotCount(t *testing.T) {
	server := newServer(t)
	owner{server}.Put(checkout, routertest.Rule{{Service: pair.Stable, Weight: 100}, {Service: pair.Canary, Weight: 0}})
	fine := routertest.Answer{Accepted: true, Resolved: true}
	owner{server}.Answer(checkout, fine, fine)
	server.change(checkout, func(r object) {
		parents := r["status"].(object)["parents"].([]any)
		// What a controller says that spells out the API's defaults.
		ref := parents[1].(object)["parentRef"].(object)
		ref["group"], ref["kind"], ref["namespace"] = "gateway.networking.k8s.io", "Gateway", routertest.Namespace
		refusal := []any{object{"type": "Accepted", "status": "False", "reason": "Gone", "message": "", "lastTransitionTime": nil}}
		r["status"].(object)["parents"] = append([]any{
			object{"parentRef": object{"name": "retired"}, "controllerName": "example.com/old", "conditions": refusal},
			object{"parentRef": object{"name": "internal"}, "controllerName": "example.com/old", "conditions": refusal},
		}, parents...)
	})
	o, err := server.router().Observe(t.Context(), shop, true)
	require.NoError(t, err)
	require.Empty(t, o.Routes[0].Waiting)
	require.True(t, o.Routes[0].Accepted)
}

func TestARouteWithoutParentsWaitsForSomebodyToGiveItOne(t *testing.T) {
	server := newServer(t)
	owner{server}.Put(checkout, routertest.Rule{{Service: pair.Stable, Weight: 100}, {Service: pair.Canary, Weight: 0}})
	server.change(checkout, func(r object) { delete(r["spec"].(object), "parentRefs") })
	o, err := server.router().Observe(t.Context(), shop, true)
	require.NoError(t, err)
	require.Equal(t, "HTTPRoute checkout: it has no spec.parentRefs, so no gateway serves it", o.Waiting())
}
