package routertest

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic"
)

var affinity = traffic.Affinity{Cookie: "session", TTL: time.Hour}

// sticking is a target whose clients stay where they are, besides rules with names of their own.
func sticking(draw string, more []traffic.ManagedRule, routes ...traffic.RouteName) traffic.Target {
	t := managing(more, routes...)
	t.Managed.Names = append(t.Managed.Names, affinity.Names()...)
	t.Managed.Rules = append(t.Managed.Rules, affinity.Rules(draw)...)
	return t
}

// without is the target after the release.
func without(t traffic.Target) traffic.Target {
	t.Managed.Rules = nil
	return t
}

// withCookie is a request of a client that was given a cookie, and has others besides.
func withCookie(r Request, setCookie string) Request {
	given, _, _ := strings.Cut(setCookie, ";")
	r.Headers[1] = Header{"cookie", "theme=dark; " + given + "; lang=en"}
	return r
}

// cookies are what the answers to a new client set.
func (b bench) cookies(route traffic.RouteName) (stable, canary string) {
	b.Helper()
	served := b.Managed.Serve(route, anybody)
	require.Len(b, served.Cookies, 2, "both versions give a cookie, or clients would drift to the one that does")
	return served.Cookies[pair.Stable], served.Cookies[pair.Canary]
}

var byStable = Served{By: map[string]int{pair.Stable: 100}}

func clientsStayOnTheVersionThatServedThemFirst(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(100, 0))
	b.manage(20, sticking("v2-1", nil, route))
	stable, canary := b.cookies(route)
	require.Equal(b, "session=v2-1-stable; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax", stable)
	require.Equal(b, "session=v2-1-canary; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax", canary)
	for _, percent := range []int{20, 50, 5} {
		b.manage(percent, sticking("v2-1", nil, route))
		require.Equal(b, bySplit(percent).By, b.Managed.Serve(route, anybody).By, "the share is one of the new clients")
		b.requireServed(route, map[Request]Served{withCookie(anybody, canary): byCanary, withCookie(anybody, stable): byStable})
	}
	b.manage(0, without(sticking("v2-1", nil, route)))
	b.requireServed(route, map[Request]Served{withCookie(anybody, canary): bySplit(0), withCookie(anybody, stable): bySplit(0), anybody: bySplit(0)})
}

func cookiesOfAnotherDrawMeanNothing(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(100, 0))
	b.manage(20, sticking("v2-1", nil, route))
	stable, canary := b.cookies(route)
	b.manage(10, sticking("v2-11", nil, route))
	fresh := b.Managed.Serve(route, anybody)
	require.NotEqual(b, canary, fresh.Cookies[pair.Canary])
	odd := []string{canary, stable, "session=", "session=v2-11-canary2", "xsession=v2-11-canary", "session=v2-11-canary-x", "note=session=v2-11-canary"}
	for _, cookie := range odd {
		require.Equal(b, fresh, b.Managed.Serve(route, withCookie(anybody, cookie)), cookie)
	}
}

func aHeaderRouteIsMetBeforeACookie(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(100, 0))
	b.manage(20, sticking("v2-1", rules(forTesters), route))
	stable, _ := b.cookies(route)
	b.requireServed(route, map[Request]Served{tester: byCanary, withCookie(tester, stable): byCanary, withCookie(anybody, stable): byStable})
}

func affinityAndShareAreOneWriteAndLeaveNoTrace(b bench) {
	route := b.route("checkout")
	b.Managed.PutAt(route, RuleAt{Path: "/login", Rule: Rule{{"login", 1}}}, RuleAt{Path: "/cart", Rule: weights(100, 0)}, RuleAt{Path: "/", Rule: weights(Unset, 100)})
	before, writes := b.Server.Rest(route, pair), b.Server.Writes()
	for i, percent := range []int{20, 40, 10} {
		require.Len(b, b.manage(percent, sticking("v2-1", nil, route)), 1)
		require.Equal(b, i+1, b.Server.Writes()-writes)
		require.Equal(b, before, b.Managed.RestBut(route, pair, affinity.Names()...))
	}
	b.manage(0, without(sticking("v2-1", nil, route)))
	require.Equal(b, before, b.Server.Rest(route, pair))
}

func affinityTakesNothingFromOtherBackends(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, Rule{{pair.Stable, 100}, {pair.Canary, 0}, {"audit", 50}})
	wanted := sticking("v2-1", nil, route)
	observed := b.observeTarget(wanted)
	require.Contains(b, observed.Astray(), "leave affinity out")
	_, err := b.Router.Apply(b.Context(), wanted, observed, 20)
	require.ErrorContains(b, err, "clients that stay on one version would no longer reach")
	require.Zero(b, b.Server.Writes())
}

// affinityMovesNoClientThatIsNotThePairs asks in random routes for every request of a small world, with each cookie and without.
func affinityMovesNoClientThatIsNotThePairs(b bench) {
	done := 0
	const seeds = 40
	for seed := range uint64(seeds) {
		random := rand.New(rand.NewPCG(seed, 2))
		route := b.route("checkout")
		b.Managed.PutAt(route, randomRules(random)...)
		wanted, percent := sticking("v2-1", nil, route), 1+random.IntN(99)
		observed := b.observeTarget(wanted)
		if observed.Routes[0].Problem != "" {
			continue
		}
		before := map[Request]Served{}
		for _, request := range world() {
			before[request] = b.Managed.Serve(route, request)
		}
		if _, err := b.Router.Apply(b.Context(), wanted, observed, percent); err != nil {
			require.ErrorContains(b, err, "can't be added", "seed %d", seed)
			continue
		}
		done++
		for request, served := range before {
			b.requireSticking(route, request, served, percent, seed)
		}
	}
	require.Greater(b, done, seeds/5, "most of the routes were refused")
}

// requireSticking checks what becomes of a request that was served before there was any affinity.
func (b bench) requireSticking(route traffic.RouteName, request Request, before Served, percent int, seed uint64) {
	b.Helper()
	if before.By[pair.Stable] == 0 {
		require.Equal(b, before, b.Managed.Serve(route, request), "seed %d: %+v", seed, request)
		return
	}
	now := b.Managed.Serve(route, request)
	require.Equal(b, bySplit(percent).By, now.By, "seed %d: %+v", seed, request)
	if request.Headers[1].Name == "" {
		require.Equal(b, byCanary, b.Managed.Serve(route, withCookie(request, now.Cookies[pair.Canary])), "seed %d: %+v", seed, request)
		require.Equal(b, byStable, b.Managed.Serve(route, withCookie(request, now.Cookies[pair.Stable])), "seed %d: %+v", seed, request)
	}
}
