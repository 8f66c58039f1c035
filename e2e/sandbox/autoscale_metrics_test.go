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
	custom "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
)

// The APIs that horizontal pod autoscalers ask, and that no cluster has by itself. See
// https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#support-for-metrics-apis.
var (
	resourceMetrics = schema.GroupVersion{Group: "metrics.k8s.io", Version: "v1beta1"}
	externalMetrics = schema.GroupVersion{Group: "external.metrics.k8s.io", Version: "v1beta1"}
	customMetrics   = schema.GroupVersion{Group: "custom.metrics.k8s.io", Version: "v1beta2"}
)

// served are the APIs, of which a cluster can have each but once.
var served struct {
	once sync.Once
	api  *metricsAPI
}

// metricsAPI takes the place of metrics-server and of an adapter for external metrics: it answers with what simulated
// users do. The API server hands questions on to it as it does to the real ones.
type metricsAPI struct {
	mu    sync.Mutex
	loads map[string]*load // by namespace; follows mu
	// errors is what metrics of errors say; by namespace; follows mu.
	errors map[string]int64
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

// serveMetrics registers the APIs, once for all tests.
func serveMetrics(t *testing.T) *metricsAPI {
	t.Helper()
	served.once.Do(func() {
		ctx := context.WithoutCancel(t.Context())
		namespace, err := cluster.NewNamespace(ctx)
		require.NoError(t, err)
		api := &metricsAPI{loads: map[string]*load{}, errors: map[string]int64{}}
		server := httptest.NewTLSServer(api.handler()) // It ends with the cluster, whose API server goes on asking.
		address, err := url.Parse(server.URL)
		require.NoError(t, err)
		require.NoError(t, apply(namespace, `apiVersion: v1
kind: Service
metadata: {name: metrics}
spec: {type: ExternalName, externalName: localhost}`))
		for _, version := range []schema.GroupVersion{resourceMetrics, externalMetrics, customMetrics} {
			register(t, version, namespace, address.Port())
		}
		served.api = api
	})
	require.NotNil(t, served.api, "the APIs could not be registered")
	return served.api
}

func (api *metricsAPI) handler() http.Handler {
	mux := http.NewServeMux()
	for _, version := range []schema.GroupVersion{resourceMetrics, externalMetrics, customMetrics} {
		mux.HandleFunc("GET /apis/"+version.String(), func(w http.ResponseWriter, _ *http.Request) { describe(w, version) })
	}
	mux.HandleFunc("GET /apis/"+resourceMetrics.String()+"/namespaces/{namespace}/pods", api.answerPods)
	mux.HandleFunc("GET /apis/"+externalMetrics.String()+"/namespaces/{namespace}/"+requestRate, api.answerRequestRate)
	mux.HandleFunc("GET /apis/"+externalMetrics.String()+"/namespaces/{namespace}/errors", api.answerErrors)
	mux.HandleFunc("GET /apis/"+customMetrics.String()+"/namespaces/{namespace}/pods/{name}/errors", api.answerErrorsOfPods)
	return mux
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

// say makes the metrics of errors in a namespace have a value from now on.
func (api *metricsAPI) say(namespace string, errors int64) {
	api.mu.Lock()
	defer api.mu.Unlock()
	api.errors[namespace] = errors
}

func (api *metricsAPI) errorsOf(namespace string) resource.Quantity {
	api.mu.Lock()
	defer api.mu.Unlock()
	return *resource.NewQuantity(api.errors[namespace], resource.DecimalSI)
}

func (api *metricsAPI) answerErrors(w http.ResponseWriter, r *http.Request) {
	answer(w, map[string]any{
		"apiVersion": externalMetrics.String(), "kind": "ExternalMetricValueList", "metadata": metav1.ListMeta{},
		"items": []externalMetric{{MetricName: "errors", Timestamp: metav1.Now(), Value: api.errorsOf(r.PathValue("namespace"))}},
	})
}

// answerErrorsOfPods knows the pods that the selector matches, as an adapter does.
func (api *metricsAPI) answerErrorsOfPods(w http.ResponseWriter, r *http.Request) {
	namespace := r.PathValue("namespace")
	pods, err := cluster.kubernetes.CoreV1().Pods(namespace).List(r.Context(), metav1.ListOptions{LabelSelector: r.URL.Query().Get("labelSelector")})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	items := []custom.MetricValue{}
	for _, pod := range pods.Items {
		items = append(items, custom.MetricValue{
			DescribedObject: corev1.ObjectReference{Kind: "Pod", Namespace: namespace, Name: pod.Name},
			Metric:          custom.MetricIdentifier{Name: "errors"}, Timestamp: metav1.Now(), Value: api.errorsOf(namespace),
		})
	}
	answer(w, custom.MetricValueList{TypeMeta: metav1.TypeMeta{APIVersion: customMetrics.String(), Kind: "MetricValueList"}, Items: items})
}
