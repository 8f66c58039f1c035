package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/traffic"
)

// stickyCanary is a canary whose clients stay on one version.
func stickyCanary(steps ...v1alpha1.Step) *v1alpha1.Canary {
	c := ruled(steps...)
	c.TrafficRouting.Affinity = &v1alpha1.Affinity{Cookie: v1alpha1.AffinityCookie{Name: "session"}}
	return c
}

func TestAffinityHoldsOnceTheWiringKnowsItsRules(t *testing.T) {
	c := stickyCanary()
	names := []string{"testers", "shadow", "session-canary", "session-stable", "session-new"}
	require.Equal(t, traffic.Managed{Names: names}, target("shop", wiringOf(v1alpha1.Strategy{Canary: c}), false).Managed)
	resolve := func(inForce *v1alpha1.Canary) resolved {
		return resolveExample(t, func(r *v1alpha1.Rollout) {
			r.Spec.Strategy.Canary = c
			r.Status.Traffic = &v1alpha1.Traffic{Wiring: newWiring(wiringOf(v1alpha1.Strategy{Canary: inForce}))}
		})
	}
	before := resolve(ruled())
	require.Empty(t, before.problems)
	require.Nil(t, before.spec.Affinity, "rules that nobody would remove again")
	require.Equal(t, &traffic.Affinity{Cookie: "session", TTL: time.Hour}, resolve(c).spec.Affinity)
	c.TrafficRouting.Affinity.Cookie.TTLSeconds = new(int32(60))
	require.Equal(t, &traffic.Affinity{Cookie: "session", TTL: time.Minute}, resolve(c).spec.Affinity)
	c.TrafficRouting.Affinity.Cookie.Secure = true
	require.Equal(t, &traffic.Affinity{Cookie: "session", TTL: time.Minute, Secure: true}, resolve(c).spec.Affinity)
	require.Nil(t, resolveExample(t, func(r *v1alpha1.Rollout) { r.Spec.Strategy.Canary = ruled() }).spec.Affinity)
}

func TestAffinityThatCanNotBeHadSaysWhatToDo(t *testing.T) {
	mirror := stickyCanary(v1alpha1.Step{SetMirrorRoute: &v1alpha1.MirrorRoute{Name: "shadow", Percentage: new(int32(5))}})
	calls := stickyCanary()
	calls.TrafficRouting.GatewayAPI.Routes[0].Kind = "GRPCRoute"
	taken := stickyCanary()
	taken.TrafficRouting.ManagedRoutes[0].Name = "session-new"
	for name, c := range map[string]struct {
		canary *v1alpha1.Canary
		says   []string
	}{
		"a mirror":           {mirror, []string{"steps[0].setMirrorRoute", "leave either the mirror or trafficRouting.affinity out"}},
		"a GRPCRoute":        {calls, []string{"trafficRouting.affinity", "a GRPCRoute knows no cookies", "leave affinity out"}},
		"a name that is had": {taken, []string{"affinity.cookie.name", `"session-new" is declared twice`, "choose another name for the cookie"}},
	} {
		t.Run(name, func(t *testing.T) {
			problems := resolveExample(t, func(r *v1alpha1.Rollout) { r.Spec.Strategy.Canary = c.canary }).problems
			require.NotEmpty(t, problems)
			for _, part := range c.says {
				require.Contains(t, problems[0].Message, part)
			}
		})
	}
}
