//go:build integration

package crash

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/rollout-dev/rollout/e2e/wire"
)

// call is one request of a controller to the API server.
type call struct {
	verb, resource, subresource, name string
	// write is the number of this call among those that change something, counting from 1; 0 for all others. Leases and
	// events don't count: no release depends on them.
	write int
}

func (c call) String() string {
	text := c.verb + " " + c.resource
	if c.subresource != "" {
		text += "/" + c.subresource
	}
	return strings.TrimSpace(text + " " + c.name)
}

// line leads from one controller to the API server.
type line struct {
	*wire.Wire
	upstream http.RoundTripper
	safety   *safety
	die      func()

	mu      sync.Mutex
	luck    luck             // follows mu
	writes  int              // follows mu
	deaths  int              // follows mu
	last    time.Time        // follows mu
	streams map[*stream]bool // follows mu
}

// newLine makes a line that has good luck until told otherwise. die kills the controller at its end and returns when it is dead.
func newLine(dir string, safety *safety, die func()) (w *line, err error) {
	w = &line{safety: safety, die: die, luck: good(), last: time.Now(), streams: map[*stream]bool{}}
	w.Wire, err = wire.Open(dir, cluster.Config, func(upstream http.RoundTripper) http.RoundTripper {
		w.upstream = upstream
		return w
	})
	return w, err
}

// meets changes the luck and starts to count anew.
func (w *line) meets(luck luck) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.luck, w.writes, w.deaths = luck, 0, 0
}

// tally is how many writes and deaths there were, and how long no write has been made.
func (w *line) tally() (writes, deaths int, calm time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writes, w.deaths, time.Since(w.last)
}

var requests = request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}

// identify says what a request is about, and counts it.
func (w *line) identify(r *http.Request) (call, luck) {
	info, err := requests.NewRequestInfo(r)
	if err != nil {
		return call{verb: r.Method}, good()
	}
	c := call{verb: info.Verb, resource: info.Resource, subresource: info.Subresource, name: info.Name}
	w.mu.Lock()
	defer w.mu.Unlock()
	if changes := slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, c.verb); changes &&
		c.resource != "leases" && c.resource != "events" && !strings.HasSuffix(c.resource, "reviews") && r.URL.Query().Get("dryRun") == "" {
		w.writes++
		w.last = time.Now()
		c.write = w.writes
	}
	return c, w.luck
}

// RoundTrip carries a request to the API server and an answer back, as far as luck will have it.
func (w *line) RoundTrip(r *http.Request) (*http.Response, error) {
	c, luck := w.identify(r)
	fate := luck.call(c)
	if fate.instead != 0 && !fate.done {
		return wire.Fail(r, fate.instead)
	}
	if c.verb == "watch" {
		response, err := w.upstream.RoundTrip(r)
		if err == nil {
			response.Body = w.open(c, response.Body)
		}
		return response, err
	}
	response, err := w.forward(r, c)
	if err != nil {
		return nil, err
	}
	if fate.dies {
		w.mu.Lock()
		w.deaths++
		w.mu.Unlock()
		w.die()
		return nil, wire.ErrReset
	}
	if fate.instead != 0 {
		return wire.Fail(r, fate.instead)
	}
	return response, nil
}

// open begins to stream what a watch has to say.
func (w *line) open(c call, source io.ReadCloser) *stream {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := newStream(c, source, w.late, func(s *stream) {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.streams, s)
	})
	w.streams[s] = true
	return s
}

// late is how late the next thing that a watch has to say arrives.
func (w *line) late(c call) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.luck.late(c)
}

// cut ends the watches of one kind.
func (w *line) cut(kind string) {
	w.mu.Lock()
	open := slices.Collect(maps.Keys(w.streams))
	w.mu.Unlock()
	for _, s := range open {
		if s.call.resource == kind {
			_ = s.Close() // Its reader sees the end of it.
		}
	}
}

// forward carries a request to the API server under the eyes of safety and reads the whole answer.
func (w *line) forward(r *http.Request, c call) (*http.Response, error) {
	var response *http.Response
	send := func() (err error) {
		if response, err = w.upstream.RoundTrip(r); err != nil {
			return err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		response.Body = io.NopCloser(bytes.NewReader(text))
		return err
	}
	var err error
	if c.write == 0 {
		err = send()
	} else {
		err = w.safety.oversee(c, send)
	}
	return response, err
}
