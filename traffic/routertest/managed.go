package routertest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic"
)

// ManagedServer is what the tests of managed rules need besides.
type ManagedServer interface {
	// PutAt is Put for rules that take some requests each. Where several rules take a request the API decides.
	PutAt(route traffic.RouteName, rules ...RuleAt)
	// Serve is what the API makes a data plane do with a request. It is zero if no rule takes it.
	Serve(route traffic.RouteName, request Request) Served
	// RestBut is Rest without the rules of these names.
	RestBut(route traffic.RouteName, pair traffic.Pair, names ...string) string
	// Rename gives a name to a rule of the owner, by its index.
	Rename(route traffic.RouteName, index int, name string)
	// Spoil changes which requests the rules of a name take, as somebody else might.
	Spoil(route traffic.RouteName, name string)
	// Remove removes the rules of a name, as somebody else might.
	Remove(route traffic.RouteName, name string)
}

// RuleAt is a rule for the requests below a path, and besides those with a method or a header where these are set.
type RuleAt struct {
	Path   string
	Rule   Rule
	Method string
	Header Header
}

// Request is one that a client sends, with up to two headers.
type Request struct {
	Method, Path string
	Headers      [2]Header
}

// Header is one of a request. Its name is in lower case; it has none if there is no header.
type Header struct {
	Name, Value string
}

