package traffic_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic"
)

// memory is a router whose routes are their shares.
type memory struct {
	shares map[traffic.RouteName]int
	broken error
}

func (m *memory) Observe(_ context.Context, target traffic.Target, _ bool) (traffic.Observation, error) {
	var all traffic.Observation
	for _, name := range target.Routes {
		share := m.shares[name]
		all.Routes = append(all.Routes, traffic.RouteObservation{RouteName: name, Share: traffic.Range{Low: share, High: share}, Accepted: true})
	}
	return all, m.broken
}

func (m *memory) Apply(_ context.Context, _ traffic.Target, observed traffic.Observation, percent int) ([]traffic.Write, error) {
	if m.broken != nil {
		return nil, m.broken
	}
	var writes []traffic.Write
	for _, o := range observed.Routes {
		m.shares[o.RouteName] = percent
		writes = append(writes, traffic.Write{RouteName: o.RouteName})
	}
	return writes, nil
}

var (
	web   = traffic.RouteName{Kind: "HTTPRoute", Name: "web"}
	mesh  = traffic.RouteName{Kind: "VirtualService", Name: "web", Namespace: "mesh"}
	calls = traffic.RouteName{Kind: "GRPCRoute", Name: "calls"}
)

func twoRouters() (gateways, meshes *memory, all traffic.Routers) {
	gateways, meshes = &memory{shares: map[traffic.RouteName]int{}}, &memory{shares: map[traffic.RouteName]int{}}
	return gateways, meshes, traffic.Routers{{Kinds: []string{"HTTPRoute", "GRPCRoute"}, Router: gateways}, {Kinds: []string{"VirtualService"}, Router: meshes}}
}

func TestEachRouteIsObservedByItsRouterInTheOrderOfTheTarget(t *testing.T) {
	_, meshes, all := twoRouters()
	meshes.shares[mesh] = 5
	o, err := all.Observe(t.Context(), traffic.Target{Routes: []traffic.RouteName{web, mesh, calls, {Kind: "Ingress", Name: "old"}}}, false)
	require.NoError(t, err)
	require.Equal(t, traffic.Range{Low: 0, High: 5}, o.Share())
	var names []traffic.RouteName
	for _, route := range o.Routes {
		names = append(names, route.RouteName)
	}
	require.Equal(t, []traffic.RouteName{web, mesh, calls, {Kind: "Ingress", Name: "old"}}, names)
	require.Equal(t, `kind "Ingress" can't carry a split; use one of HTTPRoute, GRPCRoute, VirtualService`, o.Routes[3].Problem)
}

func TestNothingIsKnownOfAnyRouteIfOneRouterKnowsNothing(t *testing.T) {
	_, meshes, all := twoRouters()
	meshes.broken = errors.New("no answer")
	o, err := all.Observe(t.Context(), traffic.Target{Routes: []traffic.RouteName{web, mesh}}, false)
	require.ErrorIs(t, err, meshes.broken)
	require.Empty(t, o.Routes)
}

func TestARouterThatIsNotAskedForAnythingIsLeftAlone(t *testing.T) {
	_, meshes, all := twoRouters()
	meshes.broken = errors.New("no answer")
	target := traffic.Target{Routes: []traffic.RouteName{web}}
	o, err := all.Observe(t.Context(), target, false)
	require.NoError(t, err)
	_, err = all.Apply(t.Context(), target, o, 5)
	require.NoError(t, err)
}

func TestNoRouterRaisesAShareAfterOneHasFailed(t *testing.T) {
	gateways, meshes, all := twoRouters()
	target := traffic.Target{Routes: []traffic.RouteName{mesh, web}}
	o, err := all.Observe(t.Context(), target, false)
	require.NoError(t, err)
	gateways.broken = traffic.ErrChanged
	writes, err := all.Apply(t.Context(), target, o, 5)
	require.ErrorIs(t, err, traffic.ErrChanged)
	require.Empty(t, writes)
	require.Empty(t, meshes.shares)
}

func TestAFailureOfOneRouterKeepsNoOtherFromTakingTrafficBack(t *testing.T) {
	gateways, meshes, all := twoRouters()
	gateways.shares[web], meshes.shares[mesh] = 20, 20
	target := traffic.Target{Routes: []traffic.RouteName{web, mesh}}
	o, err := all.Observe(t.Context(), target, false)
	require.NoError(t, err)
	gateways.broken = errors.New("no answer")
	writes, err := all.Apply(t.Context(), target, o, 0)
	require.ErrorIs(t, err, gateways.broken)
	require.Equal(t, []traffic.Write{{RouteName: mesh}}, writes)
	require.Equal(t, map[traffic.RouteName]int{mesh: 0}, meshes.shares)
	require.Equal(t, 20, gateways.shares[web])
}

// asked notes what a router is asked for.
type asked struct {
	memory
	managed []traffic.Managed
}

func (a *asked) Observe(ctx context.Context, target traffic.Target, live bool) (traffic.Observation, error) {
	a.managed = append(a.managed, target.Managed)
	return a.memory.Observe(ctx, target, live)
}

func TestRoutesOfKindsThatCanNotHaveManagedRulesAreAskedForNone(t *testing.T) {
	var both asked
	all := traffic.Routers{{Kinds: []string{"HTTPRoute"}, Router: &both, Managing: true}, {Kinds: []string{"GRPCRoute"}, Router: &both}}
	managed := traffic.Managed{Names: []string{"shadow"}, Rules: []traffic.ManagedRule{traffic.MirrorRoute("shadow", 5)}}
	_, err := all.Observe(t.Context(), traffic.Target{Routes: []traffic.RouteName{web, calls}, Managed: managed}, false)
	require.NoError(t, err)
	require.Equal(t, []traffic.Managed{managed, {}}, both.managed)
}
