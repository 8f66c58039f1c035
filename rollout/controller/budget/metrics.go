package budget

import "github.com/prometheus/client_golang/prometheus"

// metrics carry no label that grows with the number of objects or servers.
type metrics struct {
	inFlight, waiting *prometheus.GaugeVec
	coalesced         *prometheus.CounterVec
	waited            *prometheus.HistogramVec
}

func newMetrics(register prometheus.Registerer) metrics {
	labels := []string{"of"}
	m := metrics{
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "queries_in_flight",
			Help: "Questions under way, by the kind of who is asked."}, labels),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "queries_waiting",
			Help: "Questions that are due and wait for their turn."}, labels),
		coalesced: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "queries_coalesced_total",
			Help: "Questions that joined an equal one which waited already, and were not asked themselves."}, labels),
		waited: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "queries_wait_seconds",
			Help: "How long a question that was asked had waited for its turn.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 9)}, labels),
	}
	for _, kind := range []Kind{Own, Providers, Gates} {
		m.coalesced.WithLabelValues(string(kind)) // A rate() over a series that begins with its first increase misses that one.
	}
	if register != nil {
		register.MustRegister(m.inFlight, m.waiting, m.coalesced, m.waited)
	}
	return m
}
