package gatewayapi

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gateway "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"
	gatewayclient "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned/typed/apis/v1"

	"github.com/rollout-dev/rollout/traffic"
)

// fieldManager is the name under which the API server remembers who set the weights.
const fieldManager = "rollout"

// Cache answers from what a watch has seen; a route that it doesn't have need not be missing.
type Cache interface {
	HTTPRoute(namespace, name string) (*gatewayv1.HTTPRoute, bool)
	GRPCRoute(namespace, name string) (*gatewayv1.GRPCRoute, bool)
	TLSRoute(namespace, name string) (*gatewayv1.TLSRoute, bool)
	TCPRoute(namespace, name string) (*gatewayv1.TCPRoute, bool)
}

// Router implements traffic.Router. It may be used by any number of goroutines.
type Router struct {
	kinds map[string]kind
	// gateways says what the gateways of routes can do.
	gateways gatewayclient.GatewayV1Interface
}

var _ traffic.Router = (*Router)(nil)

// New makes a router that writes through a client and reads from a cache where it may. What the cache has may have gone
// through StripHTTPRoute and its like; it is not changed.
func New(client gateway.Interface, cached Cache) *Router {
	api := client.GatewayV1()
	return &Router{gateways: api, kinds: map[string]kind{
		"HTTPRoute": kindOf(func(namespace string) typed[*gatewayv1.HTTPRoute] { return api.HTTPRoutes(namespace) }, cached.HTTPRoute, fromHTTPRoute).
			with(func(ctx context.Context, namespace, name string) (route, error) {
				text, err := api.RESTClient().Get().Namespace(namespace).Resource("httproutes").Name(name).Do(ctx).Raw()
				if err != nil {
					return route{}, err
				}
				return fromHTTPRouteJSON(text)
			}),
		"GRPCRoute": kindOf(func(namespace string) typed[*gatewayv1.GRPCRoute] { return api.GRPCRoutes(namespace) }, cached.GRPCRoute, fromGRPCRoute),
		"TLSRoute":  kindOf(func(namespace string) typed[*gatewayv1.TLSRoute] { return api.TLSRoutes(namespace) }, cached.TLSRoute, fromTLSRoute),
		"TCPRoute":  kindOf(func(namespace string) typed[*gatewayv1.TCPRoute] { return api.TCPRoutes(namespace) }, cached.TCPRoute, fromTCPRoute),
	}}
}

// kind reads and writes the routes of one kind.
type kind struct {
	cached func(namespace, name string) (route, bool)
	get    func(ctx context.Context, namespace, name string) (route, error)
	patch  func(ctx context.Context, namespace, name string, patch []byte, opts metav1.PatchOptions) (route, error)
	// whole reads a route with what is newer than the Go types, to make managed rules of it; nil for kinds that can't have any.
	whole func(ctx context.Context, namespace, name string) (route, error)
}

func (k kind) with(whole func(ctx context.Context, namespace, name string) (route, error)) kind {
	k.whole = whole
	return k
}

// typed is what the generated clients of all kinds of routes have in common.
type typed[T any] interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (T, error)
	Patch(ctx context.Context, name string, pt types.PatchType, data []byte, opts metav1.PatchOptions, subresources ...string) (T, error)
}

func kindOf[T any](client func(namespace string) typed[T], cached func(namespace, name string) (T, bool), view func(T) route) kind {
	read := func(object T, err error) (route, error) {
		if err != nil {
			return route{}, err
		}
		return view(object), nil
	}
	return kind{
		cached: func(namespace, name string) (route, bool) {
			object, there := cached(namespace, name)
			if !there {
				return route{}, false
			}
			return view(object), true
		},
		get: func(ctx context.Context, namespace, name string) (route, error) {
			return read(client(namespace).Get(ctx, name, metav1.GetOptions{}))
		},
		patch: func(ctx context.Context, namespace, name string, patch []byte, opts metav1.PatchOptions) (route, error) {
			return read(client(namespace).Patch(ctx, name, types.JSONPatchType, patch, opts))
		},
	}
}

// Observe reads the split back, see traffic.Router. A route that isn't in the cache is read from the API server: it may be
// newer than the cache, and only the server can tell a route that doesn't exist from a kind that isn't installed.
func (r *Router) Observe(ctx context.Context, target traffic.Target, live bool) (traffic.Observation, error) {
	var all traffic.Observation
	for _, name := range target.Routes {
		o, err := r.observeOne(ctx, target, name, live)
		if err != nil {
			return traffic.Observation{}, fmt.Errorf("read %s in namespace %s: %w", name, target.NamespaceOf(name), err)
		}
		all.Routes = append(all.Routes, o)
	}
	return all, nil
}

func (r *Router) observeOne(ctx context.Context, target traffic.Target, name traffic.RouteName, live bool) (traffic.RouteObservation, error) {
	kind := r.kinds[name.Kind]
	namespace := target.NamespaceOf(name)
	if problem := r.unfit(target, name); problem != "" {
		return traffic.RouteObservation{RouteName: name, Problem: problem}, nil
	}
	if !live {
		if found, there := kind.cached(namespace, name.Name); there {
			return observe(name, found, target), nil
		}
	}
	found, err := kind.get(ctx, namespace, name.Name)
	switch {
	case isKindMissing(err):
		return traffic.RouteObservation{RouteName: name, Problem: fmt.Sprintf(
			"the cluster has no %s kind; install the Gateway API CRDs of version v1 (https://gateway-api.sigs.k8s.io)", name.Kind)}, nil
	case apierrors.IsNotFound(err):
		return traffic.RouteObservation{RouteName: name, Missing: true}, nil
	case err != nil:
		return traffic.RouteObservation{}, err
	}
	return observe(name, found, target), nil
}

