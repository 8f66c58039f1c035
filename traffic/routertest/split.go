package routertest

import (
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic"
)

func observeReadsBackWhatApplyWrote(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(100, 0))
	for _, percent := range []int{0, 1, 5, 33, 50, 67, 99, 100, 0} {
		before := b.observeOne(route)
		writes := b.apply(percent, route)
		after := b.observe(route)
		require.True(b, after.Share().Exactly(percent), "%d%% became %v", percent, after.Share())
		require.Equal(b, []Rule{weights(100-percent, percent)}, b.Server.Rules(route))
		require.Equal(b, before.UID, after.Routes[0].UID)
		require.Empty(b, after.Routes[0].Problem)
		if before.Share.Exactly(percent) {
			require.Empty(b, writes)
			continue
		}
		require.Equal(b, []traffic.Write{{RouteName: route, ResourceVersion: after.Routes[0].ResourceVersion}}, writes)
		require.NotEqual(b, before.ResourceVersion, after.Routes[0].ResourceVersion)
	}
}

func applyWritesNothingWhenNothingChanges(b bench) {
	route := b.route("checkout")
	for _, c := range []struct {
		stable, canary, share int
	}{
		{75, 25, 25}, {3, 1, 25}, {1, 0, 0}, {0, 1, 100}, {2, 1, 33},
	} {
		b.Server.Put(route, weights(c.stable, c.canary))
		require.Empty(b, b.apply(c.share, route))
		require.Equal(b, []Rule{weights(c.stable, c.canary)}, b.Server.Rules(route))
	}
	require.Zero(b, b.Server.Writes())
}

func aWeightThatIsNotSpelledOutHasItsDefault(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(Unset, 1), weights(Unset, 0), weights(1, Unset))
	if b.UnsetIsZero {
		require.Equal(b, traffic.Range{Low: 0, High: 100}, b.observe(route).Share())
		b.apply(100, route)
		require.Equal(b, []Rule{weights(Unset, 1), weights(Unset, 100), weights(0, 100)}, b.Server.Rules(route))
	} else {
		require.Equal(b, traffic.Range{Low: 0, High: 50}, b.observe(route).Share())
		b.apply(50, route)
		require.Equal(b, []Rule{weights(Unset, 1), weights(50, 50), weights(1, Unset)}, b.Server.Rules(route))
	}
	b.apply(10, route)
	require.Equal(b, []Rule{weights(90, 10), weights(90, 10), weights(90, 10)}, b.Server.Rules(route))
}

func aRuleWithoutAnyWeightSendsNothing(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(0, 0))
	require.True(b, b.observe(route).Share().Exactly(0))
	b.apply(20, route)
	require.Equal(b, []Rule{weights(80, 20)}, b.Server.Rules(route))
}

func sharesOutsideOfAPercentageAreRefused(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(100, 0))
	for _, percent := range []int{-1, 101} {
		_, err := b.Router.Apply(b.Context(), target(route), b.observe(route), percent)
		require.Error(b, err)
	}
	require.Zero(b, b.Server.Writes())
}

func everythingElseStays(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, Rule{{"login", 1}}, weights(Unset, Unset), Rule{{"audit", 5}, {pair.Canary, 0}, {"beta", Unset}, {pair.Stable, 200}}, Rule{})
	before := b.Server.Rest(route, pair)
	require.NotEmpty(b, before)
	for _, percent := range []int{1, 50, 100, 0} {
		b.apply(percent, route)
		require.Equal(b, before, b.Server.Rest(route, pair))
	}
}

func severalRulesAndRoutesGetTheSameShare(b bench) {
	var routes []traffic.RouteName
	for i, name := range []string{"web", "app", "partners"} {
		route := traffic.RouteName{Kind: b.Kinds[i%len(b.Kinds)], Name: name}
		b.Server.Put(route, weights(100, 0), Rule{{"login", 3}}, Rule{{pair.Canary, 0}, {pair.Stable, 100}})
		routes = append(routes, route)
	}
	require.Len(b, b.apply(40, routes...), 3)
	require.True(b, b.observe(routes...).Share().Exactly(40))
	for _, route := range routes {
		require.Equal(b, []Rule{weights(60, 40), {{"login", 3}}, {{pair.Canary, 40}, {pair.Stable, 60}}}, b.Server.Rules(route))
	}
	require.Equal(b, 3, b.Server.Writes(), "one write per route, however many rules it has")
}

func sharesThatDisagreeAreARange(b bench) {
	web, app := b.route("web"), b.route("app")
	b.Server.Put(web, weights(80, 20), weights(60, 40), weights(70, 30))
	b.Server.Put(app, weights(95, 5))
	o := b.observe(web, app)
	require.Equal(b, traffic.Range{Low: 20, High: 40}, o.Routes[0].Share)
	require.Equal(b, traffic.Range{Low: 5, High: 40}, o.Share())
	b.apply(20, web, app)
	require.True(b, b.observe(web, app).Share().Exactly(20))
}

