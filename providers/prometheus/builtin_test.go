package prometheus_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/providers/prometheus"
)

var backend = prometheus.Backend{Namespace: "shop", Service: "checkout.canary", Pods: "checkout-abc-.+", Window: "1m"}

func TestBuiltInQueriesNameTheMetricsOfEachRouter(t *testing.T) {
	for router, want := range map[prometheus.Router][]string{
		prometheus.Traefik: {"traefik_service_requests_total{", `code=~"5.."`},
		prometheus.Istio:   {`istio_requests_total{reporter="source",destination_service_namespace="shop",destination_service_name="checkout.canary"`, `grpc_response_status=~"2|4|12|13|14|15"`},
		prometheus.NGINX:   {`nginx_http_upstream_peer_responses_total{nginx_upstream_name=~"shop_checkout\\.canary_[0-9]+"`, `nginx_status_range="5xx"`},
		prometheus.Pods:    {`http_server_request_duration_seconds_count{namespace="shop",pod=~"checkout-abc-.+"`, `http_response_status_code=~"5.."`},
	} {
		failing, err := prometheus.BuiltIn(router, prometheus.ErrorRate, "", backend)
		require.NoError(t, err)
		for _, part := range want {
			require.Contains(t, failing, part)
		}
		succeeding, err := prometheus.BuiltIn(router, prometheus.SuccessRate, "", backend)
		require.NoError(t, err)
		require.Equal(t, "1 - "+failing, succeeding)
		rate, err := prometheus.BuiltIn(router, prometheus.RequestRate, "", backend)
		require.NoError(t, err)
		require.Contains(t, rate, "rate(")
		require.NotContains(t, rate, "5..")
	}
}

func TestLatencyIsInSeconds(t *testing.T) {
	query, err := prometheus.BuiltIn(prometheus.Istio, prometheus.Latency, "0.9", backend)
	require.NoError(t, err)
	require.Regexp(t, `^histogram_quantile\(0.9, sum by \(le\) \(.*istio_request_duration_milliseconds_bucket.*\)\) / 1000$`, query)
	query, err = prometheus.BuiltIn(prometheus.Pods, prometheus.Latency, "0.9", backend)
	require.NoError(t, err)
	require.NotContains(t, query, "/ 1")
}

func TestTheTraefikQueriesAreTheBuiltInOnes(t *testing.T) {
	success, err := prometheus.BuiltIn(prometheus.Traefik, prometheus.SuccessRate, "", backend)
	require.NoError(t, err)
	require.Equal(t, prometheus.TraefikSuccessRate(backend), success)
	latency, err := prometheus.BuiltIn(prometheus.Traefik, prometheus.Latency, "0.5", backend)
	require.NoError(t, err)
	require.Equal(t, prometheus.TraefikLatency(backend, "0.5"), latency)
}

func TestWhatARouterCannotMeasureIsSaidWithTheWayOut(t *testing.T) {
	for _, router := range []prometheus.Router{prometheus.EnvoyGateway} {
		_, err := prometheus.BuiltIn(router, prometheus.SuccessRate, "", backend)
		require.ErrorContains(t, err, "give the metric a query of its own")
	}
	_, err := prometheus.BuiltIn(prometheus.NGINX, prometheus.Latency, "0.99", backend)
	require.ErrorContains(t, err, "average durations only")
	_, err = prometheus.BuiltIn("linkerd", prometheus.Latency, "0.99", backend)
	require.ErrorContains(t, err, "known are traefik, istio, envoy-gateway, nginx-gateway-fabric, pods")
	_, err = prometheus.BuiltIn(prometheus.Pods, "cpu", "", backend)
	require.ErrorContains(t, err, "success-rate, error-rate, request-rate and latency")
}

func TestBuiltInMetricsAreForTheRoutesThatARouterTellsApart(t *testing.T) {
	all := []string{prometheus.SuccessRate, prometheus.ErrorRate, prometheus.RequestRate, prometheus.Latency}
	for _, c := range []struct {
		router prometheus.Router
		routes []string
		told   []string
		says   string
	}{
		{prometheus.Traefik, []string{"HTTPRoute"}, all, ""},
		{prometheus.Traefik, []string{"GRPCRoute"}, []string{prometheus.Latency}, "Traefik counts successful and failed calls under the same code"},
		{prometheus.Traefik, []string{"GRPCRoute", "HTTPRoute"}, all, ""},
		{prometheus.Traefik, []string{"VirtualService"}, nil, "about HTTPRoute and GRPCRoute, and there is only VirtualService; give the metric a query of its own, or start the controller with --builtin-metrics=istio"},
		{prometheus.Traefik, []string{"TLSRoute"}, nil, "there is only TLSRoute"},
		{prometheus.Traefik, nil, nil, "and there is none"},
		{prometheus.Istio, []string{"VirtualService"}, all, ""},
		{prometheus.Istio, []string{"HTTPRoute"}, all, ""},
		{prometheus.Istio, []string{"GRPCRoute"}, all, ""},
		{prometheus.Istio, []string{"TCPRoute", "TLSRoute"}, nil, "there is only TCPRoute and TLSRoute"},
		{prometheus.NGINX, []string{"HTTPRoute"}, all, ""},
		{prometheus.NGINX, []string{"GRPCRoute"}, []string{prometheus.RequestRate}, "has the status 200"},
		{prometheus.NGINX, []string{"VirtualService"}, nil, "there is only VirtualService"},
		{prometheus.Pods, nil, all, ""},
		{prometheus.Pods, []string{"TCPRoute"}, all, ""},
		{prometheus.EnvoyGateway, []string{"HTTPRoute"}, nil, "it counts all backends of a rule together"},
	} {
		for _, metric := range all {
			err := prometheus.TellsApart(c.router, metric, c.routes)
			if slices.Contains(c.told, metric) {
				require.NoError(t, err, "%s of %s behind %v", metric, c.router, c.routes)
			} else {
				require.ErrorContains(t, err, c.says, "%s of %s behind %v", metric, c.router, c.routes)
			}
		}
	}
}

func TestTheRequestsThatABuiltInMetricIsAboutAreCounted(t *testing.T) {
	for _, router := range []prometheus.Router{prometheus.Traefik, prometheus.Istio, prometheus.NGINX, prometheus.Pods} {
		counts, err := prometheus.BuiltInCounts(router, prometheus.ErrorRate, backend)
		require.NoError(t, err)
		failing, err := prometheus.BuiltIn(router, prometheus.ErrorRate, "", backend)
		require.NoError(t, err)
		require.Equal(t, "("+counts.Bad+" or vector(0)) / "+counts.Requests, failing, "what is counted is what the rate is made of")
		require.Empty(t, counts.Buckets)
	}
	counts, err := prometheus.BuiltInCounts(prometheus.Istio, prometheus.Latency, backend)
	require.NoError(t, err)
	require.Contains(t, counts.Requests, `istio_request_duration_milliseconds_bucket{reporter="source",destination_service_namespace="shop",destination_service_name="checkout.canary",le="+Inf"}`)
	require.Contains(t, counts.Bad, `le="+Inf",response_code=~"5.."`)
	require.Contains(t, counts.Buckets, "sum by (le)")
	_, err = prometheus.BuiltInCounts(prometheus.NGINX, prometheus.Latency, backend)
	require.ErrorContains(t, err, "average durations only")
}
