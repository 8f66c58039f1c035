package istio_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/providers/istio"
	"github.com/rollout-dev/rollout/traffic"
	"github.com/rollout-dev/rollout/traffic/routertest"
	"github.com/rollout-dev/rollout/traffic/routertest/apiserver"
)

var subsets = traffic.Target{
	Namespace: routertest.Namespace, Routes: []traffic.RouteName{checkout},
	Pair: traffic.Pair{Stable: "stable", Canary: "canary", SubsetsOf: "checkout"},
}

const fourSubsets = `{"host": "checkout", "fromTomorrow": [null, 9007199254740993],
	"trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 100}}, "outlierDetection": {"consecutive5xxErrors": 7}},
	"subsets": [
		{"name": "legacy", "labels": {"version": "v1", "pod-template-hash": "old"}},
		{"name": "canary", "labels": {"app": "checkout", "pod-template-hash": "aaa"}, "trafficPolicy": {"loadBalancer": {"simple": "LEAST_REQUEST"}}},
		{"name": "bare"},
		{"name": "stable", "labels": {"app": "checkout"}}]}`

func (s server) pointer() *istio.Pointer { return istio.NewPointer(s.client(), s) }

func (s server) observeSubsets(target traffic.Target) traffic.Subsets {
	s.t.Helper()
	live, err := s.pointer().Observe(s.t.Context(), target, true)
	require.NoError(s.t, err)
	cached, err := s.pointer().Observe(s.t.Context(), target, false)
	require.NoError(s.t, err)
	require.Equal(s.t, live, cached)
	return live
}

func TestPointerSetsOneLabelAndNothingElse(t *testing.T) {
	server := newServer(t)
	server.destinationRule(fourSubsets)
	bare := subsets
	bare.Pair.Canary = "bare"
	before := server.observeSubsets(subsets)
	require.Equal(t, [3]string{"checkout", "", "aaa"}, [3]string{before.Service, before.Stable, before.Canary})
	for _, c := range []struct {
		target       traffic.Target
		name, prefix string
		index        int
	}{{subsets, "canary", "b", 1}, {subsets, "stable", "b", 3}, {bare, "bare", "b", 2}} {
		for _, revision := range []string{"b1", "b2", "b2"} {
			observed := server.observeSubsets(c.target)
			stored, _ := server.Object("DestinationRule", routertest.Namespace, "checkout")
			writes, err := server.pointer().Point(t.Context(), c.target, observed, c.name, revision)
			require.NoError(t, err)
			after, _ := server.Object("DestinationRule", routertest.Namespace, "checkout")
			subset := stored["spec"].(object)["subsets"].([]any)[c.index].(object)
			if subset["labels"] == nil {
				subset["labels"] = object{}
			}
			set := subset["labels"].(object)["pod-template-hash"] != revision
			subset["labels"].(object)["pod-template-hash"] = revision
			require.JSONEq(t, string(apiserver.Canonical(stored["spec"])), string(apiserver.Canonical(after["spec"])))
			require.Contains(t, string(apiserver.Canonical(after)), "9007199254740993")
			if !set {
				require.Empty(t, writes, "it is so already")
				continue
			}
			require.Equal(t, []traffic.Write{{RouteName: observed.RouteName, ResourceVersion: after["metadata"].(object)["resourceVersion"].(string)}}, writes)
		}
	}
	require.Equal(t, "b2", server.observeSubsets(subsets).Stable)
	require.Equal(t, "b2", server.observeSubsets(subsets).Canary)
	require.Equal(t, "b2", server.observeSubsets(bare).Canary)
	require.Equal(t, 6, server.Writes())
}

