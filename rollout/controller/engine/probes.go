package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	probeReadTimeout     = 5 * time.Second
	probeShutdownTimeout = 5 * time.Second
)

// Probes answers the kubelet and Prometheus:
//
//   - /healthz is 200 unless a pass of one of Queues is stuck (see Queue.Stuck). It asks no other system, so that an outage
//     of the API server restarts nobody.
//   - /readyz is 200 once all of Synced are. It says nothing of the lease: a standby is ready, or else no rolling update of the
//     controller itself would ever finish.
//   - /metrics serves Metrics, where there are any.
type Probes struct {
	Queues  []*Queue
	Synced  map[string]func() bool // by the name under which /readyz lists what is missing
	Metrics prometheus.Gatherer
}

// Handler returns the handler of the three paths.
func (p Probes) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, p.alive()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answer(w, p.ready()) })
	if p.Metrics != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(p.Metrics, promhttp.HandlerOpts{}))
	}
	return mux
}

// Serve answers on addr ("host:port") until ctx ends, and then finishes the requests it has within five seconds.
func (p Probes) Serve(ctx context.Context, addr string) error {
	var listening net.ListenConfig
	listener, err := listening.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("serve probes on %q: %w", addr, err)
	}
	return p.ServeOn(ctx, listener)
}

// ServeOn is Serve on a listener, which it closes.
func (p Probes) ServeOn(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: p.Handler(), ReadHeaderTimeout: probeReadTimeout}
	down := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeShutdownTimeout)
		defer cancel()
		down <- server.Shutdown(grace)
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return fmt.Errorf("serve probes on %s: %w", listener.Addr(), err)
	}
	if err := <-down; err != nil {
		return fmt.Errorf("shut down the probes: %w", err)
	}
	return nil
}

func (p Probes) alive() error {
	for _, q := range p.Queues {
		if key, running, stuck := q.Stuck(); stuck {
			return fmt.Errorf("queue %s: the pass over %s has been running for %s", q.opts.Name, key, running.Round(time.Second))
		}
	}
	return nil
}

func (p Probes) ready() error {
	var missing []string
	for name, synced := range p.Synced {
		if !synced() {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return fmt.Errorf("not synced: %s", strings.Join(missing, ", "))
}

func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ok") // The only reader is a kubelet that has hung up.
}
