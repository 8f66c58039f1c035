package istio_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"

	"github.com/rollout-dev/rollout/traffic"
	"github.com/rollout-dev/rollout/traffic/routertest"
	"github.com/rollout-dev/rollout/traffic/routertest/apiserver"
)

const split = `"route": [{"destination": {"host": "checkout-stable"}, "weight": 80}, {"destination": {"host": "checkout-canary", "port": {"number": 8080}}, "weight": 20, "headers": {"response": {"set": {"x-version": "canary"}}}}]`

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

func header(name string, value traffic.StringMatch) traffic.HeaderMatch {
	return traffic.HeaderMatch{Header: name, Value: value}
}

func (s server) requireRule(index int, want string) {
	s.t.Helper()
	require.JSONEq(s.t, want, string(apiserver.Canonical(s.at("http", index))))
}

func TestAHeaderRouteIsTheOwnersRuleForTheCanaryAlone(t *testing.T) {
	server := newServer(t)
	server.spec(`{"hosts": ["x"], "http": [{"name": "primary", "timeout": "5s", "rewrite": {"uri": "/"}, "fromTomorrow": [1.50, 9007199254740993],
		"match": [{"uri": {"prefix": "/a"}, "gateways": ["mesh"]}, {"headers": {"x-b": {"exact": "b"}}, "fromTomorrow": {}}], ` + split + `}]}`)
	server.apply(managing(traffic.HeaderRoute("testers", header("X-Tester", exact("yes")), header("x-team", prefix("checkout-")))), 20)
	server.requireRule(0, `{"name": "testers", "timeout": "5s", "rewrite": {"uri": "/"}, "fromTomorrow": [1.50, 9007199254740993],
		"match": [{"uri": {"prefix": "/a"}, "gateways": ["mesh"], "headers": {"x-tester": {"exact": "yes"}, "x-team": {"prefix": "checkout-"}}},
			{"headers": {"x-b": {"exact": "b"}, "x-tester": {"exact": "yes"}, "x-team": {"prefix": "checkout-"}}, "fromTomorrow": {}}],
		"route": [{"destination": {"host": "checkout-canary", "port": {"number": 8080}}, "weight": 100, "headers": {"response": {"set": {"x-version": "canary"}}}}]}`)
	require.Contains(t, string(apiserver.Canonical(server.at("http", 0, "fromTomorrow"))), "9007199254740993")
}

func TestAMirrorRouteKeepsTheOwnersMirrors(t *testing.T) {
	ours := `{"destination": {"host": "checkout-canary", "port": {"number": 8080}}, "percentage": {"value": 25}}`
	for owners, mirrors := range map[string]string{
		``:                              ours,
		`"mirror": null, `:              ours,
		`"mirror": {"host": "audit"}, `: `{"destination": {"host": "audit"}}, ` + ours,
		`"mirrors": [{"destination": {"host": "audit"}}], `:                 `{"destination": {"host": "audit"}}, ` + ours,
		`"mirror": {"host": "audit"}, "mirrorPercentage": {"value": 0.5}, `: `{"destination": {"host": "audit"}, "percentage": {"value": 0.5}}, ` + ours,
		`"mirror": {"host": "audit"}, "mirrorPercent": 7, `:                 `{"destination": {"host": "audit"}, "percentage": {"value": 7}}, ` + ours,
		`"mirror": {"host": "audit"}, "mirror_percent": 7, `:                `{"destination": {"host": "audit"}, "percentage": {"value": 7}}, ` + ours,
	} {
		server := newServer(t)
		server.spec(`{"hosts": ["x"], "http": [{` + owners + split + `}]}`)
		server.apply(managing(traffic.MirrorRoute("copies", 25)), 20)
		server.requireRule(0, `{"name": "copies", "mirrors": [`+mirrors+`], `+split+`}`)
	}
}

