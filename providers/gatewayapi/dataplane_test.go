package gatewayapi_test

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic"
	"github.com/rollout-dev/rollout/traffic/routertest"
)

// Serve does with a request what the Gateway API defines: of all matches that describe it the most specific takes it, by path, method
// and number of headers, of equal ones that of the first rule.
func (o owner) Serve(route traffic.RouteName, request routertest.Request) routertest.Served {
	var taken object
	best := [4]int{-1}
	for _, rule := range rulesOf(o.stored(route)) {
		for _, m := range matchesOf(rule) {
			if rank, takes := rankOf(m, request); takes && more(rank, best) {
				best, taken = rank, rule
			}
		}
	}
	if taken == nil {
		return routertest.Served{}
	}
	served := routertest.Served{By: map[string]int{}}
	total := 0
	for _, ref := range taken["backendRefs"].([]any) {
		total += o.number(ref.(object)["weight"])
	}
	for _, ref := range taken["backendRefs"].([]any) {
		if share := 100 * o.number(ref.(object)["weight"]) / total; share > 0 {
			served.By[ref.(object)["name"].(string)] = share
		}
	}
	served.Cookies = cookiesOf(taken)
	filters, _ := taken["filters"].([]any)
	for _, f := range filters {
		if mirror, is := f.(object)["requestMirror"].(object); is {
			served.Mirrored = map[string]int{mirror["backendRef"].(object)["name"].(string): o.number(mirror["percent"])}
		}
	}
	return served
}

// cookiesOf are the Set-Cookie headers that the filters of a rule's backendRefs add, nil if there are none.
func cookiesOf(rule object) map[string]string {
	var cookies map[string]string
	for _, ref := range rule["backendRefs"].([]any) {
		filters, _ := ref.(object)["filters"].([]any)
		for _, f := range filters {
			modifier, _ := f.(object)["responseHeaderModifier"].(object)
			added, _ := modifier["add"].([]any)
			for _, header := range added {
				if header.(object)["name"] == "Set-Cookie" {
					if cookies == nil {
						cookies = map[string]string{}
					}
					cookies[ref.(object)["name"].(string)] = header.(object)["value"].(string)
				}
			}
		}
	}
	return cookies
}

func (o owner) number(value any) int {
	if value == nil {
		return 1
	}
	n, err := value.(json.Number).Int64()
	require.NoError(o.t, err)
	return int(n)
}

func matchesOf(rule object) []any {
	matches, _ := rule["matches"].([]any)
	if len(matches) == 0 {
		return []any{object{}}
	}
	return matches
}

func more(a, b [4]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] > b[i]
		}
	}
	return false
}

// rankOf says whether a match describes a request, and how specific it is.
func rankOf(m any, request routertest.Request) (rank [4]int, takes bool) {
	if path, there := m.(object)["path"].(object); there {
		value := path["value"].(string)
		switch path["type"] {
		case "Exact":
			rank[0], takes = 10_000, request.Path == value
		case "PathPrefix":
			bare := strings.TrimSuffix(value, "/")
			rank[0], takes = len(bare), request.Path == bare || strings.HasPrefix(request.Path, bare+"/")
		}
		if !takes {
			return rank, false
		}
	}
	if method, there := m.(object)["method"].(string); there {
		if method != request.Method {
			return rank, false
		}
		rank[1] = 1
	}
	headers, _ := m.(object)["headers"].([]any)
	for _, h := range headers {
		value := request.Value(h.(object)["name"].(string))
		if value == "" || !holds(h.(object), value) {
			return rank, false
		}
		rank[2]++
	}
	return rank, true
}

func holds(header object, value string) bool {
	if header["type"] == "RegularExpression" {
		return regexp.MustCompile("^(?:" + header["value"].(string) + ")$").MatchString(value)
	}
	return header["value"] == value
}
