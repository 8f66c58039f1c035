package web_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
	"github.com/rollout-dev/rollout/analysis/sourcetest"
	"github.com/rollout-dev/rollout/providers/web"
)

const secret = "web & secret"

func TestSourceKeepsTheContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
		address, answer := sourcetest.Server(t, serve)
		u, err := url.Parse(address)
		require.NoError(t, err)
		transport := outbound.Bounded(outbound.Authorized(http.DefaultTransport, u, func(r *http.Request) error { r.Header.Set("X-Key", secret); return nil }))
		source, err := web.New(web.Options{Client: outbound.Client(transport), URL: address + "/ratio", Path: "{.ratio}", Secrets: []string{secret}})
		require.NoError(t, err)
		return sourcetest.Harness{
			Source: source, Answer: answer, Server: address, Secret: secret,
			Query: analysis.Query{Text: address + "/ratio?service=checkout"},
			// JSON has no words for them.
			Unspeakable: func(a sourcetest.Answer) bool {
				return slices.ContainsFunc(a.Series, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
			},
		}
	})
}

func serve(w http.ResponseWriter, r *http.Request, a sourcetest.Answer) {
	switch {
	case sourcetest.Fail(w, a, `{"error":"no"}`):
		return
	case r.Header.Get("X-Key") != secret || r.URL.Path != "/ratio" || r.Header.Get("Accept") != "application/json":
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	var ratio any
	switch len(a.Series) {
	case 0:
	case 1:
		ratio = a.Series[0]
	default:
		ratio = a.Series
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"ratio": ratio})
}

func ask(t *testing.T, document, path string) (analysis.Sample, error) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, document) }))
	defer server.Close()
	source, err := web.New(web.Options{URL: server.URL, Path: path})
	require.NoError(t, err)
	return source.Query(t.Context(), analysis.Query{})
}

func TestSourceGivesTheDocumentThatThePathSelects(t *testing.T) {
	got, err := ask(t, `{"data":{"ok":true,"count":5}}`, "{.data}")
	require.NoError(t, err)
	require.Equal(t, map[string]any{"ok": true, "count": 5.0}, got.Document)
	require.Empty(t, got.Series)

	got, err = ask(t, `{"items":[{"v":1},{"v":"2.5"},{"v":true},{"v":null}]}`, "{.items[*].v}")
	require.NoError(t, err)
	require.Equal(t, []any{1.0, "2.5", true, nil}, got.Document)
	require.Len(t, got.Series, 3)
	require.Equal(t, 2.5, got.Series[1].Value)
	require.Equal(t, 1.0, got.Series[2].Value)
}

func TestAPathThatLeadsNowhereIsAnError(t *testing.T) {
	_, err := ask(t, `{"data":{}}`, "{.data.ratio}")
	require.ErrorContains(t, err, "{.data.ratio} isn't in the answer")
}

func TestNewNamesTheFieldThatIsWrong(t *testing.T) {
	_, err := web.New(web.Options{URL: "http://user:secret@web/"})
	require.ErrorContains(t, err, "url: it holds credentials")
	require.NotContains(t, err.Error(), "secret@")
	_, err = web.New(web.Options{URL: "http://web/", Path: "{.a"})
	require.ErrorContains(t, err, `jsonPath is "{.a"`)
}

func TestAQueryCannotBeSentToAnotherServer(t *testing.T) {
	source, err := web.New(web.Options{URL: "http://web.example/"})
	require.NoError(t, err)
	_, err = source.Query(t.Context(), analysis.Query{Text: "http://other.example/"})
	require.ErrorContains(t, err, "change the server")
}
