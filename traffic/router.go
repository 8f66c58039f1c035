package traffic

import "context"

// Router carries splits in routes that the user owns. Every implementation passes routertest.Run.
//
// A route without any rule for the pair, or that does not exist, is no error of the call: Observe reports it as a Problem.
type Router interface {
	// Observe reads the split back. With live it asks the API server, else it may answer from a cache.
	// An error means that nothing is known about any route; it never stands for a share of zero.
	Observe(ctx context.Context, target Target, live bool) (Observation, error)
	// Apply gives the canary backend the share percent in every rule of every route that names the pair, and makes the managed
	// rules those that the target wants, where it isn't so already, with one write per route. It changes only what was
	// observed: a route that has changed since is left alone and the error wraps ErrChanged. It returns what it wrote also
	// when it fails half way.
	Apply(ctx context.Context, target Target, observed Observation, percent int) ([]Write, error)
}

// Target is the pair of backends and the routes that carry its split.
type Target struct {
	Namespace string
	Pair      Pair
	Routes    []RouteName
	// Only restricts routes to some of their rules. A route that isn't in it carries the split in every rule that names the
	// pair.
	Only map[RouteName]Selection
	// Managed are the rules that the routes have, and are to have, besides their owner's.
	Managed Managed
}

// NamespaceOf is the namespace of a route of the target.
func (t Target) NamespaceOf(n RouteName) string {
	if n.Namespace != "" {
		return n.Namespace
	}
	return t.Namespace
}

// SubsetsName names the object that declares the pair, which is of a kind.
func (t Target) SubsetsName(kind string) RouteName {
	return RouteName{Kind: kind, Name: t.Pair.SubsetsOf, Namespace: t.Pair.SubsetsIn}
}

// RouteName names a route.
type RouteName struct {
	Kind string
	Name string
	// Namespace of the route; empty for the target's.
	Namespace string
}

// String is for example "HTTPRoute checkout" or, in another namespace, "VirtualService mesh/checkout".
func (n RouteName) String() string {
	if n.Namespace != "" {
		return n.Kind + " " + n.Namespace + "/" + n.Name
	}
	return n.Kind + " " + n.Name
}

// Selection describes rules of a route; a rule is selected if one entry describes it.
type Selection struct {
	// HTTP rules by their names.
	HTTP []string
	// TLS rules by what they match.
	TLS []TLSMatch
	// TCP rules by the ports that they match.
	TCP []int
}

// TLSMatch describes rules that match a port, names of servers, or both.
type TLSMatch struct {
	// Port is 0 if it doesn't matter.
	Port int
	// SNIHosts are all names of one match, in any order; none if they don't matter.
	SNIHosts []string
}

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
	// Managed are the names of the managed rules that the route has, in its order. They may lead requests to the canary
	// whatever its share is, so a canary has no traffic only if there are none.
	Managed []string
	// Astray says in a sentence what is to be changed, or can't be, for the managed rules to be those that the target wants;
	// empty if they are.
	Astray string
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

// HasManaged says whether any route has a managed rule.
func (o Observation) HasManaged() bool {
	for _, r := range o.Routes {
		if len(r.Managed) > 0 {
			return true
		}
	}
	return false
}

// Astray is the first reason why a route's managed rules aren't those that the target wants, with the route's name in front;
// empty if all are.
func (o Observation) Astray() string {
	for _, r := range o.Routes {
		if r.Astray != "" {
			return r.String() + ": " + r.Astray
		}
	}
	return ""
}