func TestPointerNeedsTheVersionThatWasObserved(t *testing.T) {
	touch := func(s server) {
		s.Change("DestinationRule", routertest.Namespace, "checkout", func(o object) { o["spec"].(object)["subsets"].([]any)[0] = object{"name": "first"} })
	}
	replace := func(s server) {
		s.Remove("DestinationRule", routertest.Namespace, "checkout")
		s.destinationRule(fourSubsets)
	}
	remove := func(s server) { s.Remove("DestinationRule", routertest.Namespace, "checkout") }
	for name, change := range map[string]func(server){"touched": touch, "replaced": replace, "removed": remove} {
		for _, meanwhile := range []bool{false, true} {
			server := newServer(t)
			server.destinationRule(fourSubsets)
			observed := server.observeSubsets(subsets)
			if meanwhile {
				server.BeforeWrite(func() { change(server) })
			} else {
				change(server)
			}
			writes, err := server.pointer().Point(t.Context(), subsets, observed, "canary", "bbb")
			require.ErrorIs(t, err, traffic.ErrChanged, name)
			require.ErrorContains(t, err, "point subset canary of DestinationRule checkout in namespace shop at revision \"bbb\"", name)
			require.Empty(t, writes)
			after, there := server.Object("DestinationRule", routertest.Namespace, "checkout")
			if there {
				require.NotContains(t, string(apiserver.Canonical(after)), "bbb")
			}
		}
	}
}

func TestEveryRequestOfThePointerMayFailOnce(t *testing.T) {
	for _, lost := range []bool{false, true} {
		for n := 1; ; n++ {
			server := newServer(t)
			server.destinationRule(fourSubsets)
			server.Fail(n, lost)
			failures := 0
			for range 3 {
				observed, err := server.pointer().Observe(t.Context(), subsets, true)
				if err == nil {
					_, err = server.pointer().Point(t.Context(), subsets, observed, "canary", "bbb")
				}
				if err != nil {
					failures++
				}
			}
			failed := server.Failed()
			server.Fail(0, false)
			require.Equal(t, "bbb", server.observeSubsets(subsets).Canary)
			if !failed {
				break
			}
			require.Equal(t, 1, failures, "request %d fails, so the caller hears of it", n)
		}
	}
}

func TestSubsetsThatCannotBeUsedSayWhy(t *testing.T) {
	for _, c := range []struct{ spec, says string }{
		{`{"host": "checkout", "subsets": [{"name": "stable"}]}`, `DestinationRule checkout: spec.subsets has none named "canary"; add it`},
		{`{"host": "checkout", "subsets": [{"name": "stable"}, {"name": "canary"}, {"name": "stable"}]}`,
			`DestinationRule checkout: spec.subsets has more than one named "stable"; keep one of them`},
		{`{"host": "checkout.staging.svc.cluster.local", "subsets": [{"name": "stable"}, {"name": "canary"}]}`,
			`DestinationRule checkout: spec.host is "checkout.staging.svc.cluster.local", which is no Service in namespace shop; give the name of one, or its full name, as in checkout.shop.svc.cluster.local`},
		{`{"host": "*.shop.svc.cluster.local", "subsets": []}`, `spec.host is "*.shop.svc.cluster.local", which is no Service`},
		{`{"subsets": []}`, `spec.host is "", which is no Service`},
		{`{"host": "checkout", "subsets": {}}`, "DestinationRule checkout: it is not what Istio's API defines: read spec"},
	} {
		server := newServer(t)
		server.destinationRule(c.spec)
		server.spec(manyRules)
		o := server.observeSubsets(subsets)
		require.Contains(t, o.Problem, c.says)
		require.Empty(t, o.Service)
		require.Contains(t, server.observe(subsets).Problem, c.says, "a route that splits between the subsets says the same")
		_, err := server.pointer().Point(t.Context(), subsets, o, "stable", "bbb")
		require.ErrorContains(t, err, c.says)
		require.Zero(t, server.Writes())
	}
}

