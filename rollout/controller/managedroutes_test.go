package controller

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/traffic"
)

// ruled is a canary whose routes may have rules of the engine, with these steps.
func ruled(steps ...v1alpha1.Step) *v1alpha1.Canary {
	c := routed("stable", "canary")
	c.TrafficRouting.ManagedRoutes = []v1alpha1.ManagedRoute{{Name: "testers"}, {Name: "shadow"}}
	c.Steps = steps
	return c
}

func header(name string, matches ...v1alpha1.HeaderRouteMatch) v1alpha1.Step {
	return v1alpha1.Step{SetHeaderRoute: &v1alpha1.HeaderRoute{Name: name, Match: matches}}
}

func TestStepsSetRulesAndRemoveThem(t *testing.T) {
	exact := v1alpha1.StringMatch{Exact: "yes"}
	prefix := v1alpha1.StringMatch{Prefix: "/cart"}
	r := resolveExample(t, func(r *v1alpha1.Rollout) {
		r.Spec.Strategy.Canary = ruled(
			header("testers", v1alpha1.HeaderRouteMatch{HeaderName: "X-Canary", HeaderValue: exact}),
			header("testers"),
			v1alpha1.Step{SetMirrorRoute: &v1alpha1.MirrorRoute{Name: "shadow", Match: []v1alpha1.MirrorRouteMatch{
				{Method: &exact, Path: &prefix, Headers: map[string]v1alpha1.StringMatch{"b": exact, "a": prefix}}}}},
			v1alpha1.Step{SetMirrorRoute: &v1alpha1.MirrorRoute{Name: "shadow", Percentage: new(int32(5))}},
			v1alpha1.Step{SetMirrorRoute: &v1alpha1.MirrorRoute{Name: "shadow"}},
		)
	})
	require.Empty(t, r.problems)
	set := func(rule traffic.ManagedRule) rollout.Step { return rollout.Step{Kind: rollout.SetRule, Rule: rule} }
	removed := func(name string) rollout.Step {
		return rollout.Step{Kind: rollout.SetRule, Rule: traffic.ManagedRule{Name: name}, Remove: true}
	}
	yes := traffic.StringMatch{Exact: "yes"}
	require.Equal(t, []rollout.Step{
		set(traffic.HeaderRoute("testers", traffic.HeaderMatch{Header: "X-Canary", Value: yes})),
		removed("testers"),
		set(traffic.MirrorRoute("shadow", 100, traffic.RequestMatch{Method: yes, Path: traffic.StringMatch{Prefix: "/cart"},
			Headers: []traffic.HeaderMatch{{Header: "a", Value: traffic.StringMatch{Prefix: "/cart"}}, {Header: "b", Value: yes}}})),
		set(traffic.MirrorRoute("shadow", 5)),
		removed("shadow"),
	}, r.spec.Steps)
}

func TestRulesThatNoRouteCouldHaveAreProblemsOfTheSpec(t *testing.T) {
	value := v1alpha1.HeaderRouteMatch{HeaderName: "X-Canary", HeaderValue: v1alpha1.StringMatch{Exact: "yes"}}
	for name, c := range map[string]struct {
		canary  *v1alpha1.Canary
		message []string
	}{
		"a rule that isn't declared":           {ruled(header("friends", value)), []string{"steps[0]", `"friends" is not among the managed routes (testers, shadow)`}},
		"a rule to remove that isn't declared": {ruled(header("friends")), []string{"steps[0]", `"friends" is not among the managed routes (testers, shadow)`}},
		"a header twice":                       {ruled(header("testers", value, value)), []string{"steps[0]", "matches header X-Canary twice"}},
		"only GRPCRoutes": {func() *v1alpha1.Canary {
			c := ruled(header("testers", value))
			c.TrafficRouting.GatewayAPI.Routes[0].Kind = "GRPCRoute"
			return c
		}(), []string{"spec.strategy.canary.steps", "only HTTPRoutes and VirtualServices"}},
	} {
		t.Run(name, func(t *testing.T) {
			problems := resolveExample(t, func(r *v1alpha1.Rollout) { r.Spec.Strategy.Canary = c.canary }).problems
			require.NotEmpty(t, problems)
			for _, part := range c.message {
				require.Contains(t, problems[0].Message, part)
			}
		})
	}
}

func TestTheWiringKeepsWhichRulesAreTheEngines(t *testing.T) {
	w := wiringOf(v1alpha1.Strategy{Canary: ruled()})
	require.Equal(t, []string{"testers", "shadow"}, newWiring(w).ManagedRoutes)
	require.Equal(t, w, readWiring(newWiring(w)))
	require.Equal(t, traffic.Managed{Names: []string{"testers", "shadow"}}, target("shop", w, false).Managed)
	plain := ruled()
	plain.TrafficRouting.ManagedRoutes = nil
	require.NotEqual(t, w, wiringOf(v1alpha1.Strategy{Canary: plain}))
}
