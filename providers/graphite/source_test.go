package graphite_test

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
	"github.com/rollout-dev/rollout/analysis/sourcetest"
	"github.com/rollout-dev/rollout/providers/graphite"
	"github.com/rollout-dev/rollout/providers/graphite/graphitetest"
)

func TestSourceKeepsTheContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
		address, answer := sourcetest.Server(t, graphitetest.Serve)
		u, err := url.Parse(address)
		require.NoError(t, err)
		transport := outbound.Authorized(http.DefaultTransport, u, func(r *http.Request) error { r.Header.Set(graphitetest.KeyHeader, graphitetest.Key); return nil })
		source, err := graphite.New(address, outbound.Client(transport), graphitetest.Key)
		require.NoError(t, err)
		return sourcetest.Harness{
			Source: source, Answer: answer, Server: address, Secret: graphitetest.Key,
			Query: analysis.Query{Text: "sumSeries(shop.checkout.*.errors)", Window: time.Minute},
			// graphite-web writes null for NaN, which is no point at all.
			Unspeakable: func(a sourcetest.Answer) bool { return len(a.Series) > 0 && hasNaN(a.Series) },
		}
	})
}

func hasNaN(values []float64) bool {
	return slices.ContainsFunc(values, math.IsNaN)
}

func TestSourceAsksForTheWindow(t *testing.T) {
	var form url.Values
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		form = r.PostForm
		fmt.Fprint(w, `[{"target":"a","datapoints":[[null,1]]}]`)
	}))
	defer server.Close()
	source, err := graphite.New(server.URL+"/", nil)
	require.NoError(t, err)
	got, err := source.Query(t.Context(), analysis.Query{Text: "a", Window: 90 * time.Second, At: time.Unix(1000, 0)})
	require.NoError(t, err)
	require.Equal(t, analysis.Sample{}, got, "a series of null has no value")
	require.Equal(t, url.Values{"target": {"a"}, "format": {"json"}, "from": {"910"}, "until": {"1000"}}, form)
}
