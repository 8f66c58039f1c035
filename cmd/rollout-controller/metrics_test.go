package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/rollout-dev/rollout/analysis/outbound"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func TestEveryAddressOfTheAPIServerIsRefused(t *testing.T) {
	port := int32(6443)
	kube := fake.NewClientset(
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kubernetes"},
			Spec: corev1.ServiceSpec{ClusterIPs: []string{"10.96.0.1", "fd00::1"}, Ports: []corev1.ServicePort{{Port: 443}}}},
		&discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kubernetes", Labels: map[string]string{discoveryv1.LabelServiceName: "kubernetes"}},
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"172.18.0.2"}}}, Ports: []discoveryv1.EndpointPort{{Port: &port}}})
	allow, err := outbound.ParseAllowList(nil)
	require.NoError(t, err)
	refuseAPIServer(t.Context(), clients{kubernetes: kube, host: "https://203.0.113.9:8443"}, allow, nil, zap.NewNop())
	for _, address := range []string{"https://10.96.0.1", "https://[fd00::1]", "https://172.18.0.2:6443", "https://203.0.113.9:8443"} {
		require.ErrorContains(t, allow.Check(address), "it is the API server", address)
	}
	require.NoError(t, allow.Check("http://172.18.0.2:80"), "other servers on the same node may be asked")
}

func TestTheBuiltInMetricsAreThoseThatTheOperatorChose(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := settings{prometheusAddress: "http://prometheus:9090", builtinMetrics: "istio", queryConcurrency: 16, queryTimeout: time.Second}
	_, queries, _, err := measuring(s, fake.NewClientset(), registry)
	require.NoError(t, err)
	require.NoError(t, queries.TellsApart("error-rate", []string{"VirtualService"}))
	require.Error(t, queries.TellsApart("error-rate", nil))
	m, err := queries.Resolve(v1alpha1.Metric{Name: "error-rate", Threshold: &v1alpha1.Threshold{Max: "1%"}, MinRequests: 100},
		map[string]string{"namespace": "shop", "service": "canary"})
	require.NoError(t, err)
	require.Contains(t, m.Query, m.Requests, "the rate is one of the requests that are counted")
	require.Contains(t, m.Requests, `istio_requests_total{reporter="source",destination_service_namespace="shop",destination_service_name="canary"}[{{window}}]`)
	count, err := testutil.GatherAndCount(registry, "queries_coalesced_total")
	require.NoError(t, err)
	require.Equal(t, 3, count, "the budget is seen in metrics")
}

func TestWhatCannotBeLookedUpAgainStaysRefused(t *testing.T) {
	allow, err := outbound.ParseAllowList(nil)
	require.NoError(t, err)
	before := []netip.AddrPort{netip.MustParseAddrPort("10.96.0.1:443")}
	refuseAPIServer(t.Context(), clients{kubernetes: fake.NewClientset(), host: "https://203.0.113.9"}, allow, before, zap.NewNop())
	require.ErrorContains(t, allow.Check("https://10.96.0.1"), "it is the API server")
	require.ErrorContains(t, allow.Check("https://203.0.113.9"), "it is the API server")
}
