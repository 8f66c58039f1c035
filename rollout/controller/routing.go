package controller

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/traffic"
)

// virtualServiceKind is the kind of routes that trafficRouting.istio names.
const virtualServiceKind = "VirtualService"

// routing is what rollout.Wiring.Routes says: the routes, and what of them carries the split.
type routing struct {
	Routes []v1alpha1.WiredRoute `json:"routes,omitempty"`
	// Managed are the names of the engine's own rules, in the order in which a request meets them.
	Managed []string `json:"managedRoutes,omitempty"`
}

// routingOf is what the strategy names.
func routingOf(t *v1alpha1.TrafficRouting) routing {
	var r routing
	if t.GatewayAPI != nil {
		for _, route := range t.GatewayAPI.Routes {
			r.Routes = append(r.Routes, v1alpha1.WiredRoute{Kind: route.Kind, Name: route.Name, Namespace: route.Namespace})
		}
	}
	if t.Istio != nil {
		for _, v := range t.Istio.All() {
			r.Routes = append(r.Routes, v1alpha1.WiredRoute{Kind: virtualServiceKind, Name: v.Name, Namespace: v.Namespace, RuleSelection: v.RuleSelection})
		}
	}
	for _, m := range t.ManagedRoutes {
		r.Managed = append(r.Managed, m.Name)
	}
	if a := affinityOf(t); a != nil {
		r.Managed = append(r.Managed, a.Names()...)
	}
	return r
}

// text is a form in which two of them are equal if they name the same; the order of routes doesn't matter.
func (r routing) text() string {
	if len(r.Routes) == 0 {
		return ""
	}
	r.Routes = slices.Clone(r.Routes)
	slices.SortFunc(r.Routes, func(a, b v1alpha1.WiredRoute) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	text, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("names of routes are always valid JSON: %v", err))
	}
	return string(text)
}

// readRouting is the reverse of text.
func readRouting(w rollout.Wiring) routing {
	var r routing
	if w.Routes == "" {
		return r
	}
	if err := json.Unmarshal([]byte(w.Routes), &r); err != nil {
		panic(fmt.Sprintf("routes were written as JSON: %v", err))
	}
	return r
}

// twice is a route that is named more than once, nil if there is none. The schema can't say that: rules of that kind cost too much.
func (r routing) twice() *traffic.RouteName {
	seen := map[traffic.RouteName]bool{}
	for _, name := range r.names() {
		if seen[name] {
			return &name
		}
		seen[name] = true
	}
	return nil
}

// routesOf are the routes of a wiring.
func routesOf(w rollout.Wiring) []traffic.RouteName { return readRouting(w).names() }

func (r routing) names() []traffic.RouteName {
	var names []traffic.RouteName
	for _, route := range r.Routes {
		names = append(names, nameOf(route))
	}
	return names
}

func nameOf(route v1alpha1.WiredRoute) traffic.RouteName {
	return traffic.RouteName{Kind: route.Kind, Name: route.Name, Namespace: route.Namespace}
}

// only are the restrictions to some rules, nil if there are none.
func (r routing) only() map[traffic.RouteName]traffic.Selection {
	var all map[traffic.RouteName]traffic.Selection
	for _, route := range r.Routes {
		s := route.RuleSelection
		if len(s.Routes)+len(s.TLSRoutes)+len(s.TCPRoutes) == 0 {
			continue
		}
		selection := traffic.Selection{HTTP: s.Routes}
		for _, t := range s.TLSRoutes {
			selection.TLS = append(selection.TLS, traffic.TLSMatch{Port: int(t.Port), SNIHosts: t.SNIHosts})
		}
		for _, t := range s.TCPRoutes {
			selection.TCP = append(selection.TCP, int(t.Port))
		}
		if all == nil {
			all = map[traffic.RouteName]traffic.Selection{}
		}
		all[nameOf(route)] = selection
	}
	return all
}

// target is what the router is asked about.
func target(namespace string, w rollout.Wiring, swapped bool) traffic.Target {
	r := readRouting(w)
	return traffic.Target{Namespace: namespace, Pair: backends(w, swapped), Routes: r.names(), Only: r.only(), Managed: traffic.Managed{Names: r.Managed}}
}

// routeField is where the strategy names a route.
func routeField(s v1alpha1.Strategy, name traffic.RouteName) string {
	field := "spec.strategy.canary.trafficRouting."
	switch {
	case name.Kind != virtualServiceKind:
		return field + "gatewayAPI.routes"
	case s.Canary != nil && s.Canary.TrafficRouting != nil && s.Canary.TrafficRouting.Istio != nil && s.Canary.TrafficRouting.Istio.VirtualService != nil:
		return field + "istio.virtualService"
	}
	return field + "istio.virtualServices"
}
