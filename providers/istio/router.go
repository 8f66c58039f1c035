package istio

import (
	"context"
	"fmt"

	"istio.io/client-go/pkg/clientset/versioned"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/traffic"
)

// Router implements traffic.Router for routes of the kind VirtualService. It may be used by any number of goroutines.
type Router struct {
	virtualServices, destinationRules reader
}

var _ traffic.Router = (*Router)(nil)

// NewRouter makes a router that writes through a client and reads from a cache where it may. What the cache has may have gone through
// Strip; it is not changed.
func NewRouter(client versioned.Interface, cached Cache) *Router {
	var r Router
	r.virtualServices, r.destinationRules = readers(client, cached)
	return &r
}

// Observe reads the split back, see traffic.Router.
func (r *Router) Observe(ctx context.Context, target traffic.Target, live bool) (traffic.Observation, error) {
	b, problem, err := r.backends(ctx, target, live)
	if err != nil {
		return traffic.Observation{}, err
	}
	var all traffic.Observation
	for _, name := range target.Routes {
		o, err := r.observeOne(ctx, target, b, name, live)
		if err != nil {
			return traffic.Observation{}, fmt.Errorf("read %s in namespace %s: %w", name, target.NamespaceOf(name), err)
		}
		if problem != "" && !o.Missing {
			// The versions stay: a share that there is can still be taken back.
			o.Problem, o.Share = problem, traffic.Range{}
		}
		all.Routes = append(all.Routes, o)
	}
	return all, nil
}

// backends says how VirtualServices name the pair. For subsets that takes the host that the DestinationRule declares them for: any other
// host may have subsets of the same names.
func (r *Router) backends(ctx context.Context, target traffic.Target, live bool) (b backends, problem string, err error) {
	if target.Pair.SubsetsOf == "" {
		return serviceBackends(target), "", nil
	}
	d, problem, err := readDestinationRule(ctx, r.destinationRules, target, live)
	if err != nil {
		return b, "", fmt.Errorf("read %s in namespace %s: %w", target.SubsetsName(r.destinationRules.kind), target.NamespaceOf(target.SubsetsName("")), err)
	}
	return subsetBackends(target, d.host), problem, nil
}

func (r *Router) observeOne(ctx context.Context, target traffic.Target, b backends, name traffic.RouteName, live bool) (traffic.RouteObservation, error) {
	if problem := r.unknownKind(name); problem != "" {
		return traffic.RouteObservation{RouteName: name, Problem: problem}, nil
	}
	found, err := r.virtualServices.read(ctx, target.NamespaceOf(name), name.Name, live)
	switch {
	case isKindMissing(err):
		return traffic.RouteObservation{RouteName: name, Problem: r.virtualServices.notInstalled()}, nil
	case apierrors.IsNotFound(err):
		return traffic.RouteObservation{RouteName: name, Missing: true}, nil
	case err != nil:
		return traffic.RouteObservation{}, err
	}
	v, err := parse(found)
	if err != nil {
		return traffic.RouteObservation{RouteName: name, Problem: unreadable(err)}, nil
	}
	return observe(found, layFor(v, b, target, name), name, target.Managed), nil
}

func (r *Router) unknownKind(name traffic.RouteName) string {
	if name.Kind == r.virtualServices.kind {
		return ""
	}
	return fmt.Sprintf("kind %q can't carry a split in Istio; use %s", name.Kind, r.virtualServices.kind)
}

func unreadable(err error) string {
	return fmt.Sprintf("it is not what Istio's API defines: %v; correct the field", err)
}

func layFor(v virtualService, b backends, target traffic.Target, name traffic.RouteName) layout {
	only, restricted := target.Only[name]
	if !restricted {
		return lay(v, b, nil, target.Managed.Names)
	}
	return lay(v, b, &only, target.Managed.Names)
}

// observe says what a VirtualService says of the pair.
func observe(found *Object, l layout, name traffic.RouteName, managed traffic.Managed) traffic.RouteObservation {
	o := traffic.RouteObservation{RouteName: name, UID: string(found.UID), ResourceVersion: found.ResourceVersion,
		Problem: l.problem, Managed: l.managedNames(), Astray: l.astray(managed)}
	if o.Problem == "" {
		o.Share = l.share()
	}
	if missing := missingAcceptance(found); missing != "" {
		o.Waiting = fmt.Sprintf("%s: %s", name, missing)
	}
	o.Accepted = o.Waiting == ""
	return o
}

// Apply gives the canary its share and the routes their managed rules, see traffic.Router. All routes are checked before the first
// is written, because routes that disagree are worse than ones that are all behind.
func (r *Router) Apply(ctx context.Context, target traffic.Target, observed traffic.Observation, percent int) ([]traffic.Write, error) {
	b, problem, err := r.backends(ctx, target, false)
	switch {
	case percent < 0 || percent > 100:
		return nil, fmt.Errorf("give %s %d%% of the traffic: a share is between 0 and 100", target.Pair.Canary, percent)
	case err != nil:
		return nil, fmt.Errorf("give %s %d%% of the traffic: %w", target.Pair.Canary, percent, err)
	}
	var changes []change
	var names []traffic.RouteName
	for _, from := range observed.Routes {
		c, err := r.prepare(ctx, target, b, from, percent)
		if problem != "" && from.Problem == "" && !from.Missing {
			// The DestinationRule has changed since.
			err = traffic.ErrChanged
		}
		if err != nil {
			return nil, fmt.Errorf("give %s %d%% of the traffic in %s: %w", b.canary, percent, from.RouteName, err)
		}
		if c.patch != nil {
			changes, names = append(changes, c), append(names, from.RouteName)
		}
	}
	var writes []traffic.Write
	for i, c := range changes {
		version, err := r.virtualServices.write(ctx, c)
		if err != nil {
			return writes, fmt.Errorf("give %s %d%% of the traffic in %s: %w", b.canary, percent, names[i], err)
		}
		writes = append(writes, traffic.Write{RouteName: names[i], ResourceVersion: version})
	}
	return writes, nil
}

// prepare renders the patch of one route; there is none for a route that can't be written or needn't be.
func (r *Router) prepare(ctx context.Context, target traffic.Target, b backends, from traffic.RouteObservation, percent int) (change, error) {
	if r.unknownKind(from.RouteName) != "" || from.ResourceVersion == "" {
		return change{}, nil
	}
	c := change{namespace: target.NamespaceOf(from.RouteName), name: from.Name, uid: from.UID, resourceVersion: from.ResourceVersion}
	if len(target.Managed.Rules) > 0 {
		// A server that doesn't know all fields of a managed rule must not drop some of them: without "mirrors" a mirror route
		// would mirror nothing. Where rules only go, nothing may stand in the way.
		c.validation = metav1.FieldValidationStrict
	}
	current, err := r.virtualServices.version(ctx, c.namespace, c.name, c.uid, c.resourceVersion)
	if err != nil {
		return change{}, err
	}
	v, err := parse(current)
	if err != nil {
		return change{}, err
	}
	c.patch, err = render(layFor(v, b, target, from.RouteName), target.Managed, percent)
	return c, err
}
