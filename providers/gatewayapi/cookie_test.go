package gatewayapi_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic"
)

// sticking is a target whose clients stay on one version.
func sticking() traffic.Target {
	return managing(traffic.Affinity{Cookie: "session", TTL: time.Minute}.Rules("v2-1-0")...)
}

const (
	cookieTail   = "; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
	stableCookie = `{"name": "Set-Cookie", "value": "session=v2-1-0-stable` + cookieTail + `"}`
	canaryCookie = `{"name": "Set-Cookie", "value": "session=v2-1-0-canary` + cookieTail + `"}`
)

func TestClientsAreKnownByACookieThatTheSplitGives(t *testing.T) {
	server := newServer(t)
	server.rules(`[{"timeouts": {"request": "5s"}, ` + split + `}]`)
	require.NoError(t, server.apply(sticking(), 20))
	known := func(value string) string {
		return `"matches": [{"path": {"type": "PathPrefix", "value": "/"}, "headers": [{"type": "RegularExpression", "name": "Cookie", "value": "^(.*; ?)?session=` + value + `(;.*)?$"}]}]`
	}
	server.requireRule(0, `{"name": "session-canary", "timeouts": {"request": "5s"}, `+known("v2-1-0-canary")+`,
		"backendRefs": [{"group": "", "kind": "Service", "name": "checkout-canary", "port": 81, "weight": 1, "filters": [{"type": "FromTomorrow"}]}]}`)
	server.requireRule(1, `{"name": "session-stable", "timeouts": {"request": "5s"}, `+known("v2-1-0-stable")+`,
		"backendRefs": [{"group": "", "kind": "Service", "name": "checkout-stable", "port": 80, "weight": 1}]}`)
	server.requireRule(2, `{"name": "session-new", "timeouts": {"request": "5s"}, "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
		"backendRefs": [{"group": "", "kind": "Service", "name": "checkout-stable", "port": 80, "weight": 80,
			"filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [`+stableCookie+`]}}]},
			{"group": "", "kind": "Service", "name": "checkout-canary", "port": 81, "weight": 20,
			"filters": [{"type": "FromTomorrow"}, {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [`+canaryCookie+`]}}]}]}`)
}

func TestACookieIsGivenBesidesTheHeadersThatTheOwnerSets(t *testing.T) {
	withFilter := func(modifier string) string {
		return strings.Replace(split, `"weight": 80`, `"weight": 80, "filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": `+modifier+`}]`, 1)
	}
	server := newServer(t)
	server.rules(`[{` + withFilter(`{"set": [{"name": "x-a", "value": "1"}], "add": [{"name": "x-b", "value": "2"}], "fromTomorrow": 1}`) + `}]`)
	require.NoError(t, server.apply(sticking(), 20))
	stable := rulesOf(server.stored(checkout))[2]["backendRefs"].([]any)[0].(object)
	require.Equal(t, []any{object{"type": "ResponseHeaderModifier", "responseHeaderModifier": object{
		"set": []any{object{"name": "x-a", "value": "1"}},
		"add": []any{object{"name": "x-b", "value": "2"}, object{"name": "Set-Cookie", "value": "session=v2-1-0-stable" + cookieTail}}, "fromTomorrow": json.Number("1")}}},
		stable["filters"])

	server.rules(`[{` + withFilter(`{"add": [{"name": "set-cookie", "value": "a=b"}]}`) + `}]`)
	require.ErrorContains(t, server.apply(sticking(), 20),
		"spec.rules[0]: backendRefs[0].filters[0].responseHeaderModifier: it adds a Set-Cookie itself, and no filter can add two; leave one of the two out")
}

func TestSessionsOfTheGatewayItselfRuleAffinityOut(t *testing.T) {
	server := newServer(t)
	server.rules(`[{"sessionPersistence": {"sessionName": "a"}, ` + split + `}]`)
	require.ErrorContains(t, server.apply(sticking(), 20), "the rule has sessionPersistence, which keeps clients on the canary when its weight is 0, too; leave it or affinity out")
}

func TestAffinityIsRefusedWhereTheGatewayIsKnownNotToFilterByBackend(t *testing.T) {
	server := newServer(t)
	server.rules(`[{` + split + `}]`)
	server.Change("Gateway", "shop", "public", func(g object) { g["spec"] = object{"gatewayClassName": "plain"} })
	lists := func(features ...any) {
		server.Change("GatewayClass", "", "plain", func(class object) { class["status"] = object{"supportedFeatures": features} })
	}
	lists(object{"name": "HTTPRouteResponseHeaderModification"})
	err := server.apply(sticking(), 20)
	require.ErrorContains(t, err, "GatewayClass plain doesn't list HTTPRouteBackendRequestHeaderModification in status.supportedFeatures")
	require.ErrorContains(t, err, "take trafficRouting.affinity out, or use a gateway that has filters of backendRefs")
	lists(object{"name": "HTTPRouteResponseHeaderModification"}, object{"name": "HTTPRouteBackendRequestHeaderModification"})
	require.NoError(t, server.apply(sticking(), 20))
}
