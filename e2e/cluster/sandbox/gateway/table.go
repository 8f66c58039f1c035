package gateway

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// The kinds of routes.
const (
	kindHTTPRoute = "HTTPRoute"
	kindGRPCRoute = "GRPCRoute"
)

// routeKey names a route.
type routeKey struct{ Kind, Namespace, Name string }

// table is what requests follow: every route that is attached to one of our gateways.
type table []route

type route struct {
	key   routeKey
	rules []rule
}

type rule struct{ backends []backend }

// backend is one backendRef of a rule.
type backend struct {
	// label is the name that Traefik's metrics have for it.
	label  string
	weight int
	// broken means that it can't be resolved; its share of the requests fails.
	broken bool
	pods   []*pod
}

func (r rule) weights() []int {
	weights := make([]int, len(r.backends))
	for i, b := range r.backends {
		weights[i] = b.weight
	}
	return weights
}

// world is what the gateway knows of the cluster.
type world struct {
	classes  []*gatewayv1.GatewayClass
	gateways []*gatewayv1.Gateway
	routes   []routeObject
	services map[types.NamespacedName]*corev1.Service
	slices   map[types.NamespacedName][]*discoveryv1.EndpointSlice
	pods     *population
}

// routeObject is what an HTTPRoute and a GRPCRoute have in common.
type routeObject struct {
	key        routeKey
	generation int64
	parents    []gatewayv1.ParentReference
	status     gatewayv1.RouteStatus
	rules      [][]gatewayv1.BackendRef
}

func fromHTTPRoute(r *gatewayv1.HTTPRoute) routeObject {
	o := routeObject{
		key: routeKey{kindHTTPRoute, r.Namespace, r.Name}, generation: r.Generation,
		parents: r.Spec.ParentRefs, status: r.Status.RouteStatus,
	}
	for _, rule := range r.Spec.Rules {
		var refs []gatewayv1.BackendRef
		for _, ref := range rule.BackendRefs {
			refs = append(refs, ref.BackendRef)
		}
		o.rules = append(o.rules, refs)
	}
	return o
}

func fromGRPCRoute(r *gatewayv1.GRPCRoute) routeObject {
	o := routeObject{
		key: routeKey{kindGRPCRoute, r.Namespace, r.Name}, generation: r.Generation,
		parents: r.Spec.ParentRefs, status: r.Status.RouteStatus,
	}
	for _, rule := range r.Spec.Rules {
		var refs []gatewayv1.BackendRef
		for _, ref := range rule.BackendRefs {
			refs = append(refs, ref.BackendRef)
		}
		o.rules = append(o.rules, refs)
	}
	return o
}

// resolve finds the pods behind a route. problem is the first backendRef that can't be resolved, nil when all can.
func (w *world) resolve(object routeObject) (resolved route, problem *refProblem) {
	resolved.key = object.key
	for _, refs := range object.rules {
		var r rule
		for _, ref := range refs {
			b := backend{label: label(object.key, ref), weight: 1}
			if ref.Weight != nil {
				b.weight = int(*ref.Weight)
			}
			pods, p := w.endpoints(object.key, ref)
			if b.pods = pods; p != nil {
				b.broken = true
				if problem == nil {
					problem = p
				}
			}
			r.backends = append(r.backends, b)
		}
		resolved.rules = append(resolved.rules, r)
	}
	return resolved, problem
}

// refProblem says why a backendRef can't be resolved, in the terms of a route's ResolvedRefs condition.
type refProblem struct {
	reason  gatewayv1.RouteConditionReason
	message string
}

// endpoints returns the pods that are ready behind a backendRef, each once.
func (w *world) endpoints(owner routeKey, ref gatewayv1.BackendRef) ([]*pod, *refProblem) {
	name := backendName(owner, ref)
	if (ref.Group != nil && *ref.Group != "") || (ref.Kind != nil && *ref.Kind != "Service") {
		return nil, &refProblem{gatewayv1.RouteReasonInvalidKind, fmt.Sprintf("backend %s: only Services are supported", name)}
	}
	if name.Namespace != owner.Namespace {
		return nil, &refProblem{gatewayv1.RouteReasonRefNotPermitted,
			fmt.Sprintf("backend %s: the simulated gateway sends no requests across namespaces", name)}
	}
	service, found := w.services[name]
	if !found {
		return nil, &refProblem{gatewayv1.RouteReasonBackendNotFound, fmt.Sprintf("backend %s: there is no such Service", name)}
	}
	portName, found := servicePort(service, ref.Port)
	if !found {
		return nil, &refProblem{gatewayv1.RouteReasonBackendNotFound, fmt.Sprintf("backend %s: the Service has no such port", name)}
	}
	return w.readyPods(name, portName), nil
}

func (w *world) readyPods(service types.NamespacedName, port string) []*pod {
	var pods []*pod
	seen := map[types.UID]bool{}
	for _, slice := range w.slices[service] {
		if !hasPort(slice, port) {
			continue
		}
		for _, endpoint := range slice.Endpoints {
			ready := endpoint.Conditions.Ready != nil && *endpoint.Conditions.Ready
			if !ready || endpoint.TargetRef == nil || seen[endpoint.TargetRef.UID] {
				continue
			}
			seen[endpoint.TargetRef.UID] = true
			// The slice may be seen before its newest pod is; that pod gets requests as soon as it is known.
			if p, known := w.pods.find(endpoint.TargetRef.UID); known {
				pods = append(pods, p)
			}
		}
	}
	return pods
}

func backendName(owner routeKey, ref gatewayv1.BackendRef) types.NamespacedName {
	name := types.NamespacedName{Namespace: owner.Namespace, Name: string(ref.Name)}
	if ref.Namespace != nil && *ref.Namespace != "" {
		name.Namespace = string(*ref.Namespace)
	}
	return name
}

func servicePort(service *corev1.Service, number *gatewayv1.PortNumber) (name string, found bool) {
	if number == nil {
		return "", false
	}
	for _, port := range service.Spec.Ports {
		if port.Port == *number {
			return port.Name, true
		}
	}
	return "", false
}

func hasPort(slice *discoveryv1.EndpointSlice, name string) bool {
	for _, port := range slice.Ports {
		if port.Name != nil && *port.Name == name {
			return true
		}
	}
	return false
}

// named returns the UIDs of all pods that any endpoint names.
func (w *world) named() map[types.UID]bool {
	uids := map[types.UID]bool{}
	for _, slices := range w.slices {
		for _, slice := range slices {
			for _, endpoint := range slice.Endpoints {
				if endpoint.TargetRef != nil {
					uids[endpoint.TargetRef.UID] = true
				}
			}
		}
	}
	return uids
}

// label is the name under which Traefik v3.6 counts the requests to a backend of a route: NAMESPACE-SERVICE-http-PORT
// for an HTTPRoute and NAMESPACE-SERVICE-PORT-grpc for a GRPCRoute, then the provider's name.
func label(owner routeKey, ref gatewayv1.BackendRef) string {
	name := backendName(owner, ref)
	var port string
	if ref.Port != nil {
		port = strconv.Itoa(int(*ref.Port))
	}
	parts := []string{name.Namespace, name.Name, "http", port}
	if owner.Kind == kindGRPCRoute {
		parts = []string{name.Namespace, name.Name, port, "grpc"}
	}
	return normalize(strings.Join(parts, "-")) + "@kubernetesgateway"
}

// normalize leaves letters and digits, and one dash for whatever is between them.
func normalize(name string) string {
	return strings.Join(strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }), "-")
}