func TestMatchesOfOwnerAndManagedRuleHoldTogether(t *testing.T) {
	path := func(s traffic.StringMatch) traffic.ManagedRule {
		return traffic.MirrorRoute("m", 5, traffic.RequestMatch{Path: s})
	}
	for _, c := range []struct {
		owner string
		rule  traffic.ManagedRule
		// match of the managed rule; or what the refusal says.
		match, says string
	}{
		{`[]`, path(exact("/a")), `[{"uri": {"exact": "/a"}}]`, ""},
		{`[{}]`, path(regex("/a.*")), `[{"uri": {"regex": "/a.*"}}]`, ""},
		{`[{"uri": {"prefix": "/a"}}]`, path(exact("/a/b")), `[{"uri": {"exact": "/a/b"}}]`, ""},
		{`[{"uri": {"exact": "/a/b"}}]`, path(prefix("/a")), `[{"uri": {"exact": "/a/b"}}]`, ""},
		{`[{"uri": {"prefix": "/a"}}]`, path(prefix("/a/b")), `[{"uri": {"prefix": "/a/b"}}]`, ""},
		{`[{"uri": {"prefix": "/a/b"}}]`, path(prefix("/a")), `[{"uri": {"prefix": "/a/b"}}]`, ""},
		{`[{"uri": {"regex": "/.*"}}]`, path(regex("/.*")), `[{"uri": {"regex": "/.*"}}]`, ""},
		{`[{"uri": {"prefix": "/a"}}, {"uri": {"prefix": "/b"}}]`, path(exact("/b")), `[{"uri": {"exact": "/b"}}]`, ""},
		{`[{"uri": {"prefix": "/a"}}]`, path(exact("/b")), "", "serves requests that it describes"},
		{`[{"uri": {"exact": "/a"}}]`, path(exact("/b")), "", "serves requests that it describes"},
		{`[{"uri": {"prefix": "/a"}}]`, path(prefix("/b")), "", "serves requests that it describes"},
		{`[{"uri": {"regex": "/.*"}}]`, path(exact("/b")), "",
			`in front of spec.http[0]: its match describes uri by {"regex":"/.*"}, and no match of Istio's says that together with {"exact":"/b"}`},
		{`[{"uri": {"suffix": "/a"}}]`, path(exact("/a")), "", `read match of uri: json: unknown field "suffix"`},
		{`[{"uri": {"prefix": "/a"}, "ignoreUriCase": true}]`, path(exact("/a")), "", "ignoreUriCase"},
		{`[{"uri": {"prefix": "/a"}, "ignoreUriCase": false}]`, path(exact("/a")), `[{"uri": {"exact": "/a"}, "ignoreUriCase": false}]`, ""},
		{`[{"headers": {"x-u": {}}}]`, traffic.HeaderRoute("m", header("X-U", exact("1"))), `[{"headers": {"x-u": {"exact": "1"}}}]`, ""},
		{`[{"headers": {"x-u": {"exact": "1"}, "x-v": {"exact": "2"}}}]`, traffic.HeaderRoute("m", header("x-u", prefix("1"))),
			`[{"headers": {"x-u": {"exact": "1"}, "x-v": {"exact": "2"}}}]`, ""},
		{`[{"method": {"exact": "GET"}}]`, traffic.MirrorRoute("m", 5, traffic.RequestMatch{Method: exact("GET")}, traffic.RequestMatch{Method: exact("PUT")}),
			`[{"method": {"exact": "GET"}}]`, ""},
		{`[null]`, traffic.MirrorRoute("m", 5, traffic.RequestMatch{Method: exact("GET")}, traffic.RequestMatch{Path: prefix("/p")}),
			`[{"method": {"exact": "GET"}}, {"uri": {"prefix": "/p"}}]`, ""},
		{`[]`, traffic.HeaderRoute("m", header("Method", exact("GET"))), "", "a match of header Method is one that Istio ignores"},
	} {
		server := newServer(t)
		server.spec(`{"hosts": ["x"], "http": [{"match": ` + c.owner + `, ` + split + `}]}`)
		target := managing(c.rule)
		observed, err := server.router().Observe(t.Context(), target, true)
		require.NoError(t, err)
		_, err = server.router().Apply(t.Context(), target, observed, 20)
		about := fmt.Sprintf("%s and %+v", c.owner, c.rule.Matches)
		if c.says != "" {
			require.ErrorContains(t, err, c.says, about)
			require.Contains(t, observed.Routes[0].Astray, c.says, about)
			require.Contains(t, observed.Routes[0].Astray, `"m"`, about)
			continue
		}
		require.NoError(t, err, about)
		require.JSONEq(t, c.match, string(apiserver.Canonical(server.at("http", 0, "match"))), about)
	}
}

func TestARuleThatCannotServeWhatAManagedRuleDescribesIsLeftOut(t *testing.T) {
	server := newServer(t)
	server.spec(`{"hosts": ["x"], "http": [{"match": [{"method": {"exact": "PUT"}}], ` + split + `}, {` + split + `}]}`)
	server.apply(managing(traffic.MirrorRoute("m", 5, traffic.RequestMatch{Method: exact("GET")})), 20)
	require.Len(t, server.at("http"), 3)
	require.Nil(t, server.at("http", 0).(object)["name"])
	require.Equal(t, "m", server.at("http", 1, "name"))
}

func TestADelegateTakesNoRegularExpressions(t *testing.T) {
	server := newServer(t)
	server.spec(`{"http": [{` + split + `}]}`)
	require.Contains(t, server.observe(managing(traffic.HeaderRoute("m", header("x", regex(".*"))))).Astray, "Istio takes no regex in matches there; use exact or prefix")
	require.NotContains(t, server.observe(managing(traffic.HeaderRoute("m", header("x", prefix("a"))))).Astray, "regex")
}

