// Package routertest is the contract of traffic.Router as tests: every implementation passes Run.
package routertest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic"
)

// Harness is a router together with a double of the API server that it talks to.
type Harness struct {
	Router traffic.Router
	Server Server
	// Kinds of routes that the router writes; the contract is checked for each.
	Kinds []string
	// Accepts: routes of these kinds have a status in which their parents answer. Else they are always accepted.
	Accepts bool
	// UnsetIsZero: a backend without a weight gets nothing. Else it counts 1.
	UnsetIsZero bool
	// Rules is what a Problem calls the list of rules, for example "spec.rules".
	Rules string
	// ReadsFirst names what the router reads of the server before it reads routes; empty for nothing.
	ReadsFirst string
	// Managed is the server for kinds of routes that can have managed rules, and ManagedKinds are these kinds. Routes of any other
	// kind say that they can't.
	Managed      ManagedServer
	ManagedKinds []string
}

// Server is what a test needs of the API server: to be the owner of the routes, the gateways, and whatever goes wrong.
// All routes are in Namespace. What the router's cache says is never older than what the server says.
type Server interface {
	// Put creates a route or replaces its rules, as its owner does. The object also has annotations and fields, in every place that
	// allows it, which the router doesn't know. It has two parents.
	Put(route traffic.RouteName, rules ...Rule)
	// Touch changes the object, but nothing that concerns the pair.
	Touch(route traffic.RouteName)
	// Delete removes the object.
	Delete(route traffic.RouteName)
	// Rules reads the backends back.
	Rules(route traffic.RouteName) []Rule
	// Rest is everything in the object but the weights of the pair and the fields that change with any write.
	Rest(route traffic.RouteName, pair traffic.Pair) string
	// Answer sets what the parents say, in their order; a parent without an Answer has said nothing yet.
	Answer(route traffic.RouteName, answers ...Answer)
	// Fail makes the n-th request from now fail, the next being the first, and none if n is 0. Lost: it is carried out and only
	// the answer is lost.
	Fail(n int, lost bool)
	// Failed says whether the request of the last Fail has come.
	Failed() bool
	// BeforeWrite is called once, when the next write arrives and before it is carried out.
	BeforeWrite(do func())
	// Writes counts the requests to write so far.
	Writes() int
}

// Namespace of all routes.
const Namespace = "shop"

// Rule is the backends of one rule.
type Rule []Backend

// Backend is a Service and its weight.
type Backend struct {
	Service string
	// Weight, or Unset if the object doesn't spell it out.
	Weight int
}

// Unset is the weight of a backend that has none in the object.
const Unset = -1

// Answer is what one parent says of a route.
type Answer struct {
	// Accepted and Resolved are the two conditions.
	Accepted, Resolved bool
	// Reason and Message come with a condition that isn't true.
	Reason, Message string
	// Stale: it says so of an older generation than the present one.
	Stale bool
}

var pair = traffic.Pair{Stable: "checkout-stable", Canary: "checkout-canary"}

func weights(stable, canary int) Rule { return Rule{{pair.Stable, stable}, {pair.Canary, canary}} }

// bench is a harness with the routes of one test.
type bench struct {
	*testing.T
	Harness
	// kind of the routes; the test may name others.
	kind string
}

