package gatewayapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic"
	"github.com/rollout-dev/rollout/traffic/routertest"
	"github.com/rollout-dev/rollout/traffic/routertest/apiserver"
)

const split = `"backendRefs": [{"group": "", "kind": "Service", "name": "checkout-stable", "port": 80, "weight": 80},
	{"group": "", "kind": "Service", "name": "checkout-canary", "port": 81, "weight": 20, "filters": [{"type": "FromTomorrow"}]}]`

func managing(rules ...traffic.ManagedRule) traffic.Target {
	target := shop
	for _, r := range rules {
		target.Managed.Names = append(target.Managed.Names, r.Name)
	}
	target.Managed.Rules = rules
	return target
}

func exact(text string) traffic.StringMatch  { return traffic.StringMatch{Exact: text} }
func prefix(text string) traffic.StringMatch { return traffic.StringMatch{Prefix: text} }
func regex(text string) traffic.StringMatch  { return traffic.StringMatch{Regex: text} }

func testers(name string, value traffic.StringMatch) traffic.ManagedRule {
	return traffic.HeaderRoute("m", traffic.HeaderMatch{Header: name, Value: value})
}

func mirror(matches ...traffic.RequestMatch) traffic.ManagedRule {
	return traffic.MirrorRoute("m", 25, matches...)
}

// rules replaces the rules of the route.
func (s server) rules(text string) {
	s.change(checkout, func(r object) {
		r["spec"] = apiserver.Parse([]byte(`{"parentRefs": [{"name": "public"}], "rules": ` + text + `}`))
	})
}

// apply observes and applies; both have to say the same of what can't be done.
func (s server) apply(target traffic.Target, percent int) error {
	s.t.Helper()
	observed, err := s.router().Observe(s.t.Context(), target, true)
	require.NoError(s.t, err)
	cached, err := s.router().Observe(s.t.Context(), target, false)
	require.NoError(s.t, err)
	require.Equal(s.t, observed, cached)
	_, err = s.router().Apply(s.t.Context(), target, observed, percent)
	return err
}

func (s server) requireRule(index int, want string) {
	s.t.Helper()
	require.JSONEq(s.t, want, string(apiserver.Canonical(rulesOf(s.stored(checkout))[index])))
}

func TestAHeaderRouteIsTheOwnersRuleForTheCanaryAlone(t *testing.T) {
	server := newServer(t)
	server.rules(`[{"name": "primary", "timeouts": {"request": "5s"}, "fromTomorrow": [1.50, 9007199254740993],
		"matches": [{"path": {"type": "PathPrefix", "value": "/a"}, "fromTomorrow": 1}, {"headers": [{"type": "Exact", "name": "X-B", "value": "b"}]}], ` + split + `}]`)
	require.NoError(t, server.apply(managing(testers("X-Tester", regex("y.*"))), 20))
	server.requireRule(0, `{"name": "m", "timeouts": {"request": "5s"}, "fromTomorrow": [1.50, 9007199254740993],
		"matches": [{"path": {"type": "PathPrefix", "value": "/a"}, "fromTomorrow": 1, "headers": [{"type": "RegularExpression", "name": "X-Tester", "value": "y.*"}]},
			{"path": {"type": "PathPrefix", "value": "/"}, "headers": [{"type": "Exact", "name": "X-B", "value": "b"}, {"type": "RegularExpression", "name": "X-Tester", "value": "y.*"}]}],
		"backendRefs": [{"group": "", "kind": "Service", "name": "checkout-canary", "port": 81, "weight": 1, "filters": [{"type": "FromTomorrow"}]}]}`)
	require.Contains(t, string(apiserver.Canonical(server.stored(checkout)["spec"])), "9007199254740993")
}

