package influxdb_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/sourcetest"
	"github.com/rollout-dev/rollout/providers/influxdb"
	"github.com/rollout-dev/rollout/providers/influxdb/influxdbtest"
)

func TestSourceKeepsTheContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
		address, answer := sourcetest.Server(t, influxdbtest.Serve)
		source, err := influxdb.New(address, influxdbtest.Organization, influxdbtest.Token, nil)
		require.NoError(t, err)
		return sourcetest.Harness{
			Source: source, Answer: answer, Server: address, Secret: influxdbtest.Token,
			Query: analysis.Query{Text: `from(bucket: "http") |> range(start: -60s) |> mean()`, Window: time.Minute},
		}
	})
}

func answering(t *testing.T, body string) *influxdb.Source {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	source, err := influxdb.New(server.URL, influxdbtest.Organization, influxdbtest.Token, nil)
	require.NoError(t, err)
	return source
}

func TestSourceTellsTablesApartByTheirGroupKey(t *testing.T) {
	got, err := answering(t, influxdbtest.Head+",,0,2026-01-01T00:00:00Z,0.5,a\r\n,,1,2026-01-01T00:00:00Z,,b\r\n\r\n").Query(t.Context(), analysis.Query{Text: "x"})
	require.NoError(t, err)
	require.Equal(t, []analysis.Series{{Labels: map[string]string{"pod": "a"}, Value: 0.5}}, got.Series, "a row without a value is none")
}

func TestAnErrorInTheMiddleOfAnAnswerIsAnError(t *testing.T) {
	_, err := answering(t, influxdbtest.Head+",,0,2026-01-01T00:00:00Z,0.5,a\r\n\r\n#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,query terminated: memory limit,897\r\n").
		Query(t.Context(), analysis.Query{Text: "x"})
	require.ErrorContains(t, err, "memory limit")
}
