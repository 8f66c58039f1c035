package traffic_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic"
)

func TestManagedRulesThatMakeNoSenseSayWhatToDo(t *testing.T) {
	header := func(name string, value traffic.StringMatch) traffic.HeaderMatch {
		return traffic.HeaderMatch{Header: name, Value: value}
	}
	yes := traffic.StringMatch{Exact: "yes"}
	two := traffic.StringMatch{Exact: "a", Regex: "a"}
	for _, c := range []struct {
		names []string
		rule  traffic.ManagedRule
		want  string
	}{
		{[]string{"a"}, traffic.HeaderRoute("a", header("x", yes), header("y", yes)), ""},
		{[]string{"a"}, traffic.MirrorRoute("a", 100), ""},
		{[]string{"a"}, traffic.MirrorRoute("a", 1, traffic.RequestMatch{Method: yes, Path: traffic.StringMatch{Prefix: "/"}}), ""},
		{[]string{"a", ""}, traffic.MirrorRoute("a", 1), "a managed route has no name; give it one"},
		{[]string{"a", "b", "a"}, traffic.MirrorRoute("a", 1), `managed route "a" is declared twice; remove one of the two`},
		{[]string{"b", "c"}, traffic.MirrorRoute("a", 1), `route "a" is not among the managed routes (b, c); declare it there`},
		{[]string{"a"}, traffic.MirrorRoute("a", 101), `managed route "a" mirrors 101% of the requests; choose a percentage from 1 to 100`},
		{[]string{"a"}, traffic.MirrorRoute("a", -1), `managed route "a" mirrors -1% of the requests; choose a percentage from 1 to 100`},
		{[]string{"a"}, traffic.HeaderRoute("a"), `managed route "a" matches no header, so the canary would serve every request; name a header and its value`},
		{[]string{"a"}, traffic.HeaderRoute("a", header("", yes)), `managed route "a" matches a header without a name; name it`},
		{[]string{"a"}, traffic.HeaderRoute("a", header("x", yes), header("X", yes)), `managed route "a" matches header X twice; keep one of the two`},
		{[]string{"a"}, traffic.HeaderRoute("a", header("x", traffic.StringMatch{})),
			`managed route "a" describes header x in no way, or in more than one; keep one of exact, prefix and regex`},
		{[]string{"a"}, traffic.HeaderRoute("a", header("x", two)),
			`managed route "a" describes header x in no way, or in more than one; keep one of exact, prefix and regex`},
		{[]string{"a"}, traffic.MirrorRoute("a", 5, traffic.RequestMatch{Path: two}),
			`managed route "a" describes the path in more than one way; keep one of exact, prefix and regex`},
		{[]string{"a"}, traffic.MirrorRoute("a", 5, traffic.RequestMatch{Method: two}),
			`managed route "a" describes the method in more than one way; keep one of exact, prefix and regex`},
	} {
		m := traffic.Managed{Names: c.names, Rules: []traffic.ManagedRule{c.rule}}
		require.Equal(t, c.want, m.Problem())
	}
	once := traffic.MirrorRoute("a", 1)
	require.Equal(t, `managed route "a" is wanted twice; give one of the two another name`,
		traffic.Managed{Names: []string{"a"}, Rules: []traffic.ManagedRule{once, once}}.Problem())
	require.Empty(t, traffic.Managed{}.Problem())
}

func TestManagedRulesAreWantedInTheOrderOfTheirDeclaration(t *testing.T) {
	m := traffic.Managed{Names: []string{"b", "c", "a"}, Rules: []traffic.ManagedRule{traffic.MirrorRoute("a", 1), traffic.MirrorRoute("b", 2)}}
	require.Equal(t, []traffic.ManagedRule{m.Rules[1], m.Rules[0]}, m.Wanted())
}

func TestAnObservationKnowsWhatIsLeftToDoForManagedRules(t *testing.T) {
	o := traffic.Observation{Routes: []traffic.RouteObservation{
		{RouteName: traffic.RouteName{Kind: "HTTPRoute", Name: "web"}},
		{RouteName: traffic.RouteName{Kind: "VirtualService", Name: "app", Namespace: "mesh"}, Managed: []string{"testers"}, Astray: "testers is to be removed"},
	}}
	require.True(t, o.HasManaged())
	require.Equal(t, "VirtualService mesh/app: testers is to be removed", o.Astray())
	o.Routes = o.Routes[:1]
	require.False(t, o.HasManaged())
	require.Empty(t, o.Astray())
}

func TestARouteIsInTheTargetsNamespaceUnlessItNamesOne(t *testing.T) {
	target := traffic.Target{Namespace: "shop"}
	require.Equal(t, "shop", target.NamespaceOf(traffic.RouteName{Kind: "VirtualService", Name: "app"}))
	require.Equal(t, "mesh", target.NamespaceOf(traffic.RouteName{Kind: "VirtualService", Name: "app", Namespace: "mesh"}))
}

func TestRuleWeightsKeepTheSumOnlyWhereOthersShareTheRule(t *testing.T) {
	for _, c := range []struct {
		now     traffic.RuleWeights
		percent int
		want    traffic.RuleWeights
		can     bool
	}{
		{traffic.RuleWeights{Stable: 3, Canary: 1}, 25, traffic.RuleWeights{Stable: 3, Canary: 1}, true},
		{traffic.RuleWeights{Stable: 3, Canary: 1}, 10, traffic.RuleWeights{Stable: 90, Canary: 10}, true},
		{traffic.RuleWeights{Stable: 200, Shared: true}, 10, traffic.RuleWeights{Stable: 180, Canary: 20, Shared: true}, true},
		{traffic.RuleWeights{Shared: true}, 10, traffic.RuleWeights{Stable: 90, Canary: 10, Shared: true}, true},
		{traffic.RuleWeights{Stable: 90, Shared: true}, 10, traffic.RuleWeights{Stable: 81, Canary: 9, Shared: true}, true},
		{traffic.RuleWeights{Stable: 2, Shared: true}, 5, traffic.RuleWeights{Stable: 1, Canary: 1, Shared: true}, false},
	} {
		got, can := c.now.With(c.percent)
		require.Equal(t, c.want, got)
		require.Equal(t, c.can, can)
	}
	require.True(t, traffic.RuleWeights{Stable: 2, Shared: true}.Coarse())
	require.False(t, traffic.RuleWeights{Stable: 2}.Coarse())
	require.False(t, traffic.RuleWeights{Stable: 60, Canary: 40, Shared: true}.Coarse())
	require.False(t, traffic.RuleWeights{Shared: true}.Coarse())
}
