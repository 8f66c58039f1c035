package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExplainMetricShowsTheQueryOfARouter(t *testing.T) {
	got := invoke(t, newAPIServer(t), "explain", "metric", "error-rate", "--router", "istio", "-n", "shop", "--service", "canary")
	require.Contains(t, got.out, `istio_requests_total{reporter="source",destination_service_namespace="shop",destination_service_name="canary"`)
	require.Contains(t, got.out, "[1m]")
	require.Contains(t, got.out, "# the requests it is about, for minRequests\nsum(")
	require.Contains(t, got.out, "# the bad ones among them\nsum(")
	require.NotContains(t, got.out, "bound")
	require.Contains(t, invoke(t, newAPIServer(t), "explain", "metric", "latency").out, "# those up to each bound of the histogram\nsum by (le)")
}

func TestExplainMetricNamesWhatThereIs(t *testing.T) {
	require.Contains(t, invoke(t, newAPIServer(t), "explain", "metric").errOut, "success-rate, error-rate, request-rate, latency")
	require.Contains(t, invoke(t, newAPIServer(t), "explain", "metric", "cpu").errOut, "the built-in ones are")
	require.Contains(t, invoke(t, newAPIServer(t), "explain", "metric", "latency", "--router", "linkerd").errOut, "known are traefik")
}
