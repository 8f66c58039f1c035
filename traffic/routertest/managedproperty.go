package routertest

import (
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic"
)

// managedRulesTakeNothingButWhatThePairHad makes random routes and random managed rules, and asks for every request of a small world who
// serves it, without the rules and with them. What a router can't do it may refuse.
func managedRulesTakeNothingButWhatThePairHad(b bench) {
	done := 0
	const seeds = 40
	for seed := range uint64(seeds) {
		random := rand.New(rand.NewPCG(seed, 1))
		route := b.route("checkout")
		b.Managed.PutAt(route, randomRules(random)...)
		wanted := randomManaged(random, route)
		percent := random.IntN(101)
		plain := wanted
		plain.Managed.Rules = nil
		observed := b.observeTarget(plain)
		if observed.Routes[0].Problem != "" {
			continue
		}
		_, err := b.Router.Apply(b.Context(), plain, observed, percent)
		require.NoError(b, err)
		before := map[Request]Served{}
		for _, request := range world() {
			before[request] = b.Managed.Serve(route, request)
		}
		if _, err = b.Router.Apply(b.Context(), wanted, b.observeTarget(wanted), percent); err != nil {
			require.ErrorContains(b, err, "can't be added", "seed %d", seed)
			continue
		}
		done++
		for request, served := range before {
			require.Equal(b, expected(served, wanted.Managed, request, percent), b.Managed.Serve(route, request), "seed %d: %+v", seed, request)
		}
	}
	require.Greater(b, done, seeds/5, "most of the routes were refused")
}

// expected is what becomes of a request with managed rules: those that reached the pair meet the first of them that means them.
func expected(before Served, managed traffic.Managed, request Request, percent int) Served {
	for backend := range before.By {
		if backend != pair.Stable && backend != pair.Canary {
			return before
		}
	}
	if len(before.By) == 0 {
		return before
	}
	for _, rule := range managed.Wanted() {
		if !slices.ContainsFunc(rule.Matches, func(m traffic.RequestMatch) bool { return means(m, request) }) && len(rule.Matches) > 0 {
			continue
		}
		if rule.Mirror == 0 {
			return byCanary
		}
		return mirrored(bySplit(percent), rule.Mirror)
	}
	return bySplit(percent)
}

func means(m traffic.RequestMatch, request Request) bool {
	if !says(m.Method, request.Method) || !says(m.Path, request.Path) {
		return false
	}
	return !slices.ContainsFunc(m.Headers, func(h traffic.HeaderMatch) bool {
		return request.Value(h.Header) == "" || !says(h.Value, request.Value(h.Header))
	})
}

// says leaves regular expressions out, which the random rules do without.
func says(m traffic.StringMatch, text string) bool {
	return (m.Exact == "" || m.Exact == text) && strings.HasPrefix(text, m.Prefix)
}

var (
	paths   = []string{"/", "/a", "/a/b", "/c"}
	methods = []string{"GET", "PUT"}
	headers = []Header{{}, {"x-u", "1"}, {"x-u", "2"}}
	others  = []Header{{}, {"x-v", "1"}}
)

// world is every request that the random rules can tell apart.
func world() []Request {
	var all []Request
	for _, path := range append([]string{"/a/b/d", "/e"}, paths...) {
		for _, method := range methods {
			for _, header := range headers {
				for _, other := range others {
					all = append(all, Request{Method: method, Path: path, Headers: [2]Header{header, other}})
				}
			}
		}
	}
	return all
}

func randomRules(random *rand.Rand) []RuleAt {
	var rules []RuleAt
	for range 1 + random.IntN(4) {
		rule := RuleAt{Path: pick(random, paths), Rule: weights(100, 0)}
		if random.IntN(2) == 0 {
			rule.Rule = Rule{{pick(random, []string{"login", "home"}), 1}}
		}
		if random.IntN(4) == 0 {
			rule.Method = pick(random, methods)
		}
		if random.IntN(4) == 0 {
			rule.Header = pick(random, headers)
		}
		rules = append(rules, rule)
	}
	return rules
}

func randomManaged(random *rand.Rand, route traffic.RouteName) traffic.Target {
	exact := func(text string) traffic.StringMatch { return traffic.StringMatch{Exact: text} }
	header := traffic.HeaderMatch{Header: pick(random, []string{"X-U", "x-v"}), Value: exact("1")}
	matches := []traffic.RequestMatch{
		{Path: exact(pick(random, paths))}, {Path: traffic.StringMatch{Prefix: pick(random, paths)}}, {Method: exact(pick(random, methods))},
		{Headers: []traffic.HeaderMatch{header}, Method: exact("GET")},
	}
	random.Shuffle(len(matches), func(i, j int) { matches[i], matches[j] = matches[j], matches[i] })
	t := managing(rules(traffic.HeaderRoute(testers, header), traffic.MirrorRoute(copies, 25, matches[:random.IntN(3)]...)), route)
	if random.IntN(2) == 0 {
		t.Managed.Names = []string{copies, testers}
	}
	t.Managed.Rules = t.Managed.Rules[random.IntN(2):]
	return t
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }
