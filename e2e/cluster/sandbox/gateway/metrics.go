package gateway

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of Traefik v3 per service, by the same names, labels and default buckets, so that a query written
// for the real gateway works on the simulated one. Like there, only what was sent to a pod is counted: a request for
// which there is no endpoint never reaches a service.
// See https://doc.traefik.io/traefik/observability/metrics/overview/#service-metrics.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func newMetrics() *metrics {
	labels := []string{"code", "method", "protocol", "service"}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "traefik_service_requests_total",
			Help: "Simulated requests that were sent to a service.",
		}, labels),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "traefik_service_request_duration_seconds",
			Help:    "How long simulated requests to a service took.",
			Buckets: []float64{0.1, 0.3, 1.2, 5},
		}, labels),
	}
	m.registry.MustRegister(m.requests, m.durations)
	return m
}

func (m *metrics) record(r request, o outcome) {
	if r.pod == nil {
		return
	}
	labels := []string{strconv.Itoa(httpCode(o)), "GET", "http", r.service}
	if r.route.Kind == kindGRPCRoute {
		labels = []string{strconv.Itoa(grpcCode(o)), "POST", "grpc", r.service}
	}
	m.requests.WithLabelValues(labels...).Inc()
	m.durations.WithLabelValues(labels...).Observe(r.end.Sub(r.start).Seconds())
}

func httpCode(o outcome) int {
	switch o {
	case answered:
		return 200
	case lostPod:
		return 502
	default:
		return 500
	}
}

// grpcCode is a code of gRPC: Traefik takes an answer without any as Unknown, as it gives one itself when it can't
// reach a pod.
func grpcCode(o outcome) int {
	const ok, unknown, internal = 0, 2, 13
	switch o {
	case answered:
		return ok
	case lostPod:
		return unknown
	default:
		return internal
	}
}
