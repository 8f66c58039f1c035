package traffic

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Routers carry one split in routes of several kinds: each route is its router's.
type Routers []RouterOf

// RouterOf is a router and the kinds of routes that are its.
type RouterOf struct {
	Kinds  []string
	Router Router
	// Managing: routes of these kinds can have managed rules. Those of other kinds have none, wanted or not: a header means nothing to
	// a TCP connection, and yet both may carry the split of one application.
	Managing bool
}

var _ Router = Routers(nil)

// part is what one router has to do with a target.
type part struct {
	router   Router
	target   Target
	observed Observation
}

// parts shares the routes out, in the order of the routers.
func (r Routers) parts(target Target, observed Observation) []part {
	var all []part
	for _, of := range r {
		p := part{router: of.Router, target: target}
		p.target.Routes = nil
		if !of.Managing {
			p.target.Managed = Managed{}
		}
		for _, name := range target.Routes {
			if slices.Contains(of.Kinds, name.Kind) {
				p.target.Routes = append(p.target.Routes, name)
			}
		}
		for _, o := range observed.Routes {
			if slices.Contains(of.Kinds, o.Kind) {
				p.observed.Routes = append(p.observed.Routes, o)
			}
		}
		if len(p.target.Routes) > 0 {
			all = append(all, p)
		}
	}
	return all
}

// Observe joins what the routers read back, in the order of the target's routes, see Router.
func (r Routers) Observe(ctx context.Context, target Target, live bool) (Observation, error) {
	found := map[RouteName]RouteObservation{}
	for _, p := range r.parts(target, Observation{}) {
		o, err := p.router.Observe(ctx, p.target, live)
		if err != nil {
			return Observation{}, err
		}
		for _, route := range o.Routes {
			found[route.RouteName] = route
		}
	}
	var all Observation
	for _, name := range target.Routes {
		o, there := found[name]
		if !there {
			o = RouteObservation{RouteName: name, Problem: fmt.Sprintf("kind %q can't carry a split; use one of %s", name.Kind, strings.Join(r.kinds(), ", "))}
		}
		all.Routes = append(all.Routes, o)
	}
	return all, nil
}

func (r Routers) kinds() []string {
	var all []string
	for _, of := range r {
		all = append(all, of.Kinds...)
	}
	return all
}

// Apply lets each router write its routes, see Router. Where the canary is to get more, the first that fails is the last that is asked:
// routes that disagree are worse than ones that are all behind. Where it is to get less, one that fails keeps no other from doing so.
func (r Routers) Apply(ctx context.Context, target Target, observed Observation, percent int) ([]Write, error) {
	var writes []Write
	var failed []error
	less := percent < observed.Share().High || percent == 0
	for _, p := range r.parts(target, observed) {
		written, err := p.router.Apply(ctx, p.target, p.observed, percent)
		writes = append(writes, written...)
		if err != nil {
			failed = append(failed, err)
			if !less {
				break
			}
		}
	}
	if len(failed) == 1 {
		return writes, failed[0]
	}
	return writes, errors.Join(failed...)
}
