package istio_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"istio.io/client-go/pkg/clientset/versioned"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/rollout-dev/rollout/providers/istio"
	"github.com/rollout-dev/rollout/traffic"
	"github.com/rollout-dev/rollout/traffic/routertest"
	"github.com/rollout-dev/rollout/traffic/routertest/apiserver"
)

type object = apiserver.Object

const kind = "VirtualService"

var (
	pair     = traffic.Pair{Stable: "checkout-stable", Canary: "checkout-canary"}
	checkout = traffic.RouteName{Kind: kind, Name: "checkout"}
	shop     = traffic.Target{Namespace: routertest.Namespace, Pair: pair, Routes: []traffic.RouteName{checkout}}
)

// server is an API server with the kinds of Istio's that matter, and a cache of it that is never behind.
type server struct {
	*apiserver.Server
	t *testing.T
}

func newServer(t *testing.T) server {
	return server{apiserver.New(t, schema.GroupVersion{Group: "networking.istio.io", Version: "v1"},
		map[string]string{kind: "virtualservices", "DestinationRule": "destinationrules"}), t}
}

func (s server) client() versioned.Interface { return clientOf(s.t, s.URL) }

func clientOf(t *testing.T, url string) versioned.Interface {
	client, err := versioned.NewForConfig(&rest.Config{Host: url, QPS: -1})
	require.NoError(t, err)
	return client
}

func (s server) router() *istio.Router { return istio.NewRouter(s.client(), s) }

// VirtualService and DestinationRule answer as a stripped cache that is never behind.
func (s server) VirtualService(namespace, name string) (*istio.Object, bool) {
	return s.cached(kind, namespace, name)
}

func (s server) DestinationRule(namespace, name string) (*istio.Object, bool) {
	return s.cached("DestinationRule", namespace, name)
}

func (s server) cached(kind, namespace, name string) (*istio.Object, bool) {
	stored, there := s.Object(kind, namespace, name)
	if !there {
		return nil, false
	}
	return istio.Strip(apiserver.As[istio.Object](s.t, stored)), true
}

// spec replaces the spec of a VirtualService in the shop.
func (s server) spec(text string) {
	s.Change(kind, routertest.Namespace, checkout.Name, func(o object) { o["spec"] = apiserver.Parse([]byte(text)) })
}

func (s server) destinationRule(text string) {
	s.Change("DestinationRule", routertest.Namespace, "checkout", func(o object) { o["spec"] = apiserver.Parse([]byte(text)) })
}

func (s server) observe(target traffic.Target) traffic.RouteObservation {
	s.t.Helper()
	live, err := s.router().Observe(s.t.Context(), target, true)
	require.NoError(s.t, err)
	cached, err := s.router().Observe(s.t.Context(), target, false)
	require.NoError(s.t, err)
	require.Equal(s.t, live, cached)
	return live.Routes[0]
}

// apply observes and applies.
func (s server) apply(target traffic.Target, percent int) {
	s.t.Helper()
	observed, err := s.router().Observe(s.t.Context(), target, true)
	require.NoError(s.t, err)
	_, err = s.router().Apply(s.t.Context(), target, observed, percent)
	require.NoError(s.t, err)
}

// at follows fields and indexes into the spec of the VirtualService in the shop.
func (s server) at(path ...any) any {
	s.t.Helper()
	o, there := s.Object(kind, routertest.Namespace, checkout.Name)
	require.True(s.t, there)
	value := o["spec"]
	for _, step := range path {
		switch step := step.(type) {
		case string:
			value = value.(object)[step]
		case int:
			value = value.([]any)[step]
		}
	}
	return value
}

// owner is the API server as the contract's tests use it. The rules are in one of the lists of a VirtualService.
type owner struct {
	server
	list string
	// subsets: the contract's backends are subsets of one Service.
	subsets bool
}

func (o owner) change(route traffic.RouteName, edit func(object)) {
	o.Change(route.Kind, routertest.Namespace, route.Name, edit)
}

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
			"hosts": []any{"shop.example.com"}, "gateways": []any{"infra/public", "mesh"},
			"fromTomorrow": object{"weight": json.Number("9007199254740993")}, // not a number that a float64 can hold
			o.list:         list,
		}
	})
}