// Value of a header; empty if the request doesn't have it.
func (r Request) Value(name string) string {
	for _, h := range r.Headers {
		if h.Name != "" && strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// Served is what becomes of a request: each backend's part of it in percent, how likely each gets a copy, in percent, and the Set-Cookie
// header that is added to the answer of each.
type Served struct {
	By, Mirrored map[string]int
	Cookies      map[string]string
}

const (
	testers = "testers"
	copies  = "copies"
)

var (
	forTesters = traffic.HeaderRoute(testers, traffic.HeaderMatch{Header: "X-Tester", Value: traffic.StringMatch{Exact: "yes"}})
	forCopies  = traffic.MirrorRoute(copies, 25, traffic.RequestMatch{Method: traffic.StringMatch{Exact: "GET"}})

	anybody = Request{Method: "POST", Path: "/cart"}
	tester  = Request{Method: "POST", Path: "/cart", Headers: [2]Header{{"x-tester", "yes"}}}
	reader  = Request{Method: "GET", Path: "/cart"}
	both    = Request{Method: "GET", Path: "/cart", Headers: [2]Header{{"x-tester", "yes"}}}

	byCanary = Served{By: map[string]int{pair.Canary: 100}}
)

func bySplit(canary int) Served {
	by := map[string]int{}
	for name, share := range map[string]int{pair.Stable: 100 - canary, pair.Canary: canary} {
		if share > 0 {
			by[name] = share
		}
	}
	return Served{By: by}
}

func mirrored(s Served, percent int) Served {
	s.Mirrored = map[string]int{pair.Canary: percent}
	return s
}

func managedChecks() map[string]func(b bench) {
	return map[string]func(b bench){
		"ClientsStayOnTheVersionThatServedThemFirst":      clientsStayOnTheVersionThatServedThemFirst,
		"CookiesOfAnotherDrawMeanNothing":                 cookiesOfAnotherDrawMeanNothing,
		"AHeaderRouteIsMetBeforeACookie":                  aHeaderRouteIsMetBeforeACookie,
		"AffinityAndShareAreOneWriteAndLeaveNoTrace":      affinityAndShareAreOneWriteAndLeaveNoTrace,
		"AffinityTakesNothingFromOtherBackends":           affinityTakesNothingFromOtherBackends,
		"AffinityMovesNoClientThatIsNotThePairs":          affinityMovesNoClientThatIsNotThePairs,
		"AHeaderRouteLeadsItsRequestsToTheCanary":         aHeaderRouteLeadsItsRequestsToTheCanary,
		"AMirrorRouteCopiesWhatTheSplitServes":            aMirrorRouteCopiesWhatTheSplitServes,
		"TheManagedRuleThatIsDeclaredFirstWins":           theManagedRuleThatIsDeclaredFirstWins,
		"RequestsForOthersStayTheirs":                     requestsForOthersStayTheirs,
		"EveryRuleAndRouteOfThePairGetsTheManagedRules":   everyRuleAndRouteOfThePairGetsTheManagedRules,
		"ManagedRulesComeAndGoWithoutATrace":              managedRulesComeAndGoWithoutATrace,
		"ManagedRulesAndShareAreOneWrite":                 managedRulesAndShareAreOneWrite,
		"WhatIsLeftOfAnEarlierRunIsRemoved":               whatIsLeftOfAnEarlierRunIsRemoved,
		"ManagedRulesThatOthersChangedAreMadeAnew":        managedRulesThatOthersChangedAreMadeAnew,
		"ARuleOfTheOwnerIsNotTakenForAManagedOne":         aRuleOfTheOwnerIsNotTakenForAManagedOne,
		"ManagedRulesThatMakeNoSenseAreRefused":           managedRulesThatMakeNoSenseAreRefused,
		"ManagedRulesNeedTheVersionThatWasObserved":       managedRulesNeedTheVersionThatWasObserved,
		"EveryRequestMayFailOnceWithManagedRules":         everyRequestMayFailOnceWithManagedRules,
		"HalfAnApplyOfManagedRulesIsSeenAndRepaired":      halfAnApplyOfManagedRulesIsSeenAndRepaired,
		"AWriteOfManagedRulesAloneMustBeAcceptedAnew":     aWriteOfManagedRulesAloneMustBeAcceptedAnew,
		"ManagedRulesTakeNothingButWhatThePairHad":        managedRulesTakeNothingButWhatThePairHad,
		"ARouteThatCannotHaveOneGetsNeitherRuleNorWeight": aRouteThatCannotHaveOneGetsNeitherRuleNorWeight,
	}
}

// managing is a target with managed rules; the names are declared in the order in which the rules are given.
func managing(rules []traffic.ManagedRule, routes ...traffic.RouteName) traffic.Target {
	t := target(routes...)
	t.Managed = traffic.Managed{Names: []string{testers, copies}, Rules: rules}
	return t
}

func rules(all ...traffic.ManagedRule) []traffic.ManagedRule { return all }

// manage observes and applies, and checks that nothing is left to do.
func (b bench) manage(percent int, target traffic.Target) []traffic.Write {
	b.Helper()
	writes, err := b.Router.Apply(b.Context(), target, b.observeTarget(target), percent)
	require.NoError(b, err)
	b.requireManaged(percent, target)
	return writes
}

// requireManaged checks that a target is as wanted and that the router knows it.
func (b bench) requireManaged(percent int, target traffic.Target) {
	b.Helper()
	after := b.observeTarget(target)
	require.True(b, after.Share().Exactly(percent), "%v", after.Share())
	require.Empty(b, after.Astray())
	require.Equal(b, len(target.Managed.Rules) > 0, after.HasManaged())
	for _, r := range after.Routes {
		require.Empty(b, r.Problem)
		require.Len(b, r.Managed, len(target.Managed.Rules))
	}
	before := b.Server.Writes()
	again, err := b.Router.Apply(b.Context(), target, after, percent)
	require.NoError(b, err)
	require.Empty(b, again)
	require.Equal(b, before, b.Server.Writes(), "nothing is written that is so already")
}

func (b bench) requireServed(route traffic.RouteName, want map[Request]Served) {
	b.Helper()
	for request, served := range want {
		require.Equal(b, served, b.Managed.Serve(route, request), "%+v", request)
	}
}

func aHeaderRouteLeadsItsRequestsToTheCanary(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(100, 0))
	b.requireServed(route, map[Request]Served{anybody: bySplit(0), tester: bySplit(0)})
	for _, percent := range []int{0, 20, 50, 0} {
		b.manage(percent, managing(rules(forTesters), route))
		b.requireServed(route, map[Request]Served{anybody: bySplit(percent), tester: byCanary, reader: bySplit(percent), both: byCanary})
		require.Equal(b, []string{testers}, b.observeTarget(managing(rules(forTesters), route)).Routes[0].Managed)
	}
	b.manage(0, managing(nil, route))
	b.requireServed(route, map[Request]Served{anybody: bySplit(0), tester: bySplit(0)})
}

func aMirrorRouteCopiesWhatTheSplitServes(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(100, 0))
	for _, percent := range []int{0, 20, 100, 0} {
		b.manage(percent, managing(rules(forCopies), route))
		b.requireServed(route, map[Request]Served{anybody: bySplit(percent), reader: mirrored(bySplit(percent), 25)})
	}
	all := traffic.MirrorRoute(copies, 100)
	b.manage(10, managing(rules(all), route))
	b.requireServed(route, map[Request]Served{anybody: mirrored(bySplit(10), 100), reader: mirrored(bySplit(10), 100)})
	b.manage(10, managing(nil, route))
	b.requireServed(route, map[Request]Served{anybody: bySplit(10), reader: bySplit(10)})
}

