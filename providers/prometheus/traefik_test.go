package prometheus_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/providers/prometheus"
)

func TestTraefikQueriesMatchExactlyTheBackend(t *testing.T) {
	for _, c := range []struct {
		namespace, service string
		http, grpc, others []string
	}{
		{
			"shop", "checkout-canary",
			[]string{"shop-checkout-canary-http-80@kubernetesgateway", "shop-checkout-canary-http-8443@kubernetesgateway",
				rule("http", "shop-checkout-canary-0"), rule("http", "shop-checkout-canary-12")},
			[]string{"shop-checkout-canary-80-grpc@kubernetesgateway", rule("grpc", "shop-checkout-canary-1")},
			[]string{"shop-checkout-http-80@kubernetesgateway", "shop-checkout-canary-http-80@file", "my-shop-checkout-canary-http-80@kubernetesgateway",
				rule("http", "my-shop-checkout-canary-0"), rule("http", "shop-checkout-canary-0-0"), rule("http", "shop-checkout-canary"),
				"httproute-default-http-gw-default-gw-ep-web-0-799bcbf0c2317c5d1c93-wrr@kubernetesgateway",
				"httproute-a-b-svc-shop-checkout-canary-0@kubernetesgateway"},
		},
		{
			"shop", "checkout",
			[]string{"shop-checkout-http-80@kubernetesgateway"},
			[]string{"shop-checkout-80-grpc@kubernetesgateway"},
			[]string{"shop-checkout-canary-http-80@kubernetesgateway", "shop-checkout-canary-80-grpc@kubernetesgateway", "shop-checkout-http-http-80@kubernetesgateway",
				rule("http", "shop-checkout-canary-0"), rule("grpc", "shop-checkout-canary-0")},
		},
		{
			"shop", "a--b",
			[]string{"shop-a-b-http-80@kubernetesgateway", rule("http", "shop-a--b-0")},
			[]string{"shop-a-b-80-grpc@kubernetesgateway", rule("grpc", "shop-a--b-0")},
			[]string{"shop-a--b-http-80@kubernetesgateway"},
		},
	} {
		backend := prometheus.Backend{Namespace: c.namespace, Service: c.service, Window: "1m"}
		success := matcher(t, prometheus.TraefikSuccessRate(backend))
		latency := matcher(t, prometheus.TraefikLatency(backend, "0.99"))
		for _, name := range c.http {
			require.Regexp(t, success, name)
			require.Regexp(t, latency, name)
		}
		for _, name := range c.grpc {
			require.NotRegexp(t, success, name)
			require.Regexp(t, latency, name)
		}
		for _, name := range c.others {
			require.NotRegexp(t, success, name)
			require.NotRegexp(t, latency, name)
		}
	}
}

// rule is what Traefik calls a backend of a rule since v3.7.6; the example is that of its migration guide.
func rule(kind, backend string) string {
	return kind + "route-default-http-app-1-gw-default-my-gateway-ep-web-0-799bcbf0c2317c5d1c93-svc-" + backend + "@kubernetesgateway"
}

// matcher is the regular expression of the label in a query, anchored as Prometheus does.
func matcher(t *testing.T, query string) *regexp.Regexp {
	all := regexp.MustCompile(`service=~"([^"]*)"`).FindAllStringSubmatch(query, -1)
	require.NotEmpty(t, all)
	for _, m := range all {
		require.Equal(t, all[0][1], m[1])
	}
	require.Equal(t, strings.Count(query, "{service=~"), strings.Count(query, "{exported_service=~"), "both names of the label are asked for")
	return regexp.MustCompile("^(?:" + all[0][1] + ")$")
}
