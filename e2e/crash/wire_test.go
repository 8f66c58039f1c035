//go:build integration

package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
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

// wire leads from one controller to the API server.
type wire struct {
	// kubeconfig is the path of the file that leads a controller through the wire.
	kubeconfig string
	server     *httptest.Server
	upstream   http.RoundTripper
	safety     *safety
	die        func()

	mu      sync.Mutex
	luck    luck             // follows mu
	writes  int              // follows mu
	deaths  int              // follows mu
	last    time.Time        // follows mu
	streams map[*stream]bool // follows mu
}

// newWire makes a wire that has good luck until told otherwise. die kills the controller at its end and returns when it is dead.
func newWire(dir string, safety *safety, die func()) (*wire, error) {
	host, err := url.Parse(cluster.Config.Host)
	if err != nil {
		return nil, fmt.Errorf("read the API server's address: %w", err)
	}
	w := &wire{kubeconfig: filepath.Join(dir, "kubeconfig"), safety: safety, die: die, luck: good(), last: time.Now(), streams: map[*stream]bool{}}
	if w.upstream, err = rest.TransportFor(cluster.Config); err != nil {
		return nil, fmt.Errorf("connect a wire: %w", err)
	}
	proxy := httputil.NewSingleHostReverseProxy(host)
	proxy.FlushInterval = -1
	proxy.Transport = w
	// What fails here fails for the controller, too; a controller that has died is behind most of it.
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	w.server = httptest.NewUnstartedServer(proxy)
	w.server.Config.ErrorLog = proxy.ErrorLog
	w.server.Start()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return w, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"wire": {Server: w.server.URL}},
		Contexts:       map[string]*clientcmdapi.Context{"wire": {Cluster: "wire"}},
		CurrentContext: "wire",
	}, w.kubeconfig)
}

// close ends the wire; the controller has to be dead by then.
func (w *wire) close() {
	w.server.CloseClientConnections()
	w.server.Close()
}

// meets changes the luck and starts to count anew.
func (w *wire) meets(luck luck) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.luck, w.writes, w.deaths = luck, 0, 0
}

// tally is how many writes and deaths there were, and how long no write has been made.
func (w *wire) tally() (writes, deaths int, calm time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writes, w.deaths, time.Since(w.last)
}

var requests = request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}

// identify says what a request is about, and counts it.
func (w *wire) identify(r *http.Request) (call, luck) {
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
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	c, luck := w.identify(r)
	fate := luck.call(c)
	if fate.instead != 0 && !fate.done {
		return answer(r, fate.instead)
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
		return nil, errReset
	}
	if fate.instead != 0 {
		return answer(r, fate.instead)
	}
	return response, nil
}

// open begins to stream what a watch has to say.
func (w *wire) open(c call, source io.ReadCloser) *stream {
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
func (w *wire) late(c call) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.luck.late(c)
}

// cut ends the watches of one kind.
func (w *wire) cut(kind string) {
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
func (w *wire) forward(r *http.Request, c call) (*http.Response, error) {
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

// answer is what the controller gets instead of the API server's answer, in its words.
func answer(r *http.Request, code int) (*http.Response, error) {
	if code == reset {
		return nil, errReset
	}
	reasons := map[int]metav1.StatusReason{
		http.StatusInternalServerError: metav1.StatusReasonInternalError, http.StatusConflict: metav1.StatusReasonConflict,
		http.StatusTooManyRequests: metav1.StatusReasonTooManyRequests, http.StatusGatewayTimeout: metav1.StatusReasonTimeout,
	}
	text, err := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure,
		Code: int32(code), Reason: reasons[code], Message: "bad luck",
	})
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if code == http.StatusTooManyRequests {
		header.Set("Retry-After", "1")
	}
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: header, Body: io.NopCloser(bytes.NewReader(text)), ContentLength: int64(len(text)),
	}, nil
}
