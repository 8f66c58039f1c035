package gatewayapi_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gateway "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"

	"github.com/rollout-dev/rollout/providers/gatewayapi"
	"github.com/rollout-dev/rollout/traffic"
	"github.com/rollout-dev/rollout/traffic/routertest"
	"github.com/rollout-dev/rollout/traffic/routertest/apiserver"
)

type object = apiserver.Object

// server is an API server with routes, and a cache of it that is never behind.
type server struct {
	*apiserver.Server
	t *testing.T
}

func newServer(t *testing.T) server {
	return server{apiserver.New(t, schema.GroupVersion{Group: gatewayv1.GroupName, Version: "v1"},
		map[string]string{"HTTPRoute": "httproutes", "GRPCRoute": "grpcroutes", "TLSRoute": "tlsroutes", "TCPRoute": "tcproutes", "Gateway": "gateways", "GatewayClass": "gatewayclasses"}), t}
}

// router reads from a cache that is never behind.
func (s server) router() *gatewayapi.Router { return s.routerWith(s) }

func (s server) routerWith(cached gatewayapi.Cache) *gatewayapi.Router {
	client, err := gateway.NewForConfig(&rest.Config{Host: s.URL, QPS: -1})
	require.NoError(s.t, err)
	return gatewayapi.New(client, cached)
}

// HTTPRoute and its like answer as a stripped cache that is never behind.
func (s server) HTTPRoute(namespace, name string) (*gatewayv1.HTTPRoute, bool) {
	return cached(s, "HTTPRoute", namespace, name, gatewayapi.StripHTTPRoute)
}

func (s server) GRPCRoute(namespace, name string) (*gatewayv1.GRPCRoute, bool) {
	return cached(s, "GRPCRoute", namespace, name, gatewayapi.StripGRPCRoute)
}

func (s server) TLSRoute(namespace, name string) (*gatewayv1.TLSRoute, bool) {
	return cached(s, "TLSRoute", namespace, name, gatewayapi.StripTLSRoute)
}

func (s server) TCPRoute(namespace, name string) (*gatewayv1.TCPRoute, bool) {
	return cached(s, "TCPRoute", namespace, name, gatewayapi.StripTCPRoute)
}

func cached[T any](s server, kind, namespace, name string, strip func(*T) *T) (*T, bool) {
	stored, there := s.Object(kind, namespace, name)
	if !there {
		return nil, false
	}
	return strip(apiserver.As[T](s.t, stored)), true
}

// change edits a route of the shop.
func (s server) change(route traffic.RouteName, edit func(object)) {
	s.Change(route.Kind, routertest.Namespace, route.Name, edit)
}

func (s server) stored(route traffic.RouteName) object {
	stored, _ := s.Object(route.Kind, routertest.Namespace, route.Name)
	return stored
}

// owner is the API server as the contract's tests use it.
type owner struct{ server }

func (o owner) Put(route traffic.RouteName, rules ...routertest.Rule) {
	var at []routertest.RuleAt
	for _, rule := range rules {
		at = append(at, routertest.RuleAt{Rule: rule})
	}
	o.PutAt(route, at...)
}

func (o owner) PutAt(route traffic.RouteName, rules ...routertest.RuleAt) {
	o.change(route, func(r object) {
		meta, _ := r["metadata"].(object)
		if meta == nil {
			meta = object{}
			r["metadata"] = meta
		}
		meta["annotations"] = object{"example.com/note": "<keep> & \"me\"", "example.com/weight": "12"}
		meta["managedFields"] = []any{object{"manager": "kubectl", "fieldsV1": object{"f:spec": object{}}}}
		list := []any{}
		for _, rule := range rules {
			list = append(list, o.rule(rule))
		}
		r["spec"] = object{
			"parentRefs": []any{object{"name": "public", "namespace": "infra", "sectionName": "web"}, object{"name": "internal"}},
			"hostnames":  []any{"shop.example.com"},
			"fromTomorrow": object{
				"weight": json.Number("9007199254740993"), // not a number that a float64 can hold
			},
			"rules": list,
		}
	})
}

func (o owner) rule(at routertest.RuleAt) object {
	rule := object{
		"backendRefs": backendRefs(at.Rule), "fromTomorrow": []any{nil, 1.5e-7, json.Number("9007199254740993")},
		"filters": []any{object{"type": "RequestHeaderModifier", "requestHeaderModifier": object{"set": []any{}}}},
	}
	if at.Path != "" {
		match := object{"path": object{"type": "PathPrefix", "value": at.Path}, "fromTomorrow": 1}
		if at.Method != "" {
			match["method"] = at.Method
		}
		if at.Header.Name != "" {
			match["headers"] = []any{object{"name": at.Header.Name, "value": at.Header.Value}}
		}
		rule["matches"] = []any{match}
	}
	return rule
}

