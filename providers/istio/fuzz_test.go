package istio_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic"
	"github.com/rollout-dev/rollout/traffic/routertest"
	"github.com/rollout-dev/rollout/traffic/routertest/apiserver"
)

// FuzzARunChangesNothingButWeightsAndManagedRules makes random VirtualServices, with fields that no version of the API has and with
// destinations that are almost the pair's, and leads several shares and sets of managed rules through them.
func FuzzARunChangesNothingButWeightsAndManagedRules(f *testing.F) {
	for seed := range uint64(100) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		server, target := newServer(t), shop
		if random.IntN(2) == 0 {
			target.Pair.SubsetsOf = "checkout"
			server.destinationRule(`{"host": "checkout", "subsets": [{"name": "checkout-stable"}, {"name": "checkout-canary"}]}`)
		}
		server.Change(kind, routertest.Namespace, checkout.Name, func(o object) { randomVirtualService(random, o, target.Pair) })
		if random.IntN(4) == 0 {
			target.Only = map[traffic.RouteName]traffic.Selection{checkout: {HTTP: []string{"primary"}, TCP: []int{80}, TLS: []traffic.TLSMatch{{Port: 80}}}}
		}
		target.Managed.Names = []string{"testers", "copies"}
		before := server.without(target)
		for range 3 {
			target.Managed.Rules = randomRules(random)
			server.lead(random, target, random.IntN(101), seed)
			require.Equal(t, before, server.without(target), "seed %d", seed)
		}
		target.Managed.Rules = nil
		server.lead(random, target, 0, seed)
		require.Equal(t, before, server.without(target), "seed %d", seed)
		require.Empty(t, server.observe(target).Astray, "seed %d", seed)
	})
}

// lead applies a share, and checks that it is there.
func (s server) lead(random *rand.Rand, target traffic.Target, percent int, seed uint64) {
	observed, err := s.router().Observe(s.t.Context(), target, random.IntN(2) == 0)
	require.NoError(s.t, err)
	writes, err := s.router().Apply(s.t.Context(), target, observed, percent)
	after := s.observe(target)
	if err != nil {
		require.Regexp(s.t, "multiply all weights|managed route \"\\w+\" can't be added", err.Error(), "seed %d", seed)
		require.Empty(s.t, writes)
		return
	}
	require.Empty(s.t, after.Astray, "seed %d", seed)
	if after.Problem == "" {
		require.True(s.t, after.Share.Exactly(percent), "seed %d: %d%% became %v", seed, percent, after.Share)
	}
	writes, err = s.router().Apply(s.t.Context(), target, traffic.Observation{Routes: []traffic.RouteObservation{after}}, percent)
	require.NoError(s.t, err)
	require.Empty(s.t, writes, "seed %d: nothing is left to write", seed)
}

// without is the stored VirtualService without managed rules, weights of the pair, and what counts changes.
func (s server) without(target traffic.Target) string {
	r, _ := s.Object(kind, routertest.Namespace, checkout.Name)
	delete(r["metadata"].(object), "resourceVersion")
	delete(r["metadata"].(object), "generation")
	spec := r["spec"].(object)
	for _, list := range []string{"http", "tls", "tcp"} {
		rules, _ := spec[list].([]any)
		rules = slices.DeleteFunc(rules, func(rule any) bool {
			name, _ := rule.(object)["name"].(string)
			return list == "http" && slices.Contains(target.Managed.Names, name)
		})
		spec[list] = rules
		for _, rule := range rules {
			for _, d := range rule.(object)["route"].([]any) {
				destination := d.(object)["destination"].(object)
				if b := backendOf(destination); b == pair.Stable || b == pair.Canary {
					delete(d.(object), "weight")
				}
			}
		}
	}
	return string(apiserver.Canonical(r))
}

