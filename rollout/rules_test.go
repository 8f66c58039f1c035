package rollout_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/traffic"
)

// sticky is a release of v2 with steps and sticky clients, by routes.
func sticky(step int, steps ...rollout.Step) rollout.Observed {
	wired := rollout.Wiring{Mode: rollout.ByRoutes}
	return rollout.Observed{
		Spec:   rollout.Spec{Wiring: wired, Steps: steps, Affinity: &traffic.Affinity{Cookie: "session", TTL: time.Hour}},
		Status: rollout.Status{Wiring: wired, Release: &rollout.Release{Run: 7, Revision: "v2", Phase: rollout.Stepping, Step: step}},
	}
}

func weight(percent int) rollout.Step { return rollout.Step{Kind: rollout.SetWeight, Weight: percent} }

func TestClientsStayAsLongAsTheWeightDoesNotFall(t *testing.T) {
	steps := []rollout.Step{{Kind: rollout.SetScale, Pods: 1}, weight(20), {Kind: rollout.Pause}, weight(50), weight(10), weight(30), weight(0), weight(20)}
	draw := func(name string) []traffic.ManagedRule {
		if name == "" {
			return nil
		}
		return traffic.Affinity{Cookie: "session", TTL: time.Hour}.Rules(name)
	}
	for step, name := range []string{"", "v2-7-0", "v2-7-0", "v2-7-0", "v2-7-5", "v2-7-5", "", "v2-7-7"} {
		require.Equal(t, draw(name), sticky(step, steps...).Rules(), "step %d", step)
	}
}

func TestNoCookieOutlivesItsRun(t *testing.T) {
	before, after := sticky(0, weight(20)), sticky(0, weight(20))
	after.Status.Release.Run++
	require.NotEqual(t, before.Rules(), after.Rules())
	for _, phase := range []rollout.Phase{rollout.Promoting, rollout.Aborting} {
		after.Status.Release.Phase = phase
		require.Empty(t, after.Rules(), phase)
	}
	after.Status.Release = nil
	require.Empty(t, after.Rules())
}

func TestRulesOfStepsStandBesideThoseOfAffinity(t *testing.T) {
	testers := traffic.HeaderRoute("testers", traffic.HeaderMatch{Header: "x", Value: traffic.StringMatch{Exact: "1"}})
	rules := sticky(1, rollout.Step{Kind: rollout.SetRule, Rule: testers}, weight(20)).Rules()
	require.Len(t, rules, 4)
	require.Equal(t, testers, rules[0])
}
