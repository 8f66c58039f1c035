package newrelic_test

import (
	"encoding/json"
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
	"github.com/rollout-dev/rollout/providers/newrelic"
	"github.com/rollout-dev/rollout/providers/newrelic/newrelictest"
)

func TestSourceKeepsTheContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
		address, answer := sourcetest.Server(t, newrelictest.Serve)
		source, err := newrelic.New(address+"/graphql", newrelictest.Account, newrelictest.UserKey, nil)
		require.NoError(t, err)
		return sourcetest.Harness{
			Source: source, Answer: answer, Server: address, Secret: newrelictest.UserKey,
			Query: analysis.Query{Text: "SELECT average(duration) FROM Transaction FACET host", Window: time.Minute},
			// JSON has no words for them.
			Unspeakable: func(a sourcetest.Answer) bool {
				return slices.ContainsFunc(a.Series, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
			},
		}
	})
}

// answering is a source whose server always answers this, and the NRQL it was last asked.
func answering(t *testing.T, body string) (*newrelic.Source, *string) {
	asked := new(string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q newrelictest.Request
		_ = json.NewDecoder(r.Body).Decode(&q)
		*asked = q.Variables.NRQL
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	source, err := newrelic.New(server.URL, newrelictest.Account, newrelictest.UserKey, nil)
	require.NoError(t, err)
	return source, asked
}

func results(list string) string {
	return `{"data":{"actor":{"account":{"nrql":{"results":` + list + `}}}}}`
}

func TestSourceLooksBackByTheWindowUnlessTheQuerySaysSince(t *testing.T) {
	source, asked := answering(t, results(`[{"count":1}]`))
	_, err := source.Query(t.Context(), analysis.Query{Text: "SELECT count(*) FROM T", Window: 90 * time.Second})
	require.NoError(t, err)
	require.Equal(t, "SELECT count(*) FROM T SINCE 90 seconds ago", *asked)
	_, err = source.Query(t.Context(), analysis.Query{Text: "SELECT count(*) FROM T since 1 hour ago", Window: 90 * time.Second})
	require.NoError(t, err)
	require.Equal(t, "SELECT count(*) FROM T since 1 hour ago", *asked)
}

func TestSourceReadsNestedNumbersAndLeavesTimesAndNullsOut(t *testing.T) {
	source, _ := answering(t, results(`[{"percentile.duration":{"99":0.5},"average.x":null,"beginTimeSeconds":1,"facet":"a"}]`))
	got, err := source.Query(t.Context(), analysis.Query{Text: "SELECT"})
	require.NoError(t, err)
	require.Equal(t, []analysis.Series{{Labels: map[string]string{"facet": "a", "field": "percentile.duration.99"}, Value: 0.5}}, got.Series)
	require.NotNil(t, got.Document)
}

func TestErrorsBesideDataAreErrors(t *testing.T) {
	source, _ := answering(t, `{"data":{"actor":{"account":{"nrql":null}}},"errors":[{"message":"NRQL Syntax Error: unknown function"}]}`)
	_, err := source.Query(t.Context(), analysis.Query{Text: "SELECT"})
	require.ErrorContains(t, err, "NRQL Syntax Error")
}
