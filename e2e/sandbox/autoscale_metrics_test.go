//go:build integration

package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The APIs that horizontal pod autoscalers ask, and that no cluster has by itself. See
// https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#support-for-metrics-apis.
var (
	resourceMetrics = schema.GroupVersion{Group: "metrics.k8s.io", Version: "v1beta1"}
	externalMetrics = schema.GroupVersion{Group: "external.metrics.k8s.io", Version: "v1beta1"}
)

// metricsAPI takes the place of metrics-server and of an adapter for external metrics: it answers with what simulated
// users do. The API server hands questions on to it as it does to the real ones.
type metricsAPI struct {
	mu    sync.Mutex
	loads map[string]*load // by namespace; follows mu
}

// podMetrics and externalMetric have the fields of the API that autoscalers read.
type podMetrics struct {
	Metadata   metav1.ObjectMeta  `json:"metadata"`
	Timestamp  metav1.Time        `json:"timestamp"`
	Window     metav1.Duration    `json:"window"`
	Containers []containerMetrics `json:"containers"`
}

type containerMetrics struct {
	Name  string              `json:"name"`
	Usage corev1.ResourceList `json:"usage"`
}

type externalMetric struct {
	MetricName string            `json:"metricName"`
	Timestamp  metav1.Time       `json:"timestamp"`
	Value      resource.Quantity `json:"value"`
}

// serveMetrics registers the APIs for as long as the test runs.
func serveMetrics(t *testing.T) *metricsAPI {
	t.Helper()
	api := &metricsAPI{loads: map[string]*load{}}
	mux := http.NewServeMux()
	for _, version := range []schema.GroupVersion{resourceMetrics, externalMetrics} {
		mux.HandleFunc("GET /apis/"+version.String(), func(w http.ResponseWriter, _ *http.Request) { describe(w, version) })
	}
	mux.HandleFunc("GET /apis/"+resourceMetrics.String()+"/namespaces/{namespace}/pods", api.answerPods)
	mux.HandleFunc("GET /apis/"+externalMetrics.String()+"/namespaces/{namespace}/"+requestRate, api.answerRequestRate)
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)

	namespace := newNamespace(t)
	address, err := url.Parse(server.URL)
	require.NoError(t, err)
	require.NoError(t, apply(namespace, `apiVersion: v1
kind: Service
metadata: {name: metrics}
spec: {type: ExternalName, externalName: localhost}`))
	for _, version := range []schema.GroupVersion{resourceMetrics, externalMetrics} {
		register(t, version, namespace, address.Port())
	}
	return api
}

func register(t *testing.T, version schema.GroupVersion, namespace, port string) {
	t.Helper()
	name := version.Version + "." + version.Group
	require.NoError(t, apply("", fmt.Sprintf(`apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: %s}
spec:
  group: %s
  version: %s
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {namespace: %s, name: metrics, port: %s}`, name, version.Group, version.Version, namespace, port)))
	t.Cleanup(func() {
		services := schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}
		require.NoError(t, cluster.dynamic.Resource(services).Delete(context.WithoutCancel(t.Context()), name, metav1.DeleteOptions{}))
	})
	eventually(t, "the API server to serve "+version.String(), func() (bool, string) {
		err := cluster.kubernetes.Discovery().RESTClient().Get().AbsPath("/apis/" + version.String()).Do(t.Context()).Error()
		return err == nil, fmt.Sprint(err)
	})
}

// describe says what an API offers. What is listed makes no difference to autoscalers, which know what they want.
func describe(w http.ResponseWriter, version schema.GroupVersion) {
	answer(w, metav1.APIResourceList{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "APIResourceList"}, GroupVersion: version.String(), APIResources: []metav1.APIResource{},
	})
}

// of returns the load of a namespace, making one that is idle if there is none.
func (api *metricsAPI) of(namespace string) *load {
	api.mu.Lock()
	defer api.mu.Unlock()
	if api.loads[namespace] == nil {
		api.loads[namespace] = &load{namespace: namespace}
	}
	return api.loads[namespace]
}

func (api *metricsAPI) answerPods(w http.ResponseWriter, r *http.Request) {
	selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	load := api.of(r.PathValue("namespace"))
	usage, err := load.usage(r.Context(), selector)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	items := []podMetrics{}
	for pod, cpu := range usage {
		items = append(items, podMetrics{
			Metadata: metav1.ObjectMeta{Namespace: load.namespace, Name: pod}, Timestamp: metav1.Now(), Window: metav1.Duration{Duration: window},
			Containers: []containerMetrics{{Name: "app", Usage: corev1.ResourceList{corev1.ResourceCPU: *resource.NewMilliQuantity(cpu, resource.DecimalSI)}}},
		})
	}
	answer(w, map[string]any{"apiVersion": resourceMetrics.String(), "kind": "PodMetricsList", "metadata": metav1.ListMeta{}, "items": items})
	load.looks.Add(1)
}

func (api *metricsAPI) answerRequestRate(w http.ResponseWriter, r *http.Request) {
	load := api.of(r.PathValue("namespace"))
	answer(w, map[string]any{
		"apiVersion": externalMetrics.String(), "kind": "ExternalMetricValueList", "metadata": metav1.ListMeta{},
		"items": []externalMetric{{MetricName: requestRate, Timestamp: metav1.Time{Time: time.Now()}, Value: load.requestRate()}},
	})
	load.looks.Add(1)
}

func answer(w http.ResponseWriter, object any) {
	text, err := json.Marshal(object)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // The API server may have given up waiting.
}
