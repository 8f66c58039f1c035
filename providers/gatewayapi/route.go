// Package gatewayapi carries splits in the weights of HTTPRoutes and GRPCRoutes of the Kubernetes Gateway API.
//
// It writes the weights of two backendRefs and nothing else: routes belong to users, who may have fields in them that this
// program has never heard of.
package gatewayapi

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// route is what a split needs of a route, whatever its kind.
type route struct {
	namespace       string
	uid             string
	resourceVersion string
	generation      int64
	// rules holds the backendRefs of each rule, at the indexes that they have in the object.
	rules    [][]gatewayv1.BackendRef
	parents  []gatewayv1.ParentReference
	statuses []gatewayv1.RouteParentStatus
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
	for _, rule := range r.Spec.Rules {
		out.rules = append(out.rules, backendRefs(rule.BackendRefs, func(b gatewayv1.HTTPBackendRef) gatewayv1.BackendRef { return b.BackendRef }))
	}
	return out
}

func fromGRPCRoute(r *gatewayv1.GRPCRoute) route {
	out := newRoute(r.ObjectMeta, r.Spec.CommonRouteSpec, r.Status.RouteStatus)
	for _, rule := range r.Spec.Rules {
		out.rules = append(out.rules, backendRefs(rule.BackendRefs, func(b gatewayv1.GRPCBackendRef) gatewayv1.BackendRef { return b.BackendRef }))
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

// StripHTTPRoute drops what a Router doesn't read, for a cache; it changes its argument. Rules and backendRefs stay where they
// are, all of them, because a write addresses them by their index.
func StripHTTPRoute(r *gatewayv1.HTTPRoute) *gatewayv1.HTTPRoute {
	r.ObjectMeta = bareMeta(r.ObjectMeta)
	r.Spec.Hostnames = nil
	for i := range r.Spec.Rules {
		r.Spec.Rules[i] = gatewayv1.HTTPRouteRule{BackendRefs: r.Spec.Rules[i].BackendRefs}
		for j := range r.Spec.Rules[i].BackendRefs {
			r.Spec.Rules[i].BackendRefs[j].Filters = nil
		}
	}
	return r
}

// StripGRPCRoute is StripHTTPRoute for a GRPCRoute.
func StripGRPCRoute(r *gatewayv1.GRPCRoute) *gatewayv1.GRPCRoute {
	r.ObjectMeta = bareMeta(r.ObjectMeta)
	r.Spec.Hostnames = nil
	for i := range r.Spec.Rules {
		r.Spec.Rules[i] = gatewayv1.GRPCRouteRule{BackendRefs: r.Spec.Rules[i].BackendRefs}
		for j := range r.Spec.Rules[i].BackendRefs {
			r.Spec.Rules[i].BackendRefs[j].Filters = nil
		}
	}
	return r
}

func bareMeta(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion, Generation: m.Generation}
}
