// Package gatewayapi carries splits in the weights of HTTPRoutes, GRPCRoutes, TLSRoutes and TCPRoutes of the Kubernetes Gateway API.
//
// It writes the weights of two backendRefs, rules with names that were set aside for it, and nothing else: routes belong to users,
// who may have fields in them that this program has never heard of.
package gatewayapi

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/rollout-dev/rollout/traffic/patch"
)

// route is what a split needs of a route, whatever its kind.
type route struct {
	namespace       string
	uid             string
	resourceVersion string
	generation      int64
	rules           []rule
	parents         []gatewayv1.ParentReference
	statuses        []gatewayv1.RouteParentStatus
}

// rule is one of a route, at the index that it has in the object.
type rule struct {
	name     string
	backends []gatewayv1.BackendRef
	// whole makes the JSON of the rule; nil for a kind of routes that can't have managed rules.
	whole func() json.RawMessage
}

func newRoute(m metav1.ObjectMeta, spec gatewayv1.CommonRouteSpec, status gatewayv1.RouteStatus) route {
	return route{
		namespace:       m.Namespace,
		uid:             string(m.UID),
		resourceVersion: m.ResourceVersion,
		generation:      m.Generation,
		parents:         spec.ParentRefs,
		statuses:        status.Parents,
	}
}

func fromHTTPRoute(r *gatewayv1.HTTPRoute) route {
	out := newRoute(r.ObjectMeta, r.Spec.CommonRouteSpec, r.Status.RouteStatus)
	for _, of := range r.Spec.Rules {
		out.rules = append(out.rules, rule{
			name:     string(ptr.Deref(of.Name, "")),
			backends: backendRefs(of.BackendRefs, func(b gatewayv1.HTTPBackendRef) gatewayv1.BackendRef { return b.BackendRef }),
			whole:    func() json.RawMessage { return patch.JSON(of) },
		})
	}
	return out
}

// fromHTTPRouteJSON keeps what is newer than the Go types in the JSON of the rules.
func fromHTTPRouteJSON(text []byte) (route, error) {
	var typed gatewayv1.HTTPRoute
	if err := json.Unmarshal(text, &typed); err != nil {
		return route{}, err
	}
	var raw struct {
		Spec struct {
			Rules []json.RawMessage `json:"rules"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return route{}, err
	}
	out := fromHTTPRoute(&typed)
	for i := range out.rules {
		out.rules[i].whole = func() json.RawMessage { return raw.Spec.Rules[i] }
	}
	return out, nil
}

func fromGRPCRoute(r *gatewayv1.GRPCRoute) route {
	out := newRoute(r.ObjectMeta, r.Spec.CommonRouteSpec, r.Status.RouteStatus)
	for _, of := range r.Spec.Rules {
		out.rules = append(out.rules, rule{
			name:     string(ptr.Deref(of.Name, "")),
			backends: backendRefs(of.BackendRefs, func(b gatewayv1.GRPCBackendRef) gatewayv1.BackendRef { return b.BackendRef }),
		})
	}
	return out
}

func fromTLSRoute(r *gatewayv1.TLSRoute) route {
	out := newRoute(r.ObjectMeta, r.Spec.CommonRouteSpec, r.Status.RouteStatus)
	for _, of := range r.Spec.Rules {
		out.rules = append(out.rules, rule{name: string(ptr.Deref(of.Name, "")), backends: of.BackendRefs})
	}
	return out
}

func fromTCPRoute(r *gatewayv1.TCPRoute) route {
	out := newRoute(r.ObjectMeta, r.Spec.CommonRouteSpec, r.Status.RouteStatus)
	for _, of := range r.Spec.Rules {
		out.rules = append(out.rules, rule{name: string(ptr.Deref(of.Name, "")), backends: of.BackendRefs})
	}
	return out
}

func backendRefs[T any](refs []T, plain func(T) gatewayv1.BackendRef) []gatewayv1.BackendRef {
	out := make([]gatewayv1.BackendRef, 0, len(refs))
	for _, ref := range refs {
		out = append(out, plain(ref))
	}
	return out
}

// StripHTTPRoute drops what a Router doesn't read, for a cache; it changes its argument. The rules stay as they are: a write addresses
// them by their index, and a managed rule is a copy of one.
func StripHTTPRoute(r *gatewayv1.HTTPRoute) *gatewayv1.HTTPRoute {
	r.ObjectMeta = bareMeta(r.ObjectMeta)
	r.Spec.Hostnames = nil
	return r
}

// StripGRPCRoute drops what a Router doesn't read, for a cache; it changes its argument. Rules and backendRefs stay where they are, all
// of them, because a write addresses them by their index.
func StripGRPCRoute(r *gatewayv1.GRPCRoute) *gatewayv1.GRPCRoute {
	r.ObjectMeta = bareMeta(r.ObjectMeta)
	r.Spec.Hostnames = nil
	for i := range r.Spec.Rules {
		r.Spec.Rules[i] = gatewayv1.GRPCRouteRule{Name: r.Spec.Rules[i].Name, BackendRefs: r.Spec.Rules[i].BackendRefs}
		for j := range r.Spec.Rules[i].BackendRefs {
			r.Spec.Rules[i].BackendRefs[j].Filters = nil
		}
	}
	return r
}

// StripTLSRoute drops what a Router doesn't read, for a cache; it changes its argument.
func StripTLSRoute(r *gatewayv1.TLSRoute) *gatewayv1.TLSRoute {
	r.ObjectMeta = bareMeta(r.ObjectMeta)
	r.Spec.Hostnames = nil
	return r
}

// StripTCPRoute drops what a Router doesn't read, for a cache; it changes its argument.
func StripTCPRoute(r *gatewayv1.TCPRoute) *gatewayv1.TCPRoute {
	r.ObjectMeta = bareMeta(r.ObjectMeta)
	return r
}

func bareMeta(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion, Generation: m.Generation}
}
