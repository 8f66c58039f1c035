package istio_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic"
)

const manyRules = `{"hosts": ["shop.example.com"],
	"http": [
		{"name": "beta", "match": [{"headers": {"x-beta": {"exact": "yes"}}}], "route": [{"destination": {"host": "checkout-canary"}}]},
		{"name": "primary", "route": [{"destination": {"host": "checkout-stable"}, "weight": 100}, {"destination": {"host": "checkout-canary"}, "weight": 0}]},
		{"route": [{"destination": {"host": "checkout-stable"}, "weight": 100}, {"destination": {"host": "checkout-canary"}, "weight": 0}]}],
	"tls": [
		{"match": [{"port": 443, "sniHosts": ["a", "b"]}, {"port": 444, "sniHosts": ["c"]}],
			"route": [{"destination": {"host": "checkout-stable"}, "weight": 100}, {"destination": {"host": "checkout-canary"}, "weight": 0}]},
		{"match": [{"port": 443, "sniHosts": ["a"]}], "route": [{"destination": {"host": "login"}}]}],
	"tcp": [
		{"match": [{"port": 5432}], "route": [{"destination": {"host": "checkout-stable"}, "weight": 100}, {"destination": {"host": "checkout-canary"}, "weight": 0}]},
		{"match": [{"port": 6543}], "route": [{"destination": {"host": "checkout-stable"}, "weight": 100}, {"destination": {"host": "checkout-canary"}, "weight": 0}]}]}`

func selecting(s traffic.Selection) traffic.Target {
	target := shop
	target.Only = map[traffic.RouteName]traffic.Selection{checkout: s}
	return target
}

func TestASelectionRestrictsTheSplitToRules(t *testing.T) {
	weight := map[string][]any{
		"primary": {"http", 1}, "unnamed": {"http", 2}, "tls": {"tls", 0}, "5432": {"tcp", 0}, "6543": {"tcp", 1},
	}
	for _, c := range []struct {
		only traffic.Selection
		says []string
	}{
		{traffic.Selection{HTTP: []string{"primary"}}, []string{"primary"}},
		{traffic.Selection{TCP: []int{6543}}, []string{"6543"}},
		{traffic.Selection{TCP: []int{5432, 6543}}, []string{"5432", "6543"}},
		{traffic.Selection{TLS: []traffic.TLSMatch{{Port: 444}}}, []string{"tls"}},
		{traffic.Selection{TLS: []traffic.TLSMatch{{SNIHosts: []string{"b", "a", "b"}}}}, []string{"tls"}},
		{traffic.Selection{TLS: []traffic.TLSMatch{{Port: 443, SNIHosts: []string{"a", "b"}}}, HTTP: []string{"primary"}}, []string{"tls", "primary"}},
	} {
		server := newServer(t)
		server.spec(manyRules)
		target := selecting(c.only)
		require.Empty(t, server.observe(target).Problem)
		server.apply(target, 20)
		require.True(t, server.observe(target).Share.Exactly(20))
		for name, path := range weight {
			want := json.Number("0")
			for _, selected := range c.says {
				if name == selected {
					want = "20"
				}
			}
			require.Equal(t, want, server.at(append(path, "route", 1, "weight")...), "%v: %s", c.only, name)
		}
	}
}

func TestASelectionThatFindsNothingSaysWhat(t *testing.T) {
	server := newServer(t)
	server.spec(manyRules)
	for _, c := range []struct {
		only traffic.Selection
		says string
	}{
		{traffic.Selection{HTTP: []string{"primary", "secondary"}},
			`spec.http has no route named "secondary"; name the one that serves the application so, or correct the name`},
		{traffic.Selection{HTTP: []string{"primary"}, TCP: []int{80}}, "spec.tcp has no route that matches port 80; correct the port"},
		{traffic.Selection{TLS: []traffic.TLSMatch{{Port: 444, SNIHosts: []string{"a", "b"}}}},
			"spec.tls has no route that matches port 444 and sniHosts a, b; correct the port or the hosts, which have to be all of one match"},
		{traffic.Selection{TLS: []traffic.TLSMatch{{Port: 443, SNIHosts: []string{"a"}}}},
			"spec.tls[1] is to carry the split, but names neither Service checkout-stable nor Service checkout-canary; add the two with the weights 100 and 0"},
		{traffic.Selection{HTTP: []string{"beta"}},
			"spec.http[0].route names Service checkout-canary but not Service checkout-stable; add it with weight 100 and give the other one 0, or restrict the split to other rules"},
	} {
		require.Equal(t, c.says, server.observe(selecting(c.only)).Problem)
	}
}

func TestAllRulesThatNameThePairCarryTheSplitWithoutASelection(t *testing.T) {
	server := newServer(t)
	server.spec(manyRules)
	require.Contains(t, server.observe(shop).Problem, "spec.http[0].route names Service checkout-canary but not Service checkout-stable")
	server.apply(shop, 20)
	for _, path := range [][]any{{"http", 1}, {"http", 2}, {"tls", 0}, {"tcp", 0}, {"tcp", 1}} {
		require.Equal(t, json.Number("80"), server.at(append(path, "route", 0, "weight")...), "%v", path)
	}
}

func TestADelegateIsEditedLikeAnyOtherAndItsRootHasNothingToDoWithThePair(t *testing.T) {
	server := newServer(t)
	server.spec(`{"http": [{"route": [{"destination": {"host": "checkout-stable"}, "weight": 100}, {"destination": {"host": "checkout-canary"}, "weight": 0}]}]}`)
	server.apply(shop, 20)
	require.True(t, server.observe(shop).Share.Exactly(20))

	server.spec(`{"hosts": ["x"], "http": [{"delegate": {"name": "checkout", "namespace": "shop"}}, {"redirect": {"uri": "/"}}]}`)
	require.Contains(t, server.observe(shop).Problem, "none of spec.http, spec.tls and spec.tcp has a rule with both")
}
