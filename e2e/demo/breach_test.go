package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// epoch is when the canary of these tests gets its first request.
func epoch() time.Time { return time.Unix(1000, 0) }

// answering is a Prometheus with scrapes at each second after the epoch until 1003.5, and a success rate that turns bad at one.
func answering(t *testing.T, bad float64) history {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.FormValue("query"), "1 - ") && !strings.HasPrefix(r.FormValue("query"), "histogram_quantile") {
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[
				{"metric":{"code":"200"},"values":[[1001.5,"1"],[1002.5,"2"],[1003.5,"3"]]},
				{"metric":{"code":"500"},"values":[[1002.5,"1"],[1003.5,"2"]]}]}}`)
			return
		}
		at, err := strconv.ParseFloat(r.FormValue("time"), 64)
		value := 1.0
		if err != nil || at >= bad {
			value = 0.9
		}
		if strings.HasPrefix(r.FormValue("query"), "histogram_quantile") {
			value = 0.02
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[%v,"%v"]}]}}`, at, value)
	}))
	t.Cleanup(server.Close)
	h, err := newHistory(server.URL)
	require.NoError(t, err)
	return h
}

func failed(t *testing.T) *v1alpha1.Rollout {
	t.Helper()
	r := checkout(t)
	exposed, measured := metav1.NewMicroTime(epoch()), metav1.NewMicroTime(epoch().Add(4*time.Second))
	r.Status.Release = &v1alpha1.Release{
		ExposedAt: &exposed,
		Metrics:   []v1alpha1.MetricStatus{{Name: "latency", Verdict: "pass"}, {Name: "success-rate", Verdict: "fail", MeasuredAt: &measured}},
	}
	return r
}

func TestTheBreachIsTheFirstScrapeThatShowsIt(t *testing.T) {
	at, err := answering(t, 1002).breach(t.Context(), failed(t))
	require.NoError(t, err)
	require.Equal(t, 2500*time.Millisecond, at.Sub(epoch()))
}

func TestTheBreachIsNoLaterThanTheLastScrapeBeforeTheEngineFoundIt(t *testing.T) {
	at, err := answering(t, 1003.9).breach(t.Context(), failed(t))
	require.NoError(t, err)
	require.Equal(t, 3500*time.Millisecond, at.Sub(epoch()))
}

func TestAReleaseWithoutAFailedMetricHasNoBreach(t *testing.T) {
	r := failed(t)
	r.Status.Release.Metrics = nil
	_, err := answering(t, 1002).breach(t.Context(), r)
	require.ErrorContains(t, err, "names no failed metric")
}

func TestExpressionsLookBackNoFurtherThanTheCanaryHadTraffic(t *testing.T) {
	metric := checkout(t).Spec.Strategy.Canary.Analysis.Metrics[0]
	require.Contains(t, expression(metric, 2500*time.Millisecond), "[2500ms]")
	require.Contains(t, expression(metric, time.Minute), "[5000ms]")
	require.Contains(t, expression(metric, time.Millisecond), "[1000ms]")
}
