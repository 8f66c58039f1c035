package influxdb_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/sourcetest"
	"github.com/rollout-dev/rollout/providers/influxdb"
)

const secret = "influx-token=="

// head is what an annotated CSV begins with.
const head = "#datatype,string,long,dateTime:RFC3339,double,string\r\n#group,false,false,false,false,true\r\n#default,_result,,,,\r\n,result,table,_time,_value,pod\r\n"

func TestSourceKeepsTheContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
		address, answer := sourcetest.Server(t, serve)
		source, err := influxdb.New(address, "shop", secret, nil)
		require.NoError(t, err)
		return sourcetest.Harness{
			Source: source, Answer: answer, Server: address, Secret: secret,
			Query: analysis.Query{Text: `from(bucket: "http") |> range(start: -60s) |> mean()`, Window: time.Minute},
		}
	})
}

// serve speaks the API of InfluxDB 2.
func serve(w http.ResponseWriter, r *http.Request, a sourcetest.Answer) {
	switch {
	case sourcetest.Fail(w, a, `{"code":"invalid","message":"compilation failed"}`):
		return
	case r.URL.Path != "/api/v2/query" || r.URL.Query().Get("org") != "shop" || r.Header.Get("Authorization") != "Token "+secret:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"code":"unauthorized","message":"unauthorized access"}`)
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	if len(a.Series) == 0 {
		fmt.Fprint(w, "\r\n")
		return
	}
	fmt.Fprint(w, head)
	for i, value := range a.Series {
		fmt.Fprintf(w, ",,%d,2026-01-01T00:00:00Z,-1,checkout-%d\r\n", i, i)
		fmt.Fprintf(w, ",,%d,2026-01-01T00:01:00Z,%s,checkout-%d\r\n", i, strconv.FormatFloat(value, 'g', -1, 64), i)
	}
	fmt.Fprint(w, "\r\n")
}

func answering(t *testing.T, body string) *influxdb.Source {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	source, err := influxdb.New(server.URL, "shop", secret, nil)
	require.NoError(t, err)
	return source
}

func TestSourceTellsTablesApartByTheirGroupKey(t *testing.T) {
	got, err := answering(t, head+",,0,2026-01-01T00:00:00Z,0.5,a\r\n,,1,2026-01-01T00:00:00Z,,b\r\n\r\n").Query(t.Context(), analysis.Query{Text: "x"})
	require.NoError(t, err)
	require.Equal(t, []analysis.Series{{Labels: map[string]string{"pod": "a"}, Value: 0.5}}, got.Series, "a row without a value is none")
}

func TestAnErrorInTheMiddleOfAnAnswerIsAnError(t *testing.T) {
	_, err := answering(t, head+",,0,2026-01-01T00:00:00Z,0.5,a\r\n\r\n#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,query terminated: memory limit,897\r\n").
		Query(t.Context(), analysis.Query{Text: "x"})
	require.ErrorContains(t, err, "memory limit")
}