func TestAMirrorRouteKeepsTheOwnersFilters(t *testing.T) {
	server := newServer(t)
	server.rules(`[{"filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "audit"}}}], ` + split + `}]`)
	require.NoError(t, server.apply(managing(mirror(traffic.RequestMatch{Method: exact("GET")})), 20))
	server.requireRule(0, `{"name": "m", "matches": [{"path": {"type": "PathPrefix", "value": "/"}, "method": "GET"}], `+split+`,
		"filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "audit"}}},
			{"type": "RequestMirror", "requestMirror": {"backendRef": {"group": "", "kind": "Service", "name": "checkout-canary", "port": 81}, "percent": 25}}]}`)
}

func TestAMirrorIsRefusedWhereTheGatewayIsKnownNotToMirror(t *testing.T) {
	server := newServer(t)
	server.rules(`[{` + split + `}]`)
	server.change(checkout, func(r object) {
		r["spec"].(object)["parentRefs"] = []any{object{"name": "public", "namespace": "infra"}, object{"kind": "Service", "name": "checkout"}}
	})
	half := managing(mirror(traffic.RequestMatch{Method: exact("GET")}))
	before := server.stored(checkout)
	server.Change("Gateway", "infra", "public", func(g object) { g["spec"] = object{"gatewayClassName": "plain"} })
	lists := func(features ...any) {
		server.Change("GatewayClass", "", "plain", func(class object) { class["status"] = object{"supportedFeatures": features} })
	}
	lists(object{"name": "HTTPRouteRequestMirror"})
	require.ErrorContains(t, server.apply(half, 20), "GatewayClass plain doesn't list HTTPRouteRequestPercentageMirror in status.supportedFeatures")
	lists(object{"name": "HTTPRoute"})
	require.ErrorContains(t, server.apply(half, 20), "take setMirrorRoute out of the steps, or use a gateway that mirrors")
	require.Equal(t, before, server.stored(checkout))
	require.NoError(t, server.apply(managing(testers("X-Tester", exact("y"))), 20), "a header route takes no such feature")
	lists(object{"name": "HTTPRouteRequestMirror"}, object{"name": "HTTPRouteRequestPercentageMirror"})
	require.NoError(t, server.apply(half, 20))
	lists()
	require.NoError(t, server.apply(half, 30), "a class that lists nothing is believed")
}