func theManagedRuleThatIsDeclaredFirstWins(b bench) {
	route := b.route("checkout")
	for _, c := range []struct {
		names []string
		both  Served
	}{
		{[]string{testers, copies}, byCanary},
		{[]string{copies, testers}, mirrored(bySplit(20), 25)},
	} {
		for _, given := range [][]traffic.ManagedRule{rules(forTesters, forCopies), rules(forCopies, forTesters)} {
			b.Server.Put(route, weights(90, 10))
			t := managing(given, route)
			t.Managed.Names = c.names
			b.manage(20, t)
			b.requireServed(route, map[Request]Served{
				anybody: bySplit(20), tester: byCanary, reader: mirrored(bySplit(20), 25), both: c.both,
			})
			require.Equal(b, c.names, b.observeTarget(t).Routes[0].Managed)
		}
	}
}

func requestsForOthersStayTheirs(b bench) {
	route := b.route("checkout")
	login := Served{By: map[string]int{"login": 100}}
	b.Managed.PutAt(route, RuleAt{Path: "/cart/login", Rule: Rule{{"login", 1}}}, RuleAt{Path: "/cart", Rule: weights(90, 10)}, RuleAt{Path: "/", Rule: Rule{{"home", 1}}})
	b.manage(10, managing(rules(forTesters, forCopies), route))
	at := func(path string, r Request) Request {
		r.Path = path
		return r
	}
	b.requireServed(route, map[Request]Served{
		at("/cart/login", both): login, at("/cart/login", tester): login, at("/cart/login", reader): login,
		at("/help", both): {By: map[string]int{"home": 100}},
		both:              byCanary, reader: mirrored(bySplit(10), 25), anybody: bySplit(10),
	})
}

func everyRuleAndRouteOfThePairGetsTheManagedRules(b bench) {
	web, app := b.route("web"), b.route("app")
	b.Managed.PutAt(web, RuleAt{Path: "/cart", Rule: weights(100, 0)}, RuleAt{Path: "/login", Rule: Rule{{"login", 1}}}, RuleAt{Path: "/pay", Rule: Rule{{pair.Canary, 0}, {pair.Stable, 100}}})
	b.Managed.PutAt(app, RuleAt{Path: "/", Rule: weights(300, 0)})
	require.Len(b, b.manage(30, managing(rules(forTesters, forCopies), web, app)), 2)
	for _, at := range []struct {
		route traffic.RouteName
		path  string
	}{{web, "/cart"}, {web, "/pay"}, {app, "/cart"}} {
		for _, c := range []struct {
			request Request
			served  Served
		}{{anybody, bySplit(30)}, {tester, byCanary}, {reader, mirrored(bySplit(30), 25)}} {
			c.request.Path = at.path
			require.Equal(b, c.served, b.Managed.Serve(at.route, c.request), "%s %s", at.route, at.path)
		}
	}
}

func managedRulesComeAndGoWithoutATrace(b bench) {
	route := b.route("checkout")
	b.Managed.PutAt(route, RuleAt{Path: "/login", Rule: Rule{{"login", 1}}}, RuleAt{Path: "/cart", Rule: weights(Unset, 100)},
		RuleAt{Path: "/", Rule: Rule{{"audit", 5}, {pair.Canary, 0}, {"beta", Unset}, {pair.Stable, 200}}})
	before := b.Server.Rest(route, pair)
	require.Equal(b, before, b.Managed.RestBut(route, pair, testers, copies))
	for i, wanted := range [][]traffic.ManagedRule{rules(forTesters), rules(forTesters, forCopies), rules(forCopies), nil, rules(forCopies), nil} {
		b.manage(10*i, managing(wanted, route))
		require.Equal(b, before, b.Managed.RestBut(route, pair, testers, copies))
	}
	require.Equal(b, before, b.Server.Rest(route, pair))
}