func backendRefs(rule routertest.Rule) []any {
	refs := []any{}
	for i, b := range rule {
		ref := object{"name": b.Service, "port": json.Number("80"), "fromTomorrow": true, "filters": []any{object{"type": "FromTomorrow"}}}
		if i%2 == 0 {
			ref["kind"], ref["group"], ref["namespace"] = "Service", "", routertest.Namespace
		}
		if b.Weight != routertest.Unset {
			ref["weight"] = b.Weight
		}
		refs = append(refs, ref)
	}
	return refs
}

func (o owner) Touch(route traffic.RouteName) {
	o.change(route, func(r object) {
		r["metadata"].(object)["annotations"] = object{"example.com/touched": r["metadata"].(object)["resourceVersion"]}
	})
}

func (o owner) Delete(route traffic.RouteName) {
	o.Server.Remove(route.Kind, routertest.Namespace, route.Name)
}

func (o owner) Rules(route traffic.RouteName) []routertest.Rule {
	var rules []routertest.Rule
	for _, rule := range rulesOf(o.stored(route)) {
		read := routertest.Rule{}
		for _, ref := range rule["backendRefs"].([]any) {
			b := routertest.Backend{Service: ref.(object)["name"].(string), Weight: routertest.Unset}
			if weight, set := ref.(object)["weight"].(json.Number); set {
				n, err := weight.Int64()
				require.NoError(o.t, err)
				b.Weight = int(n)
			}
			read = append(read, b)
		}
		rules = append(rules, read)
	}
	return rules
}

func rulesOf(r object) []object {
	var rules []object
	spec, _ := r["spec"].(object)
	list, _ := spec["rules"].([]any)
	for _, rule := range list {
		rules = append(rules, rule.(object))
	}
	return rules
}

func (o owner) Rest(route traffic.RouteName, pair traffic.Pair) string {
	return restOf(o.stored(route), pair)
}

func (o owner) RestBut(route traffic.RouteName, pair traffic.Pair, names ...string) string {
	return restOf(o.stored(route), pair, names...)
}

// restOf is a route without the weights of the pair, the rules of some names and what counts changes.
func restOf(r object, pair traffic.Pair, names ...string) string {
	delete(r["metadata"].(object), "resourceVersion")
	delete(r["metadata"].(object), "generation")
	kept := []any{}
	for _, rule := range rulesOf(r) {
		if isCopy(rule, names...) {
			continue
		}
		kept = append(kept, rule)
		refs, _ := rule["backendRefs"].([]any)
		for _, ref := range refs {
			if name := ref.(object)["name"]; name == pair.Stable || name == pair.Canary {
				delete(ref.(object), "weight")
			}
		}
	}
	r["spec"].(object)["rules"] = kept
	return string(apiserver.Canonical(r))
}

// isCopy says whether a rule is a copy of a managed rule of one of the names. All but the first have a number behind the name.
func isCopy(rule object, names ...string) bool {
	name, _ := rule["name"].(string)
	return slices.ContainsFunc(names, func(declared string) bool {
		return regexp.MustCompile("^" + declared + "(-[0-9]+)?$").MatchString(name)
	})
}

func (o owner) Rename(route traffic.RouteName, index int, name string) {
	o.change(route, func(r object) { rulesOf(r)[index]["name"] = name })
}

func (o owner) Spoil(route traffic.RouteName, name string) {
	o.change(route, func(r object) {
		for _, rule := range rulesOf(r) {
			if isCopy(rule, name) {
				rule["matches"] = []any{object{"path": object{"type": "Exact", "value": "/spoiled"}}}
			}
		}
	})
}

func (o owner) Remove(route traffic.RouteName, name string) {
	o.change(route, func(r object) {
		spec := r["spec"].(object)
		spec["rules"] = slices.DeleteFunc(spec["rules"].([]any), func(rule any) bool { return isCopy(rule.(object), name) })
	})
}

func (o owner) Answer(route traffic.RouteName, answers ...routertest.Answer) {
	o.change(route, func(r object) {
		generation := apiserver.Generation(r)
		parents := []any{}
		for i, a := range answers {
			observed := generation
			if a.Stale {
				observed--
			}
			condition := func(kind string, holds bool) object {
				c := object{"type": kind, "status": "True", "reason": kind, "message": "", "observedGeneration": observed, "lastTransitionTime": nil}
				if !holds {
					c["status"], c["reason"], c["message"] = "False", a.Reason, a.Message
				}
				return c
			}
			parents = append(parents, object{
				"parentRef":      r["spec"].(object)["parentRefs"].([]any)[i],
				"controllerName": "example.com/gateway",
				"conditions":     []any{condition("ResolvedRefs", a.Resolved), condition("Accepted", a.Accepted)},
			})
		}
		r["status"] = object{"parents": parents}
	})
}
