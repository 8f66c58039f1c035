package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// drainTime bounds how long the last requests may take. Together with the default SHUTDOWN_DELAY it is well within
	// the 30 s that Kubernetes gives a pod to end.
	drainTime  = 15 * time.Second
	headerTime = time.Minute
)

// phase is where the application is in its life.
type phase int32

const (
	// starting: not ready, and answers nothing but that.
	starting phase = iota
	serving
	// leaving: not ready any more, but whoever hasn't noticed yet is still served.
	leaving
)

type app struct {
	settings
	phase atomic.Int32
}

func newApp(s settings) *app { return &app{settings: s} }

func (a *app) enter(p phase) { a.phase.Store(int32(p)) }

func (a *app) in() phase { return phase(a.phase.Load()) }

// serve answers requests until ctx ends and the time to leave is over. It takes the listener over.
func (a *app) serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: a.handler(), ReadHeaderTimeout: headerTime}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()

	ready := time.NewTimer(a.startDelay)
	defer ready.Stop()
	for {
		select {
		case <-ready.C:
			a.enter(serving)
		case err := <-ended:
			return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
		case <-ctx.Done():
			return a.leave(context.WithoutCancel(ctx), server)
		}
	}
}

// leave stops being ready first and serving last. Between the two, kube-proxy and gateways learn that this pod is going;
// a pod that closes its port at once refuses the requests of those that learn it late.
func (a *app) leave(ctx context.Context, server *http.Server) error {
	a.enter(leaving)
	wait(ctx, a.shutdownDelay)
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("finish the last requests: %w", err), server.Close())
	}
	return nil
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", a.healthz)
	mux.HandleFunc("/", a.answer)
	return mux
}

// healthz is the readiness probe.
func (a *app) healthz(w http.ResponseWriter, _ *http.Request) {
	if a.in() != serving {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

func (a *app) answer(w http.ResponseWriter, r *http.Request) {
	switch a.in() {
	case starting:
		// Without the headers of an answer: whoever sends a request here did so before this pod was ready.
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	case leaving:
		// A client that keeps its connection would come back after the port is closed. Closing idle connections instead
		// would race with the request that is on its way.
		w.Header().Set("Connection", "close")
	case serving:
	}
	w.Header().Set("X-Version", a.version)
	w.Header().Set("X-Pod", a.pod)
	if a.latency > 0 {
		wait(r.Context(), a.latency)
	}
	if rand.Float64() < a.errorRate {
		w.Header().Set("X-Injected", "true")
		w.WriteHeader(http.StatusInternalServerError)
	}
	fmt.Fprintf(w, "version %s, pod %s\n", a.version, a.pod)
}