func managedRulesAndShareAreOneWrite(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(100, 0), weights(100, 0))
	writes := b.Server.Writes()
	done := b.manage(40, managing(rules(forTesters, forCopies), route))
	require.Equal(b, []traffic.Write{{RouteName: route, ResourceVersion: b.observeOne(route).ResourceVersion}}, done)
	b.manage(0, managing(nil, route))
	require.Equal(b, 2, b.Server.Writes()-writes)
}

func whatIsLeftOfAnEarlierRunIsRemoved(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(100, 0))
	b.manage(0, managing(rules(forTesters, forCopies), route))
	left := b.observeTarget(managing(nil, route))
	require.True(b, left.HasManaged(), "there is traffic for the canary")
	require.Contains(b, left.Astray(), testers)
	require.Contains(b, left.Astray(), route.String())
	odd := managing(nil, route)
	odd.Managed.Names = append(odd.Managed.Names, "", testers)
	b.manage(0, odd)
	require.Equal(b, []Rule{weights(100, 0)}, b.Server.Rules(route), "what is there can be taken away, however odd the declaration")

	unmanaged := target(route)
	b.manage(0, managing(rules(forTesters), route))
	require.False(b, b.observeTarget(unmanaged).HasManaged(), "a name that is not declared is the owner's")
}

func managedRulesThatOthersChangedAreMadeAnew(b bench) {
	route := b.route("checkout")
	wanted := managing(rules(forTesters, forCopies), route)
	for _, name := range []string{testers, copies} {
		for what, change := range map[string]func(){
			"spoiled": func() { b.Managed.Spoil(route, name) },
			"removed": func() { b.Managed.Remove(route, name) },
		} {
			b.Managed.PutAt(route, RuleAt{Path: "/login", Rule: Rule{{"login", 1}}}, RuleAt{Path: "/", Rule: weights(80, 20)})
			b.manage(20, wanted)
			rest := b.Managed.RestBut(route, pair, testers, copies)
			change()
			require.Contains(b, b.observeTarget(wanted).Astray(), name, what)
			require.Len(b, b.manage(20, wanted), 1)
			require.Equal(b, rest, b.Managed.RestBut(route, pair, testers, copies))
		}
	}
}

func aRuleOfTheOwnerIsNotTakenForAManagedOne(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(70, 30))
	b.Managed.Rename(route, 0, testers)
	before := b.Server.Rest(route, pair)
	o := b.observeTarget(managing(nil, route))
	require.Contains(b, o.Routes[0].Problem, b.Rules+"[0]")
	require.Contains(b, o.Routes[0].Problem, fmt.Sprintf("%q", testers))
	require.Empty(b, o.Routes[0].Managed)
	_, err := b.Router.Apply(b.Context(), managing(nil, route), o, 0)
	require.NoError(b, err)
	require.Equal(b, before, b.Server.Rest(route, pair))
	require.Equal(b, []Rule{weights(70, 30)}, b.Server.Rules(route), "the only rule that serves the application stays")
}

func managedRulesThatMakeNoSenseAreRefused(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(100, 0))
	for _, c := range []struct {
		rules []traffic.ManagedRule
		says  string
	}{
		{rules(traffic.HeaderRoute("others", forTesters.Matches[0].Headers...)), "others"},
		{rules(traffic.HeaderRoute(testers)), "matches no header"},
		{rules(traffic.MirrorRoute(copies, 101)), "101%"},
		{rules(forTesters, forTesters), "twice"},
	} {
		wanted := managing(c.rules, route)
		o := b.observeTarget(wanted)
		require.Contains(b, o.Astray(), c.says)
		require.Empty(b, o.Routes[0].Problem, "the split has nothing to do with it")
		_, err := b.Router.Apply(b.Context(), wanted, o, 10)
		require.ErrorContains(b, err, c.says)
		require.ErrorContains(b, err, route.String())
	}
	require.Zero(b, b.Server.Writes())
}

func aKindWithoutManagedRulesSaysSo(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(100, 0))
	wanted := managing(rules(forTesters), route)
	o := b.observeTarget(wanted)
	require.Contains(b, o.Astray(), testers)
	_, err := b.Router.Apply(b.Context(), wanted, o, 10)
	require.ErrorContains(b, err, testers)
	require.Zero(b, b.Server.Writes())
	b.manage(10, managing(nil, route))
	require.True(b, slices.Equal(b.Server.Rules(route)[0], weights(90, 10)))
}