func TestAMissingDestinationRuleIsNoError(t *testing.T) {
	server := newServer(t)
	server.spec(manyRules)
	o := server.observeSubsets(subsets)
	require.True(t, o.Missing)
	require.Equal(t, "there is no DestinationRule checkout in namespace shop; create it, with the subsets stable and canary", o.Problem)
	require.Equal(t, o.Problem, server.observe(subsets).Problem)

	server.Uninstall("DestinationRule")
	require.Equal(t, "the cluster has no DestinationRule kind of version networking.istio.io/v1; install Istio 1.22 or newer (https://istio.io)", server.observeSubsets(subsets).Problem)
}

func TestAFailedReadOfTheDestinationRuleIsNoShare(t *testing.T) {
	server := newServer(t)
	server.destinationRule(fourSubsets)
	server.Fail(1, false)
	o, err := server.pointer().Observe(t.Context(), subsets, true)
	require.ErrorContains(t, err, "read DestinationRule checkout in namespace shop")
	require.Zero(t, o)
}

func TestOnlySubsetsOfThePairCanBePointed(t *testing.T) {
	server := newServer(t)
	server.destinationRule(fourSubsets)
	o := server.observeSubsets(subsets)
	_, err := server.pointer().Point(t.Context(), subsets, o, "legacy", "bbb")
	require.ErrorContains(t, err, "the pair has the subsets stable and canary only")
	require.Zero(t, server.Writes())
}

func TestASubsetCanBeLetGo(t *testing.T) {
	server := newServer(t)
	server.destinationRule(fourSubsets)
	for range 2 {
		_, err := server.pointer().Point(t.Context(), subsets, server.observeSubsets(subsets), "canary", "")
		require.NoError(t, err)
		require.Empty(t, server.observeSubsets(subsets).Canary)
	}
	_, err := server.pointer().Point(t.Context(), subsets, server.observeSubsets(subsets), "stable", "")
	require.NoError(t, err)
	require.Equal(t, 1, server.Writes())
	stored, _ := server.Object("DestinationRule", routertest.Namespace, "checkout")
	require.Equal(t, object{"app": "checkout"}, stored["spec"].(object)["subsets"].([]any)[1].(object)["labels"])
}

// Two applications behind one VirtualService may well call their subsets the same.
func TestSubsetsOfAnotherHostAreNotThePair(t *testing.T) {
	server := newServer(t)
	server.destinationRule(fourSubsets)
	both := func(host string) string {
		return `{"route": [{"destination": {"host": "` + host + `", "subset": "stable"}, "weight": 100}, {"destination": {"host": "` + host + `", "subset": "canary"}, "weight": 0}]}`
	}
	server.spec(`{"hosts": ["x"], "http": [` + both("cart") + `, ` + both("checkout.shop.svc.cluster.local") + `, ` + both("checkout") + `]}`)
	server.apply(subsets, 20)
	for i, want := range []json.Number{"0", "20", "20"} {
		require.Equal(t, want, server.at("http", i, "route", 1, "weight"))
	}
	require.True(t, server.observe(subsets).Share.Exactly(20))
}

// A share for a subset that has been removed is an outage, and has to be taken back.
func TestAShareCanBeTakenBackThoughTheSubsetIsGone(t *testing.T) {
	server := newServer(t)
	server.destinationRule(fourSubsets)
	server.spec(`{"hosts": ["x"], "http": [{"route": [{"destination": {"host": "checkout", "subset": "stable"}, "weight": 50}, {"destination": {"host": "checkout", "subset": "canary"}, "weight": 50}]}]}`)
	fine := server.observe(subsets)
	require.Empty(t, fine.Problem)
	server.destinationRule(`{"host": "checkout", "subsets": [{"name": "stable"}]}`)
	_, err := server.router().Apply(t.Context(), subsets, traffic.Observation{Routes: []traffic.RouteObservation{fine}}, 0)
	require.ErrorIs(t, err, traffic.ErrChanged, "what was decided on is no more")

	require.Contains(t, server.observe(subsets).Problem, `none named "canary"`)
	server.apply(subsets, 0)
	require.Equal(t, json.Number("0"), server.at("http", 0, "route", 1, "weight"))
}