// Run checks a router. The factory makes a fresh harness for each test and cleans up after it with t.Cleanup.
func Run(t *testing.T, factory func(t *testing.T) Harness) {
	checks := map[string]func(b bench){
		"ObserveReadsBackWhatApplyWrote":            observeReadsBackWhatApplyWrote,
		"ApplyWritesNothingWhenNothingChanges":      applyWritesNothingWhenNothingChanges,
		"AWeightThatIsNotSpelledOutHasItsDefault":   aWeightThatIsNotSpelledOutHasItsDefault,
		"ARuleWithoutAnyWeightSendsNothing":         aRuleWithoutAnyWeightSendsNothing,
		"SharesOutsideOfAPercentageAreRefused":      sharesOutsideOfAPercentageAreRefused,
		"EverythingElseStays":                       everythingElseStays,
		"SeveralRulesAndRoutesGetTheSameShare":      severalRulesAndRoutesGetTheSameShare,
		"SharesThatDisagreeAreARange":               sharesThatDisagreeAreARange,
		"OtherBackendsKeepTheirWeights":             otherBackendsKeepTheirWeights,
		"ASumTooSmallForPercentagesIsNotRoundedUp":  aSumTooSmallForPercentagesIsNotRoundedUp,
		"AMissingRouteIsNoError":                    aMissingRouteIsNoError,
		"ARouteThatCannotCarryTheSplitIsAProblem":   aRouteThatCannotCarryTheSplitIsAProblem,
		"AProblemInOneRuleKeepsNoOtherFromTheShare": aProblemInOneRuleKeepsNoOtherFromTheShare,
		"ARouteThatHasChangedIsLeftAlone":           aRouteThatHasChangedIsLeftAlone,
		"ARouteThatChangesMeanwhileIsLeftAlone":     aRouteThatChangesMeanwhileIsLeftAlone,
		"ARouteThatWasReplacedIsLeftAlone":          aRouteThatWasReplacedIsLeftAlone,
		"AFailedReadIsNoShare":                      aFailedReadIsNoShare,
		"EveryRequestMayFailOnce":                   everyRequestMayFailOnce,
		"HalfAnApplyTellsWhatItWrote":               halfAnApplyTellsWhatItWrote,
		"ACancelledContextChangesNothing":           aCancelledContextChangesNothing,
		"AcceptanceIsWhatTheParentsSay":             acceptanceIsWhatTheParentsSay,
		"AWriteMustBeAcceptedAnew":                  aWriteMustBeAcceptedAnew,
	}
	run(t, factory, checks, func(h Harness) []string { return h.Kinds })
	run(t, factory, managedChecks(), func(h Harness) []string { return h.ManagedKinds })
	run(t, factory, map[string]func(b bench){"AKindWithoutManagedRulesSaysSo": aKindWithoutManagedRulesSaysSo}, func(h Harness) []string {
		return slices.DeleteFunc(slices.Clone(h.Kinds), func(kind string) bool { return slices.Contains(h.ManagedKinds, kind) })
	})
}

func run(t *testing.T, factory func(t *testing.T) Harness, checks map[string]func(b bench), kinds func(Harness) []string) {
	for name, check := range checks {
		t.Run(name, func(t *testing.T) {
			for _, kind := range kinds(factory(t)) {
				t.Run(kind, func(t *testing.T) { check(bench{t, factory(t), kind}) })
			}
		})
	}
}

// route names a route of the bench's kind.
func (b bench) route(name string) traffic.RouteName {
	return traffic.RouteName{Kind: b.kind, Name: name}
}

func target(routes ...traffic.RouteName) traffic.Target {
	return traffic.Target{Namespace: Namespace, Pair: pair, Routes: routes}
}

// observe reads from the server, and checks that the cache leads to the same.
func (b bench) observe(routes ...traffic.RouteName) traffic.Observation {
	b.Helper()
	return b.observeTarget(target(routes...))
}

func (b bench) observeTarget(target traffic.Target) traffic.Observation {
	b.Helper()
	live, err := b.Router.Observe(b.Context(), target, true)
	require.NoError(b, err)
	require.Len(b, live.Routes, len(target.Routes))
	cached, err := b.Router.Observe(b.Context(), target, false)
	require.NoError(b, err)
	require.Equal(b, live, cached, "the cache holds all that the router reads")
	return live
}

func (b bench) observeOne(route traffic.RouteName) traffic.RouteObservation {
	b.Helper()
	return b.observe(route).Routes[0]
}

// apply observes and applies.
func (b bench) apply(percent int, routes ...traffic.RouteName) []traffic.Write {
	b.Helper()
	writes, err := b.Router.Apply(b.Context(), target(routes...), b.observe(routes...), percent)
	require.NoError(b, err)
	return writes
}
