package routertest

import (
	"context"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic"
)

func aRouteThatHasChangedIsLeftAlone(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(100, 0))
	for _, percent := range []int{20, 0} {
		observed := b.observe(route)
		b.Server.Touch(route)
		writes, err := b.Router.Apply(b.Context(), target(route), observed, percent)
		require.ErrorIs(b, err, traffic.ErrChanged, "also when there is nothing to write: the decision was made of something else")
		require.ErrorContains(b, err, route.String())
		require.Empty(b, writes)
	}
	require.Zero(b, b.Server.Writes())
	b.apply(20, route)
	require.True(b, b.observe(route).Share().Exactly(20))
}

func aRouteThatChangesMeanwhileIsLeftAlone(b bench) {
	route := b.route("checkout")
	for name, meanwhile := range map[string]func(){
		"touched":         func() { b.Server.Touch(route) },
		"rules reordered": func() { b.Server.Put(route, Rule{{"login", 1}}, Rule{{pair.Canary, 0}, {pair.Stable, 100}}) },
		"rules removed":   func() { b.Server.Put(route) },
		"deleted":         func() { b.Server.Delete(route) },
	} {
		b.Server.Put(route, weights(100, 0))
		observed := b.observe(route)
		var rules []Rule
		b.Server.BeforeWrite(func() {
			meanwhile()
			rules = b.Server.Rules(route)
		})
		writes, err := b.Router.Apply(b.Context(), target(route), observed, 20)
		require.ErrorIs(b, err, traffic.ErrChanged, name)
		require.Empty(b, writes, name)
		require.Equal(b, rules, b.Server.Rules(route), name)
	}
}

func aRouteThatWasReplacedIsLeftAlone(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(100, 0))
	observed := b.observe(route)
	b.Server.Delete(route)
	_, err := b.Router.Apply(b.Context(), target(route), observed, 20)
	require.ErrorIs(b, err, traffic.ErrChanged)

	b.Server.Put(route, weights(100, 0))
	require.NotEqual(b, observed.Routes[0].UID, b.observeOne(route).UID)
	_, err = b.Router.Apply(b.Context(), target(route), observed, 20)
	require.ErrorIs(b, err, traffic.ErrChanged)
	require.Equal(b, []Rule{weights(100, 0)}, b.Server.Rules(route))
}

func aFailedReadIsNoShare(b bench) {
	web, app := b.route("web"), b.route("app")
	b.Server.Put(web, weights(50, 50))
	b.Server.Put(app, weights(50, 50))
	names := []string{web.String(), app.String()}
	if b.ReadsFirst != "" {
		names = slices.Insert(names, 0, b.ReadsFirst)
	}
	for i, name := range names {
		b.Server.Fail(i+1, false)
		o, err := b.Router.Observe(b.Context(), target(web, app), true)
		require.Error(b, err, "request %d", i+1)
		require.NotErrorIs(b, err, traffic.ErrChanged)
		require.ErrorContains(b, err, name)
		require.Zero(b, o)
	}
	require.True(b, b.observe(web, app).Share().Exactly(50))
}

// everyRequestMayFailOnce tries until it is done, as the engine does, with each request failing in turn, before it took effect
// and after.
func everyRequestMayFailOnce(b bench) {
	web, app := b.route("web"), b.route("app")
	for _, lost := range []bool{false, true} {
		for n := 1; ; n++ {
			b.Server.Put(web, weights(100, 0), Rule{{"login", 1}}, weights(1, 0))
			b.Server.Put(app, Rule{{pair.Canary, 0}, {pair.Stable, 300}, {"audit", 9}})
			rest := b.Server.Rest(web, pair) + b.Server.Rest(app, pair)
			writes := b.Server.Writes()
			b.Server.Fail(n, lost)
			errs := b.untilDone(30, web, app)
			failed := b.Server.Failed()
			b.Server.Fail(0, false)
			require.True(b, b.observe(web, app).Share().Exactly(30))
			require.Equal(b, rest, b.Server.Rest(web, pair)+b.Server.Rest(app, pair))
			if !failed {
				require.Greater(b, n, 4, "two reads and two writes at least")
				break
			}
			require.Len(b, errs, 1, "request %d fails, so the caller hears of it", n)
			require.LessOrEqual(b, b.Server.Writes()-writes, 3, "no write is repeated but the one that failed")
		}
	}
}

// untilDone reads and applies until nothing is left to do; it returns the errors on the way.
func (b bench) untilDone(percent int, routes ...traffic.RouteName) []error {
	b.Helper()
	var errs []error
	for range 5 {
		observed, err := b.Router.Observe(b.Context(), target(routes...), true)
		if err == nil && observed.Share().Exactly(percent) {
			return errs
		}
		if err == nil {
			_, err = b.Router.Apply(b.Context(), target(routes...), observed, percent)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	require.Fail(b, "it never gets done", "%v", errs)
	return nil
}

func halfAnApplyTellsWhatItWrote(b bench) {
	web, app := b.route("web"), b.route("app")
	b.Server.Put(web, weights(100, 0))
	b.Server.Put(app, weights(100, 0))
	observed := b.observe(web, app)
	b.Server.BeforeWrite(func() { b.Server.Touch(app) })
	writes, err := b.Router.Apply(b.Context(), target(web, app), observed, 30)
	require.ErrorIs(b, err, traffic.ErrChanged)
	require.ErrorContains(b, err, app.String())

	half := b.observe(web, app)
	require.Equal(b, []traffic.Write{{RouteName: web, ResourceVersion: half.Routes[0].ResourceVersion}}, writes)
	require.Equal(b, traffic.Range{Low: 0, High: 30}, half.Share())

	rest := b.apply(30, web, app)
	require.Len(b, rest, 1)
	require.Equal(b, app, rest[0].RouteName)
	require.True(b, b.observe(web, app).Share().Exactly(30))
}

func aCancelledContextChangesNothing(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(100, 0))
	observed := b.observe(route)
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	_, err := b.Router.Observe(ctx, target(route), true)
	require.ErrorIs(b, err, context.Canceled)
	_, err = b.Router.Apply(ctx, target(route), observed, 20)
	require.ErrorIs(b, err, context.Canceled)
	require.Equal(b, []Rule{weights(100, 0)}, b.Server.Rules(route))
}
