//go:build integration

package sandbox

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// double stands in for the servers that examples ask: it answers as it was told, and remembers who asked. A question in PromQL
// is answered as Prometheus would.
type double struct {
	address string

	mu      sync.Mutex
	answers map[string]reply // follows mu
	calls   []asked          // follows mu
}

type reply struct {
	status int
	body   string
}

// asked is one question.
type asked struct {
	uri, body string
	header    http.Header
}

func newDouble(t *testing.T) *double {
	d := &double{answers: map[string]reply{}}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	d.address = server.URL
	return d
}

// say answers every question whose URI contains a text, unless a longer text fits.
func (d *double) say(about string, status int, body string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers[about] = reply{status, body}
}

// measure answers every query that contains a text with as many series as there are values.
func (d *double) measure(about string, values ...string) {
	var series []string
	for i, value := range values {
		series = append(series, fmt.Sprintf(`{"metric":{"number":"%d"},"value":[1,%q]}`, i, value))
	}
	d.say(about, http.StatusOK, `{"status":"success","data":{"resultType":"vector","result":[`+strings.Join(series, ",")+`]}}`)
}

// askedAbout are the questions whose URI contains a text.
func (d *double) askedAbout(text string) []asked {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []asked
	for _, call := range d.calls {
		if strings.Contains(call.uri, text) {
			all = append(all, call)
		}
	}
	return all
}

// ServeHTTP answers.
func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	about := r.URL.RequestURI()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if strings.HasPrefix(about, "/api/v1/query") {
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		about = r.FormValue("query")
	}
	d.mu.Lock()
	d.calls = append(d.calls, asked{about, string(body), r.Header.Clone()})
	best, answer := "", reply{http.StatusNotFound, "nobody said what to answer to " + about}
	for text, candidate := range d.answers {
		if strings.Contains(about, text) && len(text) > len(best) {
			best, answer = text, candidate
		}
	}
	d.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.status)
	fmt.Fprint(w, answer.body)
}
