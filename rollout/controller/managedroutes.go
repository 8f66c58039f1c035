package controller

import (
	"maps"
	"slices"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/traffic"
)

// headerStep is a setHeaderRoute as the domain knows it.
func headerStep(h *v1alpha1.HeaderRoute) rollout.Step {
	var headers []traffic.HeaderMatch
	for _, m := range h.Match {
		headers = append(headers, traffic.HeaderMatch{Header: m.HeaderName, Value: stringMatch(&m.HeaderValue)})
	}
	step := rollout.Step{Kind: rollout.SetRule, Rule: traffic.HeaderRoute(h.Name, headers...)}
	if len(h.Match) == 0 {
		step.Rule, step.Remove = traffic.ManagedRule{Name: h.Name}, true
	}
	return step
}

// everyRequest is the percentage of a setMirrorRoute that says none.
const everyRequest = 100

// mirrorStep is a setMirrorRoute as the domain knows it.
func mirrorStep(m *v1alpha1.MirrorRoute) rollout.Step {
	if len(m.Match) == 0 && m.Percentage == nil {
		return rollout.Step{Kind: rollout.SetRule, Rule: traffic.ManagedRule{Name: m.Name}, Remove: true}
	}
	var matches []traffic.RequestMatch
	for _, match := range m.Match {
		described := traffic.RequestMatch{Method: stringMatch(match.Method), Path: stringMatch(match.Path)}
		// The order of headers makes no difference to a data plane, but it does to whether a rule is as it should be.
		for _, name := range slices.Sorted(maps.Keys(match.Headers)) {
			value := match.Headers[name]
			described.Headers = append(described.Headers, traffic.HeaderMatch{Header: name, Value: stringMatch(&value)})
		}
		matches = append(matches, described)
	}
	return rollout.Step{Kind: rollout.SetRule, Rule: traffic.MirrorRoute(m.Name, int(orDefault(m.Percentage, everyRequest)), matches...)}
}

func stringMatch(m *v1alpha1.StringMatch) traffic.StringMatch {
	if m == nil {
		return traffic.StringMatch{}
	}
	return traffic.StringMatch{Exact: m.Exact, Prefix: m.Prefix, Regex: m.Regex}
}

// checkRules finds what is wrong with the rules of the steps as far as it can be told without the routes.
func (r *resolved) checkRules(canary *v1alpha1.Canary) {
	if canary.TrafficRouting == nil {
		return
	}
	routing, sets := routingOf(canary.TrafficRouting), false
	for i, step := range r.spec.Steps {
		if step.Kind != rollout.SetRule {
			continue
		}
		sets = true
		managed := traffic.Managed{Names: routing.Managed, Rules: []traffic.ManagedRule{step.Rule}}
		if step.Remove {
			// A rule that is removed describes nothing.
			managed.Rules[0].Mirror = everyRequest
		}
		if problem := managed.Problem(); problem != "" {
			r.problem(reasonInvalidStrategy, "spec.strategy.canary.steps[%d]: %s", i, problem)
		}
	}
	if sets && !slices.ContainsFunc(routing.Routes, func(w v1alpha1.WiredRoute) bool { return w.Kind == httpRouteKind || w.Kind == virtualServiceKind }) {
		r.problem(reasonInvalidStrategy, "spec.strategy.canary.steps: only HTTPRoutes and VirtualServices can have header and mirror routes, and trafficRouting names none; "+
			"leave setHeaderRoute and setMirrorRoute out, or name one")
	}
}
