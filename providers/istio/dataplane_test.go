package istio_test

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic"
	"github.com/rollout-dev/rollout/traffic/routertest"
)

// Serve does with a request what Istio defines: the first rule with a match that describes it takes it, and its destinations get it in
// the proportion of their weights.
func (o owner) Serve(route traffic.RouteName, request routertest.Request) routertest.Served {
	for _, rule := range o.rules(o.stored(route)) {
		if !takes(rule, request) {
			continue
		}
		served := routertest.Served{By: map[string]int{}}
		total := 0
		routes := rule["route"].([]any)
		for _, d := range routes {
			total += o.number(d.(object)["weight"])
		}
		for _, d := range routes {
			share := 100
			if len(routes) > 1 {
				share = 100 * o.number(d.(object)["weight"]) / total
			}
			backend := backendOf(d.(object)["destination"].(object))
			if share > 0 {
				served.By[backend] = share
			}
			if cookie, sets := within(d, "headers", "response", "add")["set-cookie"].(string); sets {
				if served.Cookies == nil {
					served.Cookies = map[string]string{}
				}
				served.Cookies[backend] = cookie
			}
		}
		mirrors, _ := rule["mirrors"].([]any)
		for _, m := range mirrors {
			if served.Mirrored == nil {
				served.Mirrored = map[string]int{}
			}
			served.Mirrored[backendOf(m.(object)["destination"].(object))] = o.number(m.(object)["percentage"].(object)["value"])
		}
		return served
	}
	return routertest.Served{}
}

// within is the object that the fields lead to, nil if one of them is missing.
func within(from any, fields ...string) object {
	at, _ := from.(object)
	for _, field := range fields {
		at, _ = at[field].(object)
	}
	return at
}

func (o owner) number(value any) int {
	if value == nil {
		return 0
	}
	n, err := value.(json.Number).Int64()
	require.NoError(o.t, err)
	return int(n)
}

func takes(rule object, request routertest.Request) bool {
	matches, _ := rule["match"].([]any)
	for _, m := range matches {
		if holds(m.(object)["uri"], request.Path) && holds(m.(object)["method"], request.Method) && hasHeaders(m.(object)["headers"], request) {
			return true
		}
	}
	return len(matches) == 0
}

func hasHeaders(conditions any, request routertest.Request) bool {
	headers, _ := conditions.(object)
	for name, condition := range headers {
		if request.Value(name) == "" || !holds(condition, request.Value(name)) {
			return false
		}
	}
	return true
}

func holds(condition any, text string) bool {
	c, there := condition.(object)
	if !there {
		return true
	}
	if exact, set := c["exact"].(string); set {
		return text == exact
	}
	if prefix, set := c["prefix"].(string); set {
		return strings.HasPrefix(text, prefix)
	}
	if regex, set := c["regex"].(string); set {
		return regexp.MustCompile("^(?:" + regex + ")$").MatchString(text)
	}
	return true
}