func TestRulesForConnectionsGetNoManagedRules(t *testing.T) {
	server := newServer(t)
	server.spec(`{"hosts": ["x"], "tcp": [{` + split + `}], "http": [{` + split + `}]}`)
	server.apply(managing(traffic.HeaderRoute("m", header("x", exact("y")))), 50)
	require.Len(t, server.at("tcp"), 1)
	require.Len(t, server.at("http"), 2)
	require.True(t, server.observe(managing(traffic.HeaderRoute("m", header("x", exact("y"))))).Share.Exactly(50))
}

func TestAShareThatAMirrorRouteHasAloneIsSeen(t *testing.T) {
	server := newServer(t)
	server.spec(`{"hosts": ["x"], "http": [{` + split + `}]}`)
	target := managing(traffic.MirrorRoute("m", 5))
	server.apply(target, 20)
	server.Change(kind, routertest.Namespace, checkout.Name, func(o object) {
		o["spec"].(object)["http"].([]any)[0].(object)["route"].([]any)[1].(object)["weight"] = 80
	})
	o := server.observe(target)
	require.Equal(t, traffic.Range{Low: 20, High: 50}, o.Share)
	require.Contains(t, o.Astray, "is to be made anew")
	server.apply(target, 20)
	require.True(t, server.observe(target).Share.Exactly(20))
}

func TestManagedRulesGoEvenIfNoRuleOfTheOwnerIsLeft(t *testing.T) {
	server := newServer(t)
	server.spec(`{"hosts": ["x"], "http": [{` + split + `}]}`)
	target := managing(traffic.HeaderRoute("m", header("x", exact("y"))))
	server.apply(target, 0)
	server.Change(kind, routertest.Namespace, checkout.Name, func(o object) {
		spec := o["spec"].(object)
		spec["http"] = spec["http"].([]any)[:1]
	})
	target.Managed.Rules = nil
	o := server.observe(target)
	require.Equal(t, []string{"m"}, o.Managed)
	require.NotEmpty(t, o.Problem)
	server.apply(target, 0)
	require.Empty(t, server.at("http"))
}

func TestAnIstioThatDoesNotKnowMirrorsGetsNoMirrorRouteWithoutThem(t *testing.T) {
	server := newServer(t)
	server.spec(`{"hosts": ["x"], "http": [{` + split + `}]}`)
	server.Forget("mirrors")
	target := managing(traffic.MirrorRoute("m", 5))
	observed, err := server.router().Observe(t.Context(), target, true)
	require.NoError(t, err)
	_, err = server.router().Apply(t.Context(), target, observed, 20)
	require.ErrorContains(t, err, `unknown field "mirrors"`)
	require.Len(t, server.at("http"), 1)
}

// What the engine writes as plain JSON has to be what Istio understands.
func TestIstiosOwnTypesReadAManagedRuleAsItWasMeant(t *testing.T) {
	server := newServer(t)
	server.spec(`{"hosts": ["x"], "http": [{` + split + `}]}`)
	server.apply(managing(
		traffic.HeaderRoute("testers", header("X-Tester", exact("yes"))),
		traffic.MirrorRoute("copies", 25, traffic.RequestMatch{Method: exact("GET"), Path: prefix("/cart"), Headers: []traffic.HeaderMatch{header("x", regex("y+"))}}),
	), 20)
	stored, _ := server.Object(kind, routertest.Namespace, checkout.Name)
	read := apiserver.As[networkingv1.VirtualService](t, stored)
	require.Len(t, read.Spec.Http, 3)
	testers, copies := read.Spec.Http[0], read.Spec.Http[1]
	require.Equal(t, "yes", testers.Match[0].Headers["x-tester"].GetExact())
	require.Equal(t, "checkout-canary", testers.Route[0].Destination.Host)
	require.EqualValues(t, 8080, testers.Route[0].Destination.Port.Number)
	require.EqualValues(t, 100, testers.Route[0].Weight)
	require.Equal(t, "GET", copies.Match[0].Method.GetExact())
	require.Equal(t, "/cart", copies.Match[0].Uri.GetPrefix())
	require.Equal(t, "y+", copies.Match[0].Headers["x"].GetRegex())
	require.InDelta(t, 25, copies.Mirrors[0].Percentage.Value, 0)
	require.Equal(t, "checkout-canary", copies.Mirrors[0].Destination.Host)
	require.Equal(t, []int32{80, 20}, []int32{copies.Route[0].Weight, copies.Route[1].Weight})
}
