package gate_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
	"github.com/rollout-dev/rollout/providers/gate"
)

// ask asks a server that answers like this.
func ask(t *testing.T, answer http.HandlerFunc) (analysis.Judgement, error) {
	t.Helper()
	server := httptest.NewServer(answer)
	defer server.Close()
	source, err := gate.New(server.URL, outbound.Client(outbound.Bounded(http.DefaultTransport)), "hush-7")
	require.NoError(t, err)
	sample, err := source.Query(t.Context(), analysis.Query{Text: `{"gate":"window"}`, ID: "uid/1/2/window"})
	return analysis.Judge(analysis.Metric{Gate: true}, analysis.Evidence{Sample: sample, Err: err}), err
}

func TestAnAnswerIsAClearWordOrAnError(t *testing.T) {
	for _, c := range []struct {
		status  int
		body    string
		verdict analysis.Verdict
		message string
	}{
		{200, "", analysis.Pass, ""},
		{204, "", analysis.Pass, ""},
		{200, "OK", analysis.Pass, ""},
		{200, `{"anything": "else"}`, analysis.Pass, ""},
		{200, `{"verdict": "pass", "reason": "it is quiet"}`, analysis.Pass, "it is quiet"},
		{200, `{"verdict": "wait", "reason": "until Monday"}`, analysis.Inconclusive, "until Monday"},
		{200, `{"verdict": "fail", "reason": "not this one"}`, analysis.Fail, "not this one"},
		{202, "", analysis.Inconclusive, ""},
		{403, "", analysis.Inconclusive, ""},
		{403, `{"verdict": "fail", "reason": "not this one"}`, analysis.Fail, "not this one"},
		{403, `{"verdict": "pass"}`, analysis.Error, "the status 403 says no"},
		{200, `{"verdict": "maybe"}`, analysis.Error, `"maybe", none of pass, wait and fail`},
		{404, "no such page", analysis.Error, "404 Not Found: no such page"},
		{500, "", analysis.Error, "500 Internal Server Error"},
		{503, `{"verdict": "pass"}`, analysis.Error, "503 Service Unavailable"},
	} {
		got, _ := ask(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		})
		require.Equal(t, c.verdict, got.Verdict, "%d %s", c.status, c.body)
		require.Contains(t, got.Message, c.message)
	}
}

func TestACallIsAPostThatCarriesItsID(t *testing.T) {
	_, err := ask(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.Header.Get(gate.IDHeader) != "uid/1/2/window" || string(body) != `{"gate":"window"}` {
			http.Error(w, "no", http.StatusBadRequest)
		}
	})
	require.NoError(t, err)
}

func TestAnErrorNamesTheServerAndTheCallAndNoSecret(t *testing.T) {
	_, err := ask(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no hush-7 here", http.StatusBadGateway) })
	require.ErrorContains(t, err, "ask gate at http://127.0.0.1")
	require.ErrorContains(t, err, "uid/1/2/window")
	require.NotContains(t, err.Error(), "hush-7")
}

func TestAReasonIsShort(t *testing.T) {
	got, err := ask(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"verdict": "wait", "reason": %q}`, strings.Repeat("ü", 1000))
	})
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("ü", 150), got.Message)
}

func TestAQuestionEndsWithItsContext(t *testing.T) {
	held := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))
	defer server.Close()
	defer close(held)
	source, err := gate.New(server.URL, http.DefaultClient)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = source.Query(ctx, analysis.Query{ID: "a"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestAnAddressIsOneOfHTTP(t *testing.T) {
	_, err := gate.New("ftp://gates.example", http.DefaultClient)
	require.ErrorContains(t, err, "url: ")
}
