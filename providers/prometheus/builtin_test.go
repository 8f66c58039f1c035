package prometheus_test

import (
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
