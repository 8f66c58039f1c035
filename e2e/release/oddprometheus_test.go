//go:build e2e

package release

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// oddPrometheus leads a controller to the cluster's Prometheus, and answers in its stead while a test wants it to.
type oddPrometheus struct {
	// address is where it listens, dead or alive.
	address string
	well    http.Handler

	mu sync.Mutex
	// server is nil while it is dead; it follows mu.
	server *http.Server
	// odd answers queries; nil while it is well. It follows mu.
	odd http.HandlerFunc
}

// newOddPrometheus makes one that is well.
func (s *shop) newOddPrometheus() *oddPrometheus {
	s.t.Helper()
	upstream, err := url.Parse(s.URLs.Prometheus)
	require.NoError(s.t, err)
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	proxy.ErrorLog = log.New(io.Discard, "", 0) // A controller that gives up is behind most of it.
	p := &oddPrometheus{address: "127.0.0.1:0", well: proxy}
	require.NoError(s.t, p.rise())
	s.t.Cleanup(p.die)
	return p
}

// url is what a controller is told.
func (p *oddPrometheus) url() string { return "http://" + p.address }

// rise makes it listen, from the second time on where it did before.
func (p *oddPrometheus) rise() error {
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		return fmt.Errorf("listen for a controller's queries: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.address = listener.Addr().String()
	p.server = &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
	go func(server *http.Server) { _ = server.Serve(listener) }(p.server) // It ends with the server.
	return nil
}

// die cuts all connections and listens no more.
func (p *oddPrometheus) die() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		_ = p.server.Close() // Whoever still talks to it is what this is about.
		p.server = nil
	}
}

// behave lets queries be answered like this from now on; nil by Prometheus.
func (p *oddPrometheus) behave(odd http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.odd = odd
}

// ServeHTTP answers as Prometheus does, or not.
func (p *oddPrometheus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	answer := p.odd
	p.mu.Unlock()
	if answer == nil {
		answer = p.well.ServeHTTP
	}
	answer(w, r)
}

// answering is an odd answer that is always the same.
func answering(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body) // Whoever asked may be gone.
	}
}

// outage is a way in which Prometheus can't be relied on.
type outage struct {
	begin, end func(*testing.T, *oddPrometheus)
	// verdict is what measurements are meanwhile, and says is part of what people are told.
	verdict, says string
}

// odd is an outage in which queries get a strange answer.
func odd(verdict, says string, answer http.HandlerFunc) outage {
	return outage{
		begin:   func(_ *testing.T, p *oddPrometheus) { p.behave(answer) },
		end:     func(_ *testing.T, p *oddPrometheus) { p.behave(nil) },
		verdict: verdict, says: says,
	}
}

// killed is an outage in which nobody listens.
func killed() outage {
	return outage{
		begin:   func(_ *testing.T, p *oddPrometheus) { p.die() },
		end:     func(t *testing.T, p *oddPrometheus) { require.NoError(t, p.rise()) },
		verdict: "error", says: "connection refused",
	}
}

// slow is an outage in which nobody waits for the answer.
func slow() outage {
	return odd("error", "context deadline exceeded", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // Only then is it noticed that whoever asked is gone.
		<-r.Context().Done()
	})
}
