package routertest

import (
	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic"
)

func managedRulesNeedTheVersionThatWasObserved(b bench) {
	route := b.route("checkout")
	wanted := managing(rules(forTesters), route)
	for name, change := range map[string]func(){
		"touched":         func() { b.Server.Touch(route) },
		"rules reordered": func() { b.Server.Put(route, Rule{{"login", 1}}, Rule{{pair.Canary, 0}, {pair.Stable, 100}}) },
		"deleted":         func() { b.Server.Delete(route) },
	} {
		for _, meanwhile := range []bool{false, true} {
			b.Server.Put(route, weights(100, 0))
			observed := b.observeTarget(wanted)
			if meanwhile {
				b.Server.BeforeWrite(change)
			} else {
				change()
			}
			writes, err := b.Router.Apply(b.Context(), wanted, observed, 0)
			require.ErrorIs(b, err, traffic.ErrChanged, name)
			require.Empty(b, writes, name)
			require.NotEqual(b, byCanary, b.Managed.Serve(route, tester), name)
		}
	}
}

// everyRequestMayFailOnceWithManagedRules is everyRequestMayFailOnce for rules that come, and for rules that go.
func everyRequestMayFailOnceWithManagedRules(b bench) {
	web, app := b.route("web"), b.route("app")
	for _, lost := range []bool{false, true} {
		for n := 1; ; n++ {
			b.Server.Put(web, weights(100, 0), Rule{{"login", 1}})
			b.Server.Put(app, weights(100, 0))
			b.manage(0, managing(rules(forCopies), app))
			rest := b.Managed.RestBut(web, pair, testers, copies) + b.Managed.RestBut(app, pair, testers, copies)
			wanted := managing(rules(forTesters), web, app)
			b.Server.Fail(n, lost)
			errs := b.untilManaged(30, wanted)
			failed := b.Server.Failed()
			b.Server.Fail(0, false)
			b.requireManaged(30, wanted)
			require.Equal(b, rest, b.Managed.RestBut(web, pair, testers, copies)+b.Managed.RestBut(app, pair, testers, copies))
			if !failed {
				require.Greater(b, n, 4, "two reads and two writes at least")
				break
			}
			require.Len(b, errs, 1, "request %d fails, so the caller hears of it", n)
		}
	}
}

// untilManaged is untilDone for a target with managed rules.
func (b bench) untilManaged(percent int, wanted traffic.Target) []error {
	b.Helper()
	var errs []error
	for range 5 {
		observed, err := b.Router.Observe(b.Context(), wanted, true)
		if err == nil && observed.Share().Exactly(percent) && observed.Astray() == "" {
			return errs
		}
		if err == nil {
			_, err = b.Router.Apply(b.Context(), wanted, observed, percent)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	require.Fail(b, "it never gets done", "%v", errs)
	return nil
}

func halfAnApplyOfManagedRulesIsSeenAndRepaired(b bench) {
	web, app := b.route("web"), b.route("app")
	b.Server.Put(web, weights(100, 0))
	b.Server.Put(app, weights(100, 0))
	wanted := managing(rules(forTesters), web, app)
	observed := b.observeTarget(wanted)
	b.Server.BeforeWrite(func() { b.Server.Touch(app) })
	writes, err := b.Router.Apply(b.Context(), wanted, observed, 0)
	require.ErrorIs(b, err, traffic.ErrChanged)
	require.Len(b, writes, 1)

	half := b.observeTarget(wanted)
	require.True(b, half.HasManaged())
	require.Contains(b, half.Astray(), app.String())
	require.Empty(b, half.Routes[0].Astray)

	rest := b.manage(0, wanted)
	require.Len(b, rest, 1)
	require.Equal(b, app, rest[0].RouteName)
}

func aWriteOfManagedRulesAloneMustBeAcceptedAnew(b bench) {
	route := b.route("checkout")
	wanted := managing(rules(forTesters), route)
	b.Server.Put(route, weights(100, 0))
	if b.Accepts {
		b.Server.Answer(route, fine, fine)
	}
	require.True(b, b.observeTarget(wanted).Routes[0].Accepted)
	b.manage(0, wanted)
	require.Equal(b, !b.Accepts, b.observeTarget(wanted).Routes[0].Accepted)
	if b.Accepts {
		b.Server.Answer(route, fine, fine)
	}
	require.True(b, b.observeTarget(wanted).Routes[0].Accepted)
}

func aRouteThatCannotHaveOneGetsNeitherRuleNorWeight(b bench) {
	web, app := b.route("web"), b.route("app")
	b.Server.Put(web, weights(100, 0))
	b.Server.Put(app, Rule{{"login", 1}})
	wanted := managing(rules(forTesters), web, app)
	o := b.observeTarget(wanted)
	require.Contains(b, o.Astray(), testers)
	_, err := b.Router.Apply(b.Context(), wanted, o, 10)
	require.ErrorContains(b, err, app.String())
	require.Zero(b, b.Server.Writes(), "all routes are checked before the first is written")
}
