package gateway

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// handler serves:
//
//	GET  /metrics             Traefik's metrics
//	GET  /traffic             a Report of what clients received
//	POST /traffic/rate?rps=N  changes the requests per second of each route
//	GET  /healthz             200 once the gateway knows the cluster
func handler(s *simulator, synced func() bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /traffic", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		// An error here is a client that has hung up.
		_ = json.NewEncoder(w).Encode(s.report(time.Now()))
	})
	mux.HandleFunc("POST /traffic/rate", func(w http.ResponseWriter, r *http.Request) {
		given := r.URL.Query().Get("rps")
		rate, err := strconv.ParseFloat(given, 64)
		if err != nil || !(rate >= 0) || math.IsInf(rate, 0) {
			http.Error(w, fmt.Sprintf("rps=%q: want a number of requests per second, 0 or more", given), http.StatusBadRequest)
			return
		}
		s.setRate(rate)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !synced() {
			http.Error(w, "still reading the cluster", http.StatusServiceUnavailable)
		}
	})
	return mux
}
