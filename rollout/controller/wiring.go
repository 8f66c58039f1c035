package controller

import (
	"slices"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/traffic"
)

// wiringOf is what the strategy wants to carry the traffic; zero for a strategy that can't be understood.
func wiringOf(s v1alpha1.Strategy) rollout.Wiring {
	switch {
	case s.Canary != nil && s.BlueGreen != nil:
		return rollout.Wiring{}
	case s.BlueGreen != nil:
		return rollout.Wiring{Mode: rollout.BySelector, Stable: s.BlueGreen.ActiveService, Canary: s.BlueGreen.PreviewService}
	case s.Canary == nil:
		return rollout.Wiring{}
	case s.Canary.TrafficRouting == nil:
		return rollout.Wiring{Mode: rollout.ByPods}
	}
	w := rollout.Wiring{Mode: rollout.ByRoutes, Stable: s.Canary.StableService, Canary: s.Canary.CanaryService,
		Routes: routingOf(s.Canary.TrafficRouting).text()}
	if w.Routes == "" {
		return rollout.Wiring{}
	}
	if i := s.Canary.TrafficRouting.Istio; i != nil && i.DestinationRule != nil {
		w = withSubsets(w, i.DestinationRule)
	}
	if p := s.Canary.PingPong; p != nil {
		w.Stable, w.Canary, w.Alternate = p.PingService, p.PongService, true
	}
	return w
}

// readWiring is the persisted wiring as the domain knows it.
func readWiring(w *v1alpha1.Wiring) rollout.Wiring {
	if w == nil {
		return rollout.Wiring{}
	}
	out := rollout.Wiring{Mode: rollout.Mode(w.Mode), Stable: w.StableService, Canary: w.CanaryService, Alternate: w.PingPong,
		Routes: routing{Routes: w.Routes, Managed: w.ManagedRoutes}.text()}
	if w.DestinationRule != nil {
		out = withSubsets(out, w.DestinationRule)
	}
	return out
}

// newWiring is the wiring to persist.
func newWiring(w rollout.Wiring) *v1alpha1.Wiring {
	if w.Mode == "" {
		return nil
	}
	r := readRouting(w)
	out := &v1alpha1.Wiring{Mode: string(w.Mode), PingPong: w.Alternate, Routes: r.Routes, ManagedRoutes: r.Managed, DestinationRule: subsetsOf(w)}
	if out.DestinationRule == nil {
		out.StableService, out.CanaryService = w.Stable, w.Canary
	}
	return out
}

// wiringsOf are what the spec wants and what is in force, which differ while one takes over from the other.
func wiringsOf(r *v1alpha1.Rollout) []rollout.Wiring {
	wanted := wiringOf(r.Spec.Strategy)
	inForce := wanted
	if t := r.Status.Traffic; t != nil && t.Wiring != nil {
		inForce = readWiring(t.Wiring)
	}
	if inForce == wanted {
		return []rollout.Wiring{wanted}
	}
	return []rollout.Wiring{wanted, inForce}
}

// servicesOf are the Services that a Rollout has a hand on, sorted.
func servicesOf(r *v1alpha1.Rollout) []string {
	var services []string
	for _, w := range wiringsOf(r) {
		for _, name := range []string{w.Stable, w.Canary} {
			if name != "" && w.SubsetsOf == "" {
				services = append(services, name)
			}
		}
	}
	if t := r.Status.Traffic; t != nil && t.Service != "" {
		services = append(services, t.Service)
	}
	slices.Sort(services)
	return slices.Compact(services)
}

// backends are the Services that reach stable and the revision under test. With Services that take turns they have changed
// their roles after every other promotion.
func backends(w rollout.Wiring, swapped bool) traffic.Pair {
	pair := traffic.Pair{Stable: w.Stable, Canary: w.Canary}
	if rule := subsetsOf(w); rule != nil {
		pair.SubsetsOf, pair.SubsetsIn = rule.Name, rule.Namespace
	}
	if swapped {
		pair.Stable, pair.Canary = pair.Canary, pair.Stable
	}
	return pair
}

// inForce is what carries the traffic: what the status says, and in the beginning what the spec wants.
func (w *world) inForce() rollout.Wiring {
	if wiring := w.observed.Status.Wiring; wiring.Mode != "" {
		return wiring
	}
	return w.observed.Spec.Wiring
}

// The words for what blue-green calls differently.
const (
	activeName  = "active"
	previewName = "preview"
)

// backendName is what people call the Service that plays a role.
func (w *world) backendName(role rollout.Role) string {
	switch {
	case w.inForce().Mode != rollout.BySelector:
		return string(role)
	case role == rollout.StableRole:
		return activeName
	}
	return previewName
}

// reference is a Service that the spec names, and in which field.
type reference struct{ field, service string }

// references are the Services that the spec names, in the order in which they are written.
func references(s v1alpha1.Strategy) []reference {
	var all []reference
	add := func(field, service string) {
		if service != "" {
			all = append(all, reference{"spec.strategy." + field, service})
		}
	}
	if c := s.Canary; c != nil && c.TrafficRouting != nil {
		add("canary.stableService", c.StableService)
		add("canary.canaryService", c.CanaryService)
		if c.PingPong != nil {
			add("canary.pingPong.pingService", c.PingPong.PingService)
			add("canary.pingPong.pongService", c.PingPong.PongService)
		}
	}
	if b := s.BlueGreen; b != nil {
		add("blueGreen.activeService", b.ActiveService)
		add("blueGreen.previewService", b.PreviewService)
	}
	return all
}