func (o owner) rule(at routertest.RuleAt) object {
	rule := object{"route": o.destinations(at.Rule), "fromTomorrow": []any{nil, 1.5e-7, json.Number("9007199254740993")}}
	switch o.list {
	case "http":
		rule["timeout"], rule["retries"] = "5s", object{"attempts": 2, "retryOn": "5xx,<gateway-error>"}
		rule["headers"] = object{"request": object{"set": object{"x-weight": "3"}}}
		match := object{"gateways": []any{"mesh"}, "fromTomorrow": 1}
		if at.Path != "" && at.Path != "/" {
			match["uri"] = object{"prefix": at.Path}
		}
		if at.Method != "" {
			match["method"] = object{"exact": at.Method}
		}
		if at.Header.Name != "" {
			match["headers"] = object{at.Header.Name: object{"exact": at.Header.Value}}
		}
		if len(match) > 2 {
			rule["match"] = []any{match}
		}
	case "tls":
		rule["match"] = []any{object{"port": 443, "sniHosts": []any{"shop.example.com"}}}
	default:
		rule["match"] = []any{object{"port": 5432}}
	}
	return rule
}

func (o owner) destinations(rule routertest.Rule) []any {
	routes := []any{}
	for i, b := range rule {
		destination := object{"host": b.Service, "fromTomorrow": true, "port": object{"number": 80}}
		if i%2 == 1 {
			destination["host"] = b.Service + "." + routertest.Namespace + ".svc.cluster.local"
		}
		if o.subsets && (b.Service == pair.Stable || b.Service == pair.Canary) {
			destination["host"], destination["subset"] = "checkout", b.Service
		}
		route := object{"destination": destination, "fromTomorrow": nil}
		if b.Weight != routertest.Unset {
			route["weight"] = b.Weight
		}
		routes = append(routes, route)
	}
	return routes
}

func (o owner) Touch(route traffic.RouteName) {
	o.change(route, func(r object) {
		r["metadata"].(object)["annotations"] = object{"example.com/touched": r["metadata"].(object)["resourceVersion"]}
	})
}

func (o owner) Delete(route traffic.RouteName) {
	o.Server.Remove(route.Kind, routertest.Namespace, route.Name)
}

func (o owner) Answer(traffic.RouteName, ...routertest.Answer) {}

func (o owner) stored(route traffic.RouteName) object {
	stored, _ := o.Object(route.Kind, routertest.Namespace, route.Name)
	return stored
}

// rules are the rules of one list.
func (o owner) rules(r object) []object {
	var rules []object
	spec, _ := r["spec"].(object)
	list, _ := spec[o.list].([]any)
	for _, rule := range list {
		rules = append(rules, rule.(object))
	}
	return rules
}

// backendOf is what the contract calls the backend of a destination.
func backendOf(destination object) string {
	if subset, of := destination["subset"].(string); of {
		return subset
	}
	host := destination["host"].(string)
	for i, c := range host {
		if c == '.' {
			return host[:i]
		}
	}
	return host
}

func (o owner) Rules(route traffic.RouteName) []routertest.Rule {
	var rules []routertest.Rule
	for _, rule := range o.rules(o.stored(route)) {
		read := routertest.Rule{}
		for _, d := range rule["route"].([]any) {
			b := routertest.Backend{Service: backendOf(d.(object)["destination"].(object)), Weight: routertest.Unset}
			if weight, set := d.(object)["weight"].(json.Number); set {
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

func (o owner) Rest(route traffic.RouteName, pair traffic.Pair) string { return o.RestBut(route, pair) }

func (o owner) RestBut(route traffic.RouteName, pair traffic.Pair, names ...string) string {
	r := o.stored(route)
	delete(r["metadata"].(object), "resourceVersion")
	delete(r["metadata"].(object), "generation")
	kept := []any{}
	for _, rule := range o.rules(r) {
		if name, named := rule["name"].(string); named && slices.Contains(names, name) {
			continue
		}
		kept = append(kept, rule)
		routes, _ := rule["route"].([]any)
		for _, d := range routes {
			if backend := backendOf(d.(object)["destination"].(object)); backend == pair.Stable || backend == pair.Canary {
				delete(d.(object), "weight")
			}
		}
	}
	r["spec"].(object)[o.list] = kept
	return string(apiserver.Canonical(r))
}

func (o owner) Rename(route traffic.RouteName, index int, name string) {
	o.change(route, func(r object) { o.rules(r)[index]["name"] = name })
}

func (o owner) Spoil(route traffic.RouteName, name string) {
	o.change(route, func(r object) {
		for _, rule := range o.rules(r) {
			if rule["name"] == name {
				rule["match"] = []any{object{"uri": object{"exact": "/spoiled"}}}
			}
		}
	})
}

func (o owner) Remove(route traffic.RouteName, name string) {
	o.change(route, func(r object) {
		spec := r["spec"].(object)
		spec[o.list] = slices.DeleteFunc(spec[o.list].([]any), func(rule any) bool { return rule.(object)["name"] == name })
	})
}
