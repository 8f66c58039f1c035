package routertest

import (
	"fmt"

	"github.com/stretchr/testify/require"
)

var fine = Answer{Accepted: true, Resolved: true}

func acceptanceIsWhatTheParentsSay(b bench) {
	rejected := Answer{Resolved: true, Reason: "NotAllowedByListeners", Message: "the listener is for others"}
	for i, c := range []struct {
		name    string
		answers []Answer
		// says is what the sentence must hold; empty if nothing is missing.
		says []string
	}{
		{"nobody has answered", nil, []string{"no gateway has accepted it yet"}},
		{"all accept", []Answer{fine, fine}, nil},
		{"one has not answered", []Answer{fine}, []string{"has not accepted it yet"}},
		{"one has only seen an older version", []Answer{fine, {Accepted: true, Resolved: true, Stale: true}}, []string{"has not accepted generation"}},
		{"one rejects", []Answer{fine, rejected}, []string{"NotAllowedByListeners", "the listener is for others"}},
		{"one can't resolve the backends", []Answer{{Accepted: true, Reason: "BackendNotFound", Message: "no such Service"}, fine}, []string{"BackendNotFound", "no such Service"}},
		{"a rejection without a message", []Answer{fine, {Reason: "Pending"}}, []string{"Pending"}},
		{"an old rejection", []Answer{{Stale: true, Reason: "NoMatchingParent"}, fine}, []string{"has not accepted generation"}},
	} {
		route := b.route(fmt.Sprint("checkout-", i))
		b.Server.Put(route, weights(90, 10))
		if !b.Accepts {
			require.True(b, b.observeOne(route).Accepted)
			continue
		}
		b.Server.Answer(route, c.answers...)
		o := b.observe(route)
		require.Equal(b, len(c.says) == 0, o.Routes[0].Accepted, c.name)
		require.Equal(b, o.Routes[0].Accepted, o.Waiting() == "", c.name)
		for _, text := range c.says {
			require.Contains(b, o.Waiting(), text, c.name)
			require.Contains(b, o.Waiting(), route.String(), c.name)
		}
		require.True(b, o.Share().Exactly(10), "what was written and what was accepted are two things")
	}
}

func aWriteMustBeAcceptedAnew(b bench) {
	route := b.route("checkout")
	b.Server.Put(route, weights(90, 10))
	if !b.Accepts {
		b.apply(20, route)
		require.True(b, b.observeOne(route).Accepted)
		return
	}
	b.Server.Answer(route, fine, fine)
	require.True(b, b.observeOne(route).Accepted)
	b.apply(20, route)
	require.False(b, b.observeOne(route).Accepted, "the parents know the split before this one")
	b.Server.Answer(route, fine, fine)
	require.True(b, b.observeOne(route).Accepted)
}