func TestMatchesOfOwnerAndManagedRuleHoldTogether(t *testing.T) {
	path := func(s traffic.StringMatch) traffic.ManagedRule { return mirror(traffic.RequestMatch{Path: s}) }
	below := func(value string) string { return `{"path": {"type": "PathPrefix", "value": "` + value + `"}}` }
	for _, c := range []struct {
		owner string
		rule  traffic.ManagedRule
		// matches of the managed rule; or what the refusal says.
		matches, says string
	}{
		{`[]`, path(exact("/a")), `[{"path": {"type": "Exact", "value": "/a"}}]`, ""},
		{`[]`, path(regex("/a.*")), `[{"path": {"type": "RegularExpression", "value": "/a.*"}}]`, ""},
		{`[` + below("/a") + `]`, path(exact("/a/b")), `[{"path": {"type": "Exact", "value": "/a/b"}}]`, ""},
		{`[` + below("/a") + `]`, path(exact("/ab")), "", "serves requests that it describes"},
		{`[` + below("/a") + `]`, path(prefix("/a/b")), `[` + below("/a/b") + `]`, ""},
		{`[` + below("/a/b") + `]`, path(prefix("/a/")), `[` + below("/a/b") + `]`, ""},
		{`[` + below("/a") + `, ` + below("/b") + `]`, path(prefix("/b")), `[` + below("/b") + `]`, ""},
		{`[` + below("/a") + `]`, path(prefix("/b")), "", "serves requests that it describes"},
		{`[{"path": {"type": "Exact", "value": "/a"}}]`, path(prefix("/a")), `[{"path": {"type": "Exact", "value": "/a"}}]`, ""},
		{`[{"path": {"type": "Exact", "value": "/a"}}]`, path(exact("/b")), "", "serves requests that it describes"},
		{`[{"path": {"type": "RegularExpression", "value": "/.*"}}]`, path(regex("/.*")), `[{"path": {"type": "RegularExpression", "value": "/.*"}}]`, ""},
		{`[{"path": {"type": "RegularExpression", "value": "/.*"}}]`, path(exact("/b")), "", "no match of the Gateway API says that together with"},
		{`[{"path": {"type": "PathPrefix", "value": "/"}, "headers": [{"name": "X-U", "value": "1"}]}]`, testers("x-u", exact("1")),
			`[{"path": {"type": "PathPrefix", "value": "/"}, "headers": [{"type": "Exact", "name": "X-U", "value": "1"}]}]`, ""},
		{`[{"headers": [{"name": "X-U", "value": "1"}]}]`, testers("x-u", exact("2")), "", "serves requests that it describes"},
		{`[{"headers": [{"name": "X-U", "value": "1"}]}]`, testers("x-u", regex("2")), "", "no match of the Gateway API says that together with"},
		{`[{"headers": [{"name": "X-U", "value": "1", "invert": true}]}]`, testers("x-v", exact("1")), "", `unknown field "invert"`},
		{`[]`, testers("x-u", prefix("a")), "", `the Gateway API can't match header x-u by the prefix "a"; use exact or regex`},
		{`[{"method": "GET"}]`, mirror(traffic.RequestMatch{Method: exact("PUT")}), "", "serves requests that it describes"},
		{`[]`, mirror(traffic.RequestMatch{Method: regex("P.*")}), "", "the Gateway API matches methods as a whole only; use exact"},
	} {
		server := newServer(t)
		server.rules(`[{"matches": ` + c.owner + `, ` + split + `}]`)
		err := server.apply(managing(c.rule), 20)
		if c.says != "" {
			require.ErrorContains(t, err, c.says, c.owner)
			require.ErrorContains(t, err, `managed route "m" can't be added`, c.owner)
			continue
		}
		require.NoError(t, err, c.owner)
		require.JSONEq(t, c.matches, string(apiserver.Canonical(rulesOf(server.stored(checkout))[0]["matches"])), c.owner)
	}
}

// The most specific match wins, wherever it stands, so a managed rule must not become more specific than what it stands behind.
func TestAManagedRuleThatWouldWinRequestsForOthersIsRefused(t *testing.T) {
	header := `[{"path": {"type": "PathPrefix", "value": "/"}, "headers": [{"name": "x-beta", "value": "1"}]}]`
	anywhere := `[{"path": {"type": "PathPrefix", "value": "/"}}]`
	login := `"backendRefs": [{"name": "login", "port": 80}]`
	for _, c := range []struct {
		first, second string // the matches of the rule for others, in front of that of the pair or behind it
		rule          traffic.ManagedRule
		refused       bool
	}{
		{header, "", testers("x-tester", exact("1")), false},
		{"", header, testers("x-tester", exact("1")), true},
		{"", header, testers("x-beta", exact("2")), false},
		{header, "", mirror(traffic.RequestMatch{Method: exact("GET")}), true},
		{`[{"path": {"type": "PathPrefix", "value": "/"}, "method": "PUT"}]`, "", mirror(traffic.RequestMatch{Method: exact("GET")}), false},
		{`[{"path": {"type": "PathPrefix", "value": "/a"}}]`, "", mirror(traffic.RequestMatch{Path: prefix("/a/b")}), true},
		{`[{"path": {"type": "PathPrefix", "value": "/a/b"}}]`, "", mirror(traffic.RequestMatch{Path: prefix("/a")}), false},
		{`[{"path": {"type": "PathPrefix", "value": "/a"}}]`, "", mirror(traffic.RequestMatch{Path: exact("/b")}), false},
		{`[{"path": {"type": "Exact", "value": "/a/b"}}]`, "", mirror(traffic.RequestMatch{Path: regex("/x")}), true},
		{`[{"path": {"type": "RegularExpression", "value": "/x"}}]`, "", testers("x-tester", exact("1")), false},
		{anywhere, "", testers("x-tester", exact("1")), true},
		{"", anywhere, testers("x-tester", exact("1")), false},
	} {
		rules, others := `{"matches": `+anywhere+`, `+split+`}`, "spec.rules[1]"
		if c.first != "" {
			rules, others = `{"matches": `+c.first+`, `+login+`}, `+rules, "spec.rules[0]"
		} else {
			rules += `, {"matches": ` + c.second + `, ` + login + `}`
		}
		server := newServer(t)
		server.rules(`[` + rules + `]`)
		err := server.apply(managing(c.rule), 20)
		if c.refused {
			require.ErrorContains(t, err, "it could also win requests that are for "+others, rules)
			continue
		}
		require.NoError(t, err, rules)
	}
}