// unfit says why the router can't do at all what the target asks of a route.
func (r *Router) unfit(target traffic.Target, name traffic.RouteName) string {
	_, known := r.kinds[name.Kind]
	_, restricted := target.Only[name]
	switch {
	case !known:
		return fmt.Sprintf("kind %q can't carry a split; use one of %s", name.Kind, strings.Join(slices.Sorted(maps.Keys(r.kinds)), ", "))
	case target.Pair.SubsetsOf != "":
		return "the Gateway API knows no subsets of a Service; give stable and canary a Service each"
	case restricted:
		return "the split can't be restricted to some rules of a route; leave the restriction out"
	}
	return ""
}

// isKindMissing tells that a path doesn't exist, which the API server says with a plain page, from that an object doesn't exist,
// which it says with a Status.
func isKindMissing(err error) bool {
	return apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// step is one write to be done.
type step struct {
	kind      kind
	namespace string
	patch     []byte
	opts      metav1.PatchOptions
	from      traffic.RouteObservation
}

// Apply gives the canary backend its share, see traffic.Router. All routes are checked before the first is written, because
// routes that disagree are worse than ones that are all behind.
func (r *Router) Apply(ctx context.Context, target traffic.Target, observed traffic.Observation, percent int) ([]traffic.Write, error) {
	if percent < 0 || percent > 100 {
		return nil, fmt.Errorf("give Service %s %d%% of the traffic: a share is between 0 and 100", target.Pair.Canary, percent)
	}
	var steps []step
	for _, from := range observed.Routes {
		s, err := r.prepare(ctx, target, from, percent)
		if err != nil {
			return nil, fmt.Errorf("give Service %s %d%% of the traffic in %s: %w", target.Pair.Canary, percent, from.RouteName, err)
		}
		if s.patch != nil {
			steps = append(steps, s)
		}
	}
	var writes []traffic.Write
	for _, s := range steps {
		version, err := s.write(ctx)
		if err != nil {
			return writes, fmt.Errorf("give Service %s %d%% of the traffic in %s: %w", target.Pair.Canary, percent, s.from.RouteName, err)
		}
		writes = append(writes, traffic.Write{RouteName: s.from.RouteName, ResourceVersion: version})
	}
	return writes, nil
}

// prepare renders the patch of one route; there is none for a route that can't be written or needn't be.
func (r *Router) prepare(ctx context.Context, target traffic.Target, from traffic.RouteObservation, percent int) (step, error) {
	if r.unfit(target, from.RouteName) != "" || from.ResourceVersion == "" {
		return step{}, nil
	}
	s := step{kind: r.kinds[from.Kind], namespace: target.NamespaceOf(from.RouteName), from: from, opts: metav1.PatchOptions{FieldManager: fieldManager}}
	managing := len(target.Managed.Rules) > 0
	if managing && s.kind.whole != nil {
		// A server that doesn't know all fields of a managed rule must not drop some of them.
		s.opts.FieldValidation = metav1.FieldValidationStrict
	}
	current, err := s.current(ctx, managing)
	if err != nil {
		return step{}, err
	}
	if s.patch, err = render(lay(current, target), target.Managed, percent); err != nil || s.patch == nil {
		return s, err
	}
	return s, r.canMirror(ctx, current, target.Managed)
}

// current is the route as it was observed. whole asks for what is newer than the Go types, too.
func (s step) current(ctx context.Context, whole bool) (route, error) {
	if found, there := s.kind.cached(s.namespace, s.from.Name); there && !whole && isVersion(found, s.from) {
		return found, nil
	}
	read := s.kind.get
	if whole && s.kind.whole != nil {
		read = s.kind.whole
	}
	found, err := read(ctx, s.namespace, s.from.Name)
	if apierrors.IsNotFound(err) || err == nil && !isVersion(found, s.from) {
		return route{}, traffic.ErrChanged
	}
	return found, err
}

func (s step) write(ctx context.Context) (resourceVersion string, err error) {
	written, err := s.kind.patch(ctx, s.namespace, s.from.Name, s.patch, s.opts)
	switch {
	case err == nil:
		return written.resourceVersion, nil
	case apierrors.IsNotFound(err):
		return "", traffic.ErrChanged
	case apierrors.IsInvalid(err) || apierrors.IsConflict(err):
		// The API server answers a failed test like an object that violates its schema. Only a look can tell.
		current, again := s.kind.get(ctx, s.namespace, s.from.Name)
		if apierrors.IsNotFound(again) || again == nil && !isVersion(current, s.from) {
			return "", traffic.ErrChanged
		}
	}
	return "", err
}

func isVersion(r route, o traffic.RouteObservation) bool {
	return r.uid == o.UID && r.resourceVersion == o.ResourceVersion
}
