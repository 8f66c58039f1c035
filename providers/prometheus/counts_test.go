package prometheus_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/providers/prometheus"
)

// stream is one series of a range.
type stream struct {
	Metric map[string]string `json:"metric"`
	Values [][2]any          `json:"values"`
}

// counting is a source whose server answers each expression with its range, and checks what range is asked for.
func counting(t *testing.T, ranges map[string][]stream) *prometheus.Source {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := map[string]string{"start": "1767225540", "end": "1767225600", "step": "60"}
		for name, value := range want {
			if r.FormValue(name) != value {
				http.Error(w, fmt.Sprintf(`{"status":"error","errorType":"bad_data","error":"%s is %s"}`, name, r.FormValue(name)), http.StatusBadRequest)
				return
			}
		}
		result := ranges[r.FormValue("query")]
		if result == nil {
			result = []stream{}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}})
	}))
	t.Cleanup(server.Close)
	source, err := prometheus.New(server.URL, nil)
	require.NoError(t, err)
	return source
}

var (
	end     = time.Unix(1767225600, 0).UTC()
	batches = analysis.Query{At: end, Window: time.Minute, Counts: analysis.CountsQuery{Requests: "requests", Bad: "bad", Buckets: "buckets", Revision: "revision", Batches: 2}}
)

func at(minutes int, value string) [2]any {
	return [2]any{end.Add(time.Duration(minutes) * time.Minute).Unix(), value}
}

func TestCountsComePerRevisionSeriesAndBatch(t *testing.T) {
	source := counting(t, map[string][]stream{
		"requests": {
			{map[string]string{"revision": "b", "zone": "x"}, [][2]any{at(-1, "100"), at(0, "50.5")}},
			{map[string]string{"revision": "a"}, [][2]any{at(0, "900")}},
		},
		"bad": {{map[string]string{"revision": "b", "zone": "x"}, [][2]any{at(0, "3")}}},
		"buckets": {
			{map[string]string{"revision": "a", "le": "+Inf"}, [][2]any{at(0, "900")}},
			{map[string]string{"revision": "a", "le": "0.5"}, [][2]any{at(0, "880")}},
		},
	})
	got, err := source.Query(t.Context(), batches)
	require.NoError(t, err)
	require.Empty(t, got.Series)
	zone := map[string]string{"zone": "x"}
	require.Equal(t, []analysis.Counts{
		{Revision: "b", Labels: zone, From: end.Add(-2 * time.Minute), To: end.Add(-time.Minute), Requests: 100},
		{Revision: "a", From: end.Add(-time.Minute), To: end, Requests: 900, Buckets: []analysis.Bucket{{UpperBound: 0.5, Count: 880}, {UpperBound: math.Inf(1), Count: 900}}},
		{Revision: "b", Labels: zone, From: end.Add(-time.Minute), To: end, Requests: 50.5, Bad: 3},
	}, got.Counts)
}

func TestCountsOfNothingAreNothing(t *testing.T) {
	got, err := counting(t, nil).Query(t.Context(), batches)
	require.NoError(t, err)
	require.Equal(t, analysis.Sample{}, got)
}

func TestCountsThatCannotBeAreErrors(t *testing.T) {
	for value, want := range map[string]string{"NaN": "counts nothing", "+Inf": "counts nothing", "-1": "counts nothing"} {
		source := counting(t, map[string][]stream{"requests": {{map[string]string{}, [][2]any{at(0, value)}}}})
		_, err := source.Query(t.Context(), batches)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "for requests")
	}
	source := counting(t, map[string][]stream{"requests": {{map[string]string{}, [][2]any{at(0, "5")}}}, "bad": {{map[string]string{}, [][2]any{at(0, "6")}}}})
	_, err := source.Query(t.Context(), batches)
	require.ErrorContains(t, err, "6 bad requests and the other expression 5 in all")

	source = counting(t, map[string][]stream{"buckets": {{map[string]string{"pod": "a"}, [][2]any{at(0, "5")}}}})
	_, err = source.Query(t.Context(), batches)
	require.ErrorContains(t, err, "no bound in its label le")
}

func TestAQueryOfCountsMustMakeSense(t *testing.T) {
	for want, change := range map[string]func(*analysis.Query){
		"the window is 0s":                       func(q *analysis.Query) { q.Window = 0 },
		"counted together or not at all":         func(q *analysis.Query) { q.Counts.Bad = "" },
		"there is no expression":                 func(q *analysis.Query) { q.Counts = analysis.CountsQuery{Revision: "x"} },
		"101 batches are asked for; at most 100": func(q *analysis.Query) { q.Counts.Batches = 101 },
	} {
		q := batches
		change(&q)
		_, err := counting(t, nil).Query(t.Context(), q)
		require.ErrorContains(t, err, want)
	}
}