func otherBackendsKeepTheirWeights(b bench) {
	route := b.route("checkout")
	shared := func(stable, canary int) Rule {
		return Rule{{"audit", 7}, {pair.Stable, stable}, {"beta", Unset}, {pair.Canary, canary}}
	}
	b.Server.Put(route, shared(150, 50))
	require.True(b, b.observe(route).Share().Exactly(25), "the share is one of what the pair gets")
	for _, c := range []struct{ percent, stable, canary int }{{10, 180, 20}, {1, 198, 2}, {100, 0, 200}, {99, 2, 198}, {0, 200, 0}} {
		b.apply(c.percent, route)
		require.Equal(b, []Rule{shared(c.stable, c.canary)}, b.Server.Rules(route))
		require.True(b, b.observe(route).Share().Exactly(c.percent))
	}
	b.Server.Put(route, shared(0, 0))
	b.apply(30, route)
	require.Equal(b, []Rule{shared(70, 30)}, b.Server.Rules(route), "a pair that has nothing has no sum to keep")
}

func aSumTooSmallForPercentagesIsNotRoundedUp(b bench) {
	route := b.route("checkout")
	shared := func(stable, canary int) Rule { return Rule{{pair.Stable, stable}, {pair.Canary, canary}, {"audit", 1}} }
	b.Server.Put(route, shared(2, 0))
	require.Contains(b, b.observeOne(route).Problem, "a weight of 2 together")

	// Somebody changed the route in the middle of a release: the share must be seen, and must be taken back.
	b.Server.Put(route, shared(1, 1))
	require.Empty(b, b.observeOne(route).Problem)
	require.True(b, b.observe(route).Share().Exactly(50))
	_, err := b.Router.Apply(b.Context(), target(route), b.observe(route), 5)
	require.ErrorContains(b, err, "a weight of 2 together", "5%% must not become 50%%")
	require.Zero(b, b.Server.Writes())
	b.apply(0, route)
	require.Equal(b, []Rule{shared(2, 0)}, b.Server.Rules(route))
}

func aMissingRouteIsNoError(b bench) {
	there, missing := b.route("checkout"), b.route("gone")
	b.Server.Put(there, weights(100, 0))
	o := b.observe(missing, there)
	require.Equal(b, traffic.RouteObservation{RouteName: missing, Missing: true}, o.Routes[0])
	require.Len(b, b.apply(10, missing, there), 1)
	require.True(b, b.observe(missing, there).Share().Exactly(10))
}

func aRouteThatCannotCarryTheSplitIsAProblem(b bench) {
	route := b.route("checkout")
	for name, c := range map[string]struct {
		rules []Rule
		says  []string
	}{
		"no rule at all":            {nil, []string{pair.Stable, pair.Canary, "add"}},
		"no rule for the pair":      {[]Rule{{{"login", 1}}, {}}, []string{pair.Stable, pair.Canary, "add"}},
		"the canary alone":          {[]Rule{weights(100, 0), {{pair.Canary, 1}}}, []string{b.Rules + "[1]", pair.Stable, "add"}},
		"stable alone":              {[]Rule{{{pair.Stable, Unset}}, weights(100, 0)}, []string{b.Rules + "[0]", pair.Canary, "add"}},
		"stable among others":       {[]Rule{{{"login", 1}, {pair.Stable, 1}}}, []string{b.Rules + "[0]", pair.Canary, "add"}},
		"each in a rule of its own": {[]Rule{{{pair.Stable, 1}}, {{pair.Canary, 1}}}, []string{b.Rules + "[0]", pair.Canary, "add"}},
		"stable twice":              {[]Rule{{{pair.Stable, 1}, {pair.Canary, 1}, {pair.Stable, 1}}}, []string{b.Rules + "[0]", pair.Stable, "more than once"}},
		"the canary twice":          {[]Rule{{{pair.Stable, 1}, {pair.Canary, 1}, {pair.Canary, 0}}}, []string{b.Rules + "[0]", pair.Canary, "more than once"}},
	} {
		b.Server.Put(route, c.rules...)
		o := b.observeOne(route)
		for _, text := range c.says {
			require.Contains(b, o.Problem, text, name)
		}
		require.False(b, strings.HasPrefix(o.Problem, route.Kind), "the caller names the route")
		require.Zero(b, o.Share, name)
		require.False(b, o.Missing, name)
	}
}

func aProblemInOneRuleKeepsNoOtherFromTheShare(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, Rule{{pair.Canary, 1}}, weights(50, 50), Rule{{pair.Stable, 1}, {pair.Stable, 1}, {pair.Canary, 1}})
	b.apply(0, route)
	require.Equal(b, []Rule{{{pair.Canary, 1}}, weights(100, 0), {{pair.Stable, 1}, {pair.Stable, 1}, {pair.Canary, 1}}}, b.Server.Rules(route))
}
