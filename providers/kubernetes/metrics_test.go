package kubernetes_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/labels"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/sourcetest"
	"github.com/rollout-dev/rollout/providers/kubernetes"
)

func client(t *testing.T, address string) rest.Interface {
	kube, err := clientset.NewForConfig(&rest.Config{Host: address, BearerToken: token, QPS: -1,
		ContentConfig: rest.ContentConfig{ContentType: "application/vnd.kubernetes.protobuf"}})
	require.NoError(t, err)
	return kube.CoreV1().RESTClient()
}

// unspeakable: a quantity is a decimal number of some nine digits behind the point.
func unspeakable(a sourcetest.Answer) bool {
	return slices.ContainsFunc(a.Series, func(v float64) bool {
		return math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) > 1e15 || v != 0 && math.Abs(v) < 1e-9
	})
}

func serve(path, kind, selector string, item func(i int, value string) map[string]any) func(http.ResponseWriter, *http.Request, sourcetest.Answer) {
	return func(w http.ResponseWriter, r *http.Request, a sourcetest.Answer) {
		switch {
		case sourcetest.Fail(w, a, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no such metric"}`):
			return
		case r.URL.Path != path || r.URL.Query().Get("labelSelector") != selector || r.Header.Get("Accept") != "application/json" || r.Header.Get("Authorization") != "Bearer "+token:
			http.Error(w, r.URL.String(), http.StatusNotFound)
			return
		}
		items := []any{}
		for i, value := range a.Series {
			items = append(items, item(i, strconv.FormatFloat(value, 'f', -1, 64)))
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": kind, "items": items})
	}
}

func TestExternalKeepsTheContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
		address, answer := sourcetest.Server(t, serve("/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue-length", "ExternalMetricValueList", "queue=orders",
			func(i int, value string) map[string]any {
				return map[string]any{"metricName": "queue-length", "metricLabels": map[string]string{"shard": fmt.Sprint(i)}, "value": value}
			}))
		return sourcetest.Harness{
			Source: kubernetes.External(client(t, address), "shop", "queue-length", labels.SelectorFromSet(labels.Set{"queue": "orders"})),
			Answer: answer, Server: "external metric queue-length", Secret: token, Unspeakable: unspeakable, Query: analysis.Query{},
		}
	})
}

func TestCustomKeepsTheContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
		address, answer := sourcetest.Server(t, serve("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/errors", "MetricValueList", "pod-template-hash=abc",
			func(i int, value string) map[string]any {
				return map[string]any{"describedObject": map[string]any{"kind": "Pod", "name": fmt.Sprint("checkout-", i)}, "metric": map[string]any{"name": "errors"}, "value": value}
			}))
		return sourcetest.Harness{
			Source: kubernetes.Custom(client(t, address), "shop", "errors", kubernetes.Object{Resource: "pods", Selector: labels.SelectorFromSet(labels.Set{"pod-template-hash": "abc"})}),
			Answer: answer, Server: "metric errors of pods", Secret: token, Unspeakable: unspeakable, Query: analysis.Query{},
		}
	})
}

func TestAMissingAdapterIsNamed(t *testing.T) {
	address, _ := sourcetest.Server(t, func(w http.ResponseWriter, _ *http.Request, _ sourcetest.Answer) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","message":"the server could not find the requested resource","code":404}`)
	})
	_, err := kubernetes.External(client(t, address), "shop", "x", labels.Everything()).Query(t.Context(), analysis.Query{})
	require.ErrorContains(t, err, "is an adapter installed")
}
