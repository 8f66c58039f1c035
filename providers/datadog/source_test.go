package datadog_test

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/sourcetest"
	"github.com/rollout-dev/rollout/providers/datadog"
	"github.com/rollout-dev/rollout/providers/datadog/datadogtest"
)

func TestSourceKeepsTheContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
		address, answer := sourcetest.Server(t, datadogtest.Serve)
		source, err := datadog.New(address, datadogtest.APIKey, datadogtest.ApplicationKey, nil)
		require.NoError(t, err)
		return sourcetest.Harness{
			Source: source, Answer: answer, Server: address, Secret: datadogtest.ApplicationKey,
			Query: analysis.Query{Text: "sum:trace.http.request.errors{service:checkout} by {pod}.as_count()", Window: time.Minute},
			// JSON has no words for them.
			Unspeakable: func(a sourcetest.Answer) bool {
				return slices.ContainsFunc(a.Series, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
			},
		}
	})
}

func TestSourceTakesAnErrorForOneThoughTheStatusIs200(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"status":"error","error":"Error parsing query: unable to parse","series":[]}`)
	}))
	defer server.Close()
	source, err := datadog.New(server.URL, "api-key", "application-key", nil)
	require.NoError(t, err)
	_, err = source.Query(t.Context(), analysis.Query{Text: "sum:(", Window: time.Minute})
	require.ErrorContains(t, err, "unable to parse")
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	_, err := datadog.New(datadog.DefaultAddress, "", "b", nil)
	require.ErrorContains(t, err, "apiKey is empty")
	_, err = datadog.New(datadog.DefaultAddress, "a", "", nil)
	require.ErrorContains(t, err, "applicationKey is empty")
	_, err = datadog.New("datadoghq.eu", "a", "b", nil)
	require.ErrorContains(t, err, "address")
}
