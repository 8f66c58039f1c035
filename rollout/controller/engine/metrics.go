package engine

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The values of the label "result" of queue_passes_total.
const (
	resultSuccess = "success"
	resultError   = "error"
	resultPanic   = "panic"
	resultStale   = "stale"
)

// panicError marks the error that a panic was turned into.
type panicError struct{ error }

func resultOf(err error) string {
	var p panicError
	switch {
	case err == nil:
		return resultSuccess
	case errors.Is(err, ErrStale):
		return resultStale
	case errors.As(err, &p):
		return resultPanic
	default:
		return resultError
	}
}

// queueMetrics carries no label that grows with the number of objects.
type queueMetrics struct {
	passes   *prometheus.CounterVec
	duration prometheus.Histogram
}

func newQueueMetrics(opts QueueOptions, depth func() int) *queueMetrics {
	labels := prometheus.Labels{"queue": opts.Name}
	m := &queueMetrics{
		passes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "queue_passes_total", ConstLabels: labels,
			Help: "Passes by result. A stale pass was skipped because the caches did not show its own writes yet.",
		}, []string{"result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "queue_pass_duration_seconds", ConstLabels: labels,
			Help:    "How long a pass took, whatever its result.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
		}),
	}
	for _, result := range []string{resultSuccess, resultError, resultPanic, resultStale} {
		m.passes.WithLabelValues(result) // A rate() over a series that begins with its first failure misses that failure.
	}
	if opts.Metrics != nil {
		opts.Metrics.MustRegister(m.passes, m.duration, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "queue_depth", ConstLabels: labels,
			Help: "Keys that wait for a worker; those that wait for a time are not counted.",
		}, func() float64 { return float64(depth()) }))
	}
	return m
}

func (m *queueMetrics) observe(result string, d time.Duration) {
	m.passes.WithLabelValues(result).Inc()
	m.duration.Observe(d.Seconds())
}
