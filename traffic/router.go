package traffic

import "context"

// Router carries splits in routes that the user owns. Every implementation passes routertest.Run.
//
// A route without any rule for the pair, or that does not exist, is no error of the call: Observe reports it as a Problem.
type Router interface {
	// Observe reads the split back. With live it asks the API server, else it may answer from a cache.
	// An error means that nothing is known about any route; it never stands for a share of zero.
	Observe(ctx context.Context, target Target, live bool) (Observation, error)
	// Apply gives the canary backend the share percent in every rule of every route that names the pair, where it
	// isn't so already. It changes only what was observed: a route that has changed since is left alone and the error
	// wraps ErrChanged. It returns what it wrote also when it fails half way.
	Apply(ctx context.Context, target Target, observed Observation, percent int) ([]Write, error)
}

// Target is the pair of backends and the routes that carry its split.
type Target struct {
	Namespace string
	Pair      Pair
	Routes    []RouteName
}

// RouteName names a route in the target's namespace.
type RouteName struct {
	Kind string
	Name string
}

// String is for example "HTTPRoute checkout".
func (n RouteName) String() string { return n.Kind + " " + n.Name }

// Observation is what the routes say.
type Observation struct {
	Routes []RouteObservation
}

// RouteObservation is what one route says.
type RouteObservation struct {
	RouteName
	// Missing: the route does not exist, so no traffic reaches either backend through it.
	Missing bool
	// Share of the canary backend over all rules that name the pair; zero when Problem is set.
	Share Range
	// Accepted: every parent has accepted the route at its current generation and resolved its backends.
	Accepted bool
	// Waiting says what is missing to Accepted, in a sentence; empty if nothing is.
	Waiting string
	// Problem says why the route can't carry the split, naming the field and the way out; empty if it can.
	Problem string
	// UID and ResourceVersion are the precondition of a write.
	UID             string
	ResourceVersion string
}

// Write is one write that succeeded: the object's resource version after it.
type Write struct {
	RouteName
	ResourceVersion string
}

// Share is the range over all routes that carry traffic for the pair.
func (o Observation) Share() Range {
	var all Range
	first := true
	for _, r := range o.Routes {
		if r.Missing || r.Problem != "" {
			continue
		}
		if first {
			all, first = r.Share, false
			continue
		}
		all.Low, all.High = min(all.Low, r.Share.Low), max(all.High, r.Share.High)
	}
	return all
}

// Waiting is the first reason why a route hasn't accepted its split, empty if all have.
func (o Observation) Waiting() string {
	for _, r := range o.Routes {
		if !r.Accepted && r.Problem == "" && !r.Missing {
			return r.Waiting
		}
	}
	return ""
}