func randomRules(random *rand.Rand) []traffic.ManagedRule {
	value := func() traffic.StringMatch {
		return []traffic.StringMatch{exact("a"), prefix("a"), regex("a")}[random.IntN(3)]
	}
	var rules []traffic.ManagedRule
	if random.IntN(3) == 0 {
		rules = append(rules, traffic.HeaderRoute("testers", header("X-A", value()), header("x-b", value())))
	}
	if random.IntN(3) == 0 {
		matches := []traffic.RequestMatch{{Path: value()}, {Method: value(), Headers: []traffic.HeaderMatch{header("x-a", value())}}}
		rules = append(rules, traffic.MirrorRoute("copies", 1+random.IntN(100), matches[:random.IntN(3)]...))
	}
	return rules
}

func randomVirtualService(random *rand.Rand, o object, pair traffic.Pair) {
	o["metadata"] = object{"annotations": object{"x": fmt.Sprint(random.Uint64())}}
	spec := object{"unknown": anything(random, 3)}
	if random.IntN(3) != 0 {
		spec["hosts"] = []any{"shop.example.com"}
	}
	for _, list := range []string{"http", "tls", "tcp"} {
		rules := []any{}
		for range random.IntN(4) {
			rules = append(rules, randomRule(random, pair))
		}
		spec[list] = rules
	}
	o["spec"] = spec
}

func randomRule(random *rand.Rand, pair traffic.Pair) object {
	rule := object{"unknown": anything(random, 3), "route": randomDestinations(random, pair), "timeout": "5s", "retries": anything(random, 2)}
	sometimes(random, rule, []field{
		{"name", "primary"},
		{"match", randomMatches(random)},
		{"mirror", object{"host": pair.Canary, "unknown": anything(random, 2)}},
		{"mirrors", []any{object{"destination": object{"host": "audit"}, "unknown": anything(random, 2)}}},
		{"headers", object{"request": object{"set": object{"weight": "7"}}}},
	})
	return rule
}

type field struct {
	name  string
	value any
}

// sometimes adds fields.
func sometimes(random *rand.Rand, to object, fields []field) {
	for _, f := range fields {
		if random.IntN(3) == 0 {
			to[f.name] = f.value
		}
	}
}

func randomMatches(random *rand.Rand) []any {
	text := func() object {
		return object{[]string{"exact", "prefix", "regex"}[random.IntN(3)]: []string{"a", "b", "ab"}[random.IntN(3)]}
	}
	matches := []any{}
	for range random.IntN(3) {
		m := object{"port": 80 + random.IntN(2), "unknown": anything(random, 2)}
		sometimes(random, m, []field{
			{"uri", text()}, {"method", text()}, {"headers", object{"x-a": text(), "x-c": text()}}, {"ignoreUriCase", true}, {"sniHosts", []any{"a"}},
		})
		matches = append(matches, m)
	}
	return matches
}

// randomDestinations are often just the pair, so that there is something to write.
func randomDestinations(random *rand.Rand, pair traffic.Pair) []any {
	routes := []any{}
	add := func(name string) {
		destination := object{"host": name, "port": object{"number": 80}, "unknown": anything(random, 2)}
		if pair.SubsetsOf != "" {
			destination["host"], destination["subset"] = []string{"checkout", "checkout.shop.svc.cluster.local"}[random.IntN(2)], name
		}
		route := object{"destination": destination, "unknown": anything(random, 2), "headers": anything(random, 1)}
		if random.IntN(4) != 0 {
			route["weight"] = json.Number(fmt.Sprint(random.IntN([]int{1, 3, 101, 1_000_001}[random.IntN(4)])))
		}
		routes = append(routes, route)
	}
	if random.IntN(5) != 0 {
		add(pair.Stable)
		add(pair.Canary)
	}
	for range random.IntN(3) {
		add([]string{"login", pair.Canary + "-2", "checkout", "CHECKOUT-STABLE"}[random.IntN(4)])
	}
	random.Shuffle(len(routes), func(i, j int) { routes[i], routes[j] = routes[j], routes[i] })
	return routes
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
	return object{"weight": anything(random, depth-1), "host": pair.Canary, "name": "testers", "metadata": anything(random, depth-1)}
}
