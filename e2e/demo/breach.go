package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/api"
	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/providers/prometheus"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// history asks Prometheus what there was to see, and when.
type history struct{ api prometheusv1.API }

func newHistory(address string) (history, error) {
	client, err := api.NewClient(api.Config{Address: address})
	if err != nil {
		return history{}, fmt.Errorf("use Prometheus at %s: %w", address, err)
	}
	return history{api: prometheusv1.NewAPI(client)}, nil
}

// breach is when Prometheus had scraped enough for the release's analysis to fail. It evaluates the metrics of the Rollout
// as the engine does, at the time of every scrape until the engine found out.
func (h history) breach(ctx context.Context, r *v1alpha1.Rollout) (time.Time, error) {
	exposed, found := r.Status.Release.ExposedAt, foundAt(r.Status.Release)
	if exposed == nil || found.IsZero() {
		return time.Time{}, errors.New("its status names no failed metric")
	}
	scrapes, err := h.scrapes(ctx, exposed.Time, found)
	if err != nil {
		return time.Time{}, err
	}
	for _, at := range scrapes {
		for _, metric := range r.Spec.Strategy.Canary.Analysis.Metrics {
			failed, err := h.fails(ctx, metric, at, at.Sub(exposed.Time))
			if err != nil || failed {
				return at, err
			}
		}
	}
	if len(scrapes) == 0 {
		return time.Time{}, fmt.Errorf("there is no scrape between %s and %s", exposed.Format(time.TimeOnly), found.Format(time.TimeOnly))
	}
	// A window that begins between two scrapes can hold one sample less at the scrape itself than a moment later. The
	// engine can't have seen more than the last scrape before its question.
	return scrapes[len(scrapes)-1], nil
}

// foundAt is when the engine asked for the metric that failed; zero if none did.
func foundAt(release *v1alpha1.Release) time.Time {
	for _, m := range release.Metrics {
		if m.Verdict == string(analysis.Fail) && m.MeasuredAt != nil {
			return m.MeasuredAt.Time
		}
	}
	return time.Time{}
}

// scrapes are the times at which the gateway was scraped.
func (h history) scrapes(ctx context.Context, from, until time.Time) ([]time.Time, error) {
	query := fmt.Sprintf("traefik_service_requests_total[%dms]", until.Sub(from).Milliseconds())
	value, _, err := h.api.Query(ctx, query, until)
	if err != nil {
		return nil, fmt.Errorf("ask Prometheus for its scrapes: %w", err)
	}
	series, ok := value.(model.Matrix)
	if !ok {
		return nil, fmt.Errorf("ask Prometheus for its scrapes: it answers with a %s", value.Type())
	}
	var times []time.Time
	for _, s := range series {
		for _, sample := range s.Values {
			times = append(times, sample.Timestamp.Time())
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return slices.CompactFunc(times, time.Time.Equal), nil
}

// fails says whether a metric misses its threshold at a moment.
func (h history) fails(ctx context.Context, metric v1alpha1.Metric, at time.Time, exposed time.Duration) (bool, error) {
	threshold, err := analysis.ParseThreshold(metric.Threshold.Min, metric.Threshold.Max)
	if err != nil {
		return false, fmt.Errorf("metric %s: %w", metric.Name, err)
	}
	value, _, err := h.api.Query(ctx, expression(metric, exposed), at)
	if err != nil {
		return false, fmt.Errorf("ask Prometheus for %s at %s: %w", metric.Name, at.Format(time.TimeOnly), err)
	}
	sample := analysis.Sample{}
	if vector, ok := value.(model.Vector); ok && len(vector) == 1 {
		sample = analysis.Number(float64(vector[0].Value))
	}
	verdict := analysis.Judge(analysis.Metric{Threshold: threshold}, analysis.Evidence{Sample: sample}).Verdict
	return verdict == analysis.Fail, nil
}

// expression is the query of a built-in metric, which looks back no further than the canary has had traffic.
func expression(metric v1alpha1.Metric, exposed time.Duration) string {
	window := max(min(metric.Window.Duration, exposed), time.Second)
	backend := prometheus.Backend{Namespace: namespace, Service: canaryService, Window: fmt.Sprintf("%dms", window.Milliseconds())}
	if metric.Name == "latency" {
		return prometheus.TraefikLatency(backend, metric.Quantile)
	}
	return prometheus.TraefikSuccessRate(backend)
}
