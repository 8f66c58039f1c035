package istio_test

import (
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

const cookieTail = "; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"

func TestClientsAreKnownByACookieThatTheSplitGives(t *testing.T) {
	server := newServer(t)
	server.spec(`{"hosts": ["x"], "http": [{"timeout": "5s", ` + split + `}]}`)
	server.apply(sticking(), 20)
	known := func(value string) string {
		return `"match": [{"headers": {"cookie": {"regex": "^(.*; ?)?session=` + value + `(;.*)?$"}}}]`
	}
	version := `"set": {"x-version": "canary"}`
	canary := `"destination": {"host": "checkout-canary", "port": {"number": 8080}}`
	server.requireRule(0, `{"name": "session-canary", "timeout": "5s", `+known("v2-1-0-canary")+`,
		"route": [{`+canary+`, "weight": 100, "headers": {"response": {`+version+`}}}]}`)
	server.requireRule(1, `{"name": "session-stable", "timeout": "5s", `+known("v2-1-0-stable")+`,
		"route": [{"destination": {"host": "checkout-stable"}, "weight": 100}]}`)
	server.requireRule(2, `{"name": "session-new", "timeout": "5s",
		"route": [{"destination": {"host": "checkout-stable"}, "weight": 80, "headers": {"response": {"add": {"set-cookie": "session=v2-1-0-stable`+cookieTail+`"}}}},
			{`+canary+`, "weight": 20, "headers": {"response": {`+version+`, "add": {"set-cookie": "session=v2-1-0-canary`+cookieTail+`"}}}}]}`)
}

func TestADestinationThatAddsACookieItselfCanNotAddAnother(t *testing.T) {
	server := newServer(t)
	server.spec(`{"hosts": ["x"], "http": [{` + strings.Replace(split, `"set": {"x-version": "canary"}`, `"add": {"Set-Cookie": "a=b"}`, 1) + `}]}`)
	observed, err := server.router().Observe(t.Context(), sticking(), true)
	require.NoError(t, err)
	require.Contains(t, observed.Astray(), "route[1].headers.response.add has a Set-Cookie itself, and Istio adds no header twice; leave one of the two out")
}
