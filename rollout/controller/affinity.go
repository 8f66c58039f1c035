package controller

import (
	"slices"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/traffic"
)

// defaultCookieTTL is in seconds.
const defaultCookieTTL = 3600

// affinityOf is what the strategy asks for, nil if it asks for none.
func affinityOf(t *v1alpha1.TrafficRouting) *traffic.Affinity {
	if t.Affinity == nil {
		return nil
	}
	cookie := t.Affinity.Cookie
	return &traffic.Affinity{Cookie: cookie.Name, TTL: seconds(cookie.TTLSeconds, defaultCookieTTL), Secure: cookie.Secure}
}

// resolveAffinity reads how clients stay where they are. As long as the wiring in force doesn't know the rules, there are none: nobody would
// remove them.
func (r *resolved) resolveAffinity(canary *v1alpha1.Canary, inForce rollout.Wiring) {
	a := affinityOf(canary.TrafficRouting)
	if a == nil {
		return
	}
	routing := routingOf(canary.TrafficRouting)
	const field = "spec.strategy.canary.trafficRouting.affinity"
	if problem := (traffic.Managed{Names: routing.Managed}).Problem(); problem != "" {
		r.problem(reasonInvalidStrategy, "%s.cookie.name: %s, or choose another name for the cookie", field, problem)
	}
	for _, route := range routing.Routes {
		if route.Kind != httpRouteKind && route.Kind != virtualServiceKind {
			r.problem(reasonInvalidStrategy, "%s: a %s knows no cookies, so clients of %s would change between the versions; leave affinity out, or name HTTPRoutes and VirtualServices only",
				field, route.Kind, nameOf(route))
		}
	}
	for i, step := range canary.Steps {
		if step.SetMirrorRoute != nil {
			r.problem(reasonInvalidStrategy, "spec.strategy.canary.steps[%d].setMirrorRoute: the split serves the requests that are mirrored, whatever cookie they have; "+
				"leave either the mirror or trafficRouting.affinity out", i)
		}
	}
	known := readRouting(inForce).Managed
	if !slices.ContainsFunc(a.Names(), func(name string) bool { return !slices.Contains(known, name) }) {
		r.spec.Affinity = a
	}
}
