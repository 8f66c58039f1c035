package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

const (
	callAddress = ":9090"
	webAddress  = ":8080"
	headerTime  = time.Minute
	// drainTime bounds how long the last calls may take.
	drainTime            = 15 * time.Second
	defaultShutdownDelay = 5 * time.Second
)

// shop answers calls.
type shop struct {
	version, pod string
	leaving      atomic.Bool
}

func (s *shop) visit(ctx context.Context) error {
	return grpc.SetHeader(ctx, metadata.Pairs(versionHeader, s.version, podHeader, s.pod))
}

// answer answers those who don't speak gRPC.
func (s *shop) answer(w http.ResponseWriter, _ *http.Request) {
	if s.leaving.Load() {
		// Whoever keeps the connection would come back after the port is closed.
		w.Header().Set("Connection", "close")
	}
	w.Header().Set(versionHeader, s.version)
	w.Header().Set(podHeader, s.pod)
}

// healthz is the readiness probe.
func (s *shop) healthz(w http.ResponseWriter, _ *http.Request) {
	if s.leaving.Load() {
		http.Error(w, "leaving", http.StatusServiceUnavailable)
	}
}

// serve answers calls, and HTTP beside them, as version VERSION until ctx ends and SHUTDOWN_DELAY after that.
func serve(ctx context.Context, getenv func(string) string) error {
	delay := defaultShutdownDelay
	if text := getenv("SHUTDOWN_DELAY"); text != "" {
		var err error
		if delay, err = time.ParseDuration(text); err != nil || delay < 0 {
			return fmt.Errorf("SHUTDOWN_DELAY is %q: want a time of 0s or more with a unit, for example 5s", text)
		}
	}
	pod, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("read the name of the pod: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", callAddress)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", callAddress, err)
	}
	s := &shop{version: getenv("VERSION"), pod: pod}
	calls := grpc.NewServer()
	calls.RegisterService(description(), s)
	web := &http.Server{Addr: webAddress, Handler: s.handler(), ReadHeaderTimeout: headerTime}

	ended := make(chan error, 2)
	go func() { ended <- calls.Serve(listener) }()
	go func() { ended <- web.ListenAndServe() }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	// Unready first and gone last, as the sample application for gateways: clients learn late that this pod is going.
	s.leaving.Store(true)
	<-time.After(delay)
	return finish(calls, web)
}

func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("/", s.answer)
	return mux
}

// finish ends the servers after their last calls.
func finish(calls *grpc.Server, web *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	shut := make(chan error, 1)
	go func() { shut <- web.Shutdown(ctx) }()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		calls.GracefulStop()
	}()
	select {
	case <-finished:
		return <-shut
	case <-ctx.Done():
		calls.Stop()
		return errors.Join(fmt.Errorf("calls were still under way after %s", drainTime), <-shut)
	}
}