func TestCopiesOfAManagedRuleHaveNamesOfTheirOwn(t *testing.T) {
	server := newServer(t)
	two := `{"matches": [{"path": {"type": "PathPrefix", "value": "/a"}}], ` + split + `}, {"matches": [{"path": {"type": "PathPrefix", "value": "/b"}}], ` + split + `}`
	server.rules(`[` + two + `, {"name": "m-1", "matches": [{"path": {"type": "Exact", "value": "/x"}}], "backendRefs": []}, {"name": "m-02", "backendRefs": []}]`)
	target := managing(testers("x", exact("y")))
	require.NoError(t, server.apply(target, 20))
	names := func() (names []any) {
		for _, rule := range rulesOf(server.stored(checkout)) {
			names = append(names, rule["name"])
		}
		return names
	}
	require.Equal(t, []any{"m", nil, "m-2", nil, "m-1", "m-02"}, names())
	target.Managed.Rules = nil
	require.NoError(t, server.apply(target, 20))
	require.Equal(t, []any{nil, nil, "m-1", "m-02"}, names(), "names that the engine doesn't give are the owner's")
}

func TestAServerThatDoesNotKnowAFieldOfAManagedRuleGetsNone(t *testing.T) {
	for field, rule := range map[string]traffic.ManagedRule{"name": testers("x", exact("y")), "percent": mirror()} {
		server := newServer(t)
		server.rules(`[{` + split + `}]`)
		server.Forget(field)
		require.ErrorContains(t, server.apply(managing(rule), 20), "unknown field")
		require.Len(t, rulesOf(server.stored(checkout)), 1)
	}
}

func TestRouterSaysWhatTheGatewayAPICannotDo(t *testing.T) {
	server := newServer(t)
	server.rules(`[{` + split + `}]`)
	subsets, restricted := shop, shop
	subsets.Pair.SubsetsOf = "checkout"
	restricted.Only = map[traffic.RouteName]traffic.Selection{checkout: {HTTP: []string{"primary"}}}
	for says, target := range map[string]traffic.Target{
		"the Gateway API knows no subsets of a Service; give stable and canary a Service each": subsets,
		"the split can't be restricted to some rules of a route; leave the restriction out":    restricted,
	} {
		o, err := server.router().Observe(t.Context(), target, true)
		require.NoError(t, err)
		require.Equal(t, says, o.Routes[0].Problem)
		require.NoError(t, server.apply(target, 50))
	}
	require.Zero(t, server.Writes())
}

func TestARouteInAnotherNamespaceMayCarryTheSplit(t *testing.T) {
	server := newServer(t)
	target := shop
	target.Routes = []traffic.RouteName{{Kind: "HTTPRoute", Name: "checkout", Namespace: "infra"}}
	server.Change("HTTPRoute", "infra", "checkout", func(r object) {
		r["spec"] = object{"rules": []any{
			object{"backendRefs": []any{object{"name": pair.Stable, "namespace": routertest.Namespace}, object{"name": pair.Canary, "namespace": routertest.Namespace, "weight": 0}}},
			object{"backendRefs": []any{object{"name": pair.Stable}}},
		}}
	})
	require.NoError(t, server.apply(target, 30))
	o, err := server.router().Observe(t.Context(), target, false)
	require.NoError(t, err)
	require.True(t, o.Share().Exactly(30))
}
