package prometheus_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/sourcetest"
	"github.com/rollout-dev/rollout/providers/prometheus"
)

var up = analysis.Query{Text: "up"}

func TestSourceKeepsTheContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
		address, answer := sourcetest.Server(t, func(w http.ResponseWriter, r *http.Request, a sourcetest.Answer) {
			if user, password, _ := r.BasicAuth(); user != "rollout" || password != "geh€im & co" {
				http.Error(w, "log in", http.StatusUnauthorized)
				return
			}
			if r.URL.Path != "/prefix/api/v1/query" || r.FormValue("query") == "" || r.FormValue("time") != "" {
				http.NotFound(w, r)
				return
			}
			serve(w, a)
		})
		u, err := url.Parse(address)
		require.NoError(t, err)
		u.User = url.UserPassword("rollout", "geh€im & co")
		u.Path = "/prefix/"
		source, err := prometheus.New(u.String(), nil)
		require.NoError(t, err)
		return sourcetest.Harness{
			Source: source,
			Query:  analysis.Query{Text: `sum(rate(http_requests_total{code=~"5.."}[1m]))`},
			Answer: answer,
			Server: address + "/prefix",
			Secret: "geh€im & co",
		}
	})
}

// serve speaks Prometheus's HTTP API.
func serve(w http.ResponseWriter, a sourcetest.Answer) {
	if sourcetest.Fail(w, a, `{"status":"error","errorType":"bad_data","error":"1:5: parse error"}`) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	body, err := json.Marshal(map[string]any{"status": "success", "warnings": a.Warnings, "data": data(a)})
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(body)
}

func data(a sourcetest.Answer) map[string]any {
	value := func(v float64) []any { return []any{1767225600.123, strconv.FormatFloat(v, 'g', -1, 64)} }
	if a.Scalar {
		return map[string]any{"resultType": "scalar", "result": value(a.Series[0])}
	}
	series := []any{}
	for i, v := range a.Series {
		series = append(series, map[string]any{"metric": map[string]string{"pod": fmt.Sprint("checkout-", i)}, "value": value(v)})
	}
	return map[string]any{"resultType": "vector", "result": series}
}

// answering is a source whose server always answers this, with the parameters of the last query.
func answering(t *testing.T, body string) (*prometheus.Source, func() url.Values) {
	var form atomic.Pointer[url.Values]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		form.Store(&r.Form)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	source, err := prometheus.New(server.URL, nil)
	require.NoError(t, err)
	return source, func() url.Values { return *form.Load() }
}

func TestSourceExplainsResultsThatAreNoNumber(t *testing.T) {
	for body, want := range map[string]string{
		`{"resultType":"matrix","result":[{"metric":{"pod":"a"},"values":[[1,"1"]]}]}`:                                         "a range of samples",
		`{"resultType":"string","result":[1,"hello"]}`:                                                                         "not one of Prometheus's API",
		`{"resultType":"vector","result":[{"metric":{},"histogram":[1,{"count":"1","sum":"2","buckets":[[0,"0","1","1"]]}]}]}`: "histogram_quantile",
	} {
		source, _ := answering(t, `{"status":"success","data":`+body+`}`)
		_, err := source.Query(t.Context(), up)
		require.ErrorContains(t, err, want)
	}
}

func TestSourceDoesNotLetAServerSendMillionsOfSeries(t *testing.T) {
	source, form := answering(t, `{"status":"success","data":{"resultType":"vector","result":[]}}`)
	_, err := source.Query(t.Context(), up)
	require.NoError(t, err)
	require.Equal(t, "1001", form().Get("limit"))

	source, _ = answering(t, `{"status":"success","data":{"resultType":"vector","result":[`+strings.Repeat(`{"metric":{},"value":[1,"1"]},`, 100_000)+`{"metric":{},"value":[1,"1"]}]}}`)
	_, err = source.Query(t.Context(), up)
	require.Error(t, err)
	require.Less(t, len(err.Error()), 1000)
}

func TestSourceQuotesLongQueriesShortly(t *testing.T) {
	source, _ := answering(t, "{}")
	_, err := source.Query(t.Context(), analysis.Query{Text: strings.Repeat("up +\n", 1000) + "up"})
	require.ErrorContains(t, err, "up + up + ")
	require.Less(t, len(err.Error()), 1000)
}

func TestSourceKeepsItsCredentialsFromOtherServers(t *testing.T) {
	var leaked atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _, sent := r.BasicAuth()
		leaked.Store(sent)
		serve(w, sourcetest.Answer{Series: []float64{1}})
	}))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	source, err := prometheus.New(strings.Replace(server.URL, "://", "://rollout:secret@", 1), nil)
	require.NoError(t, err)
	got, err := source.Query(t.Context(), up)
	require.NoError(t, err)
	require.Equal(t, 1.0, got.Series[0].Value)
	require.False(t, leaked.Load())
}

func TestSourceNamesAServerThatIsNotThere(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	source, err := prometheus.New(server.URL, nil)
	require.NoError(t, err)
	_, err = source.Query(t.Context(), up)
	require.ErrorContains(t, err, "ask Prometheus at "+server.URL+" for up: ")
	require.ErrorContains(t, err, "connection refused")
	require.Equal(t, 1, strings.Count(err.Error(), server.URL))
}

func TestNewRefusesAddressesItCannotAsk(t *testing.T) {
	for address, want := range map[string]string{
		"":                           "begins with",
		"prometheus:9090":            "begins with",
		"ftp://prometheus":           `begins with "ftp"`,
		"http://":                    "names no host",
		"http://prometheus/?token=x": "? or #",
		"http://u:secret@prom:port/": "not a URL",
		"http://u:secret@prom/#x":    "? or #",
		"http://u:secret@pro m:9090": "not a URL",
	} {
		_, err := prometheus.New(address, nil)
		require.ErrorContains(t, err, want, address)
		require.ErrorContains(t, err, "http://prometheus.monitoring:9090")
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestSourceTellsInfinityFromNoData(t *testing.T) {
	source, _ := answering(t, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"-Inf"]}]}}`)
	got, err := source.Query(t.Context(), up)
	require.NoError(t, err)
	require.Equal(t, analysis.Number(math.Inf(-1)), got)
}

func TestSourceRefusesMoreSeriesThanAnybodyCompares(t *testing.T) {
	many := strings.Repeat(`{"metric":{"pod":"a"},"value":[1,"1"]},`, 1000)
	source, _ := answering(t, `{"status":"success","data":{"resultType":"vector","result":[`+many+`{"metric":{},"value":[1,"1"]}]}}`)
	_, err := source.Query(t.Context(), up)
	require.ErrorContains(t, err, "more than 1000 series; aggregate them with sum(...)")
}

func TestSourceKeepsTheLabelsOfSeries(t *testing.T) {
	source, _ := answering(t, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"pod":"a","code":"200"},"value":[1,"2"]},{"metric":{"pod":"b"},"value":[1,"NaN"]}]}}`)
	got, err := source.Query(t.Context(), up)
	require.NoError(t, err)
	require.Equal(t, analysis.Series{Labels: map[string]string{"pod": "a", "code": "200"}, Value: 2}, got.Series[0])
	require.True(t, math.IsNaN(got.Series[1].Value))
}

func TestSourceEvaluatesAtTheTimeThatIsAskedFor(t *testing.T) {
	source, form := answering(t, `{"status":"success","data":{"resultType":"vector","result":[]}}`)
	_, err := source.Query(t.Context(), analysis.Query{Text: "up", At: time.Unix(1767225600, 0)})
	require.NoError(t, err)
	require.Equal(t, "1767225600", form().Get("time"))
}

func TestSourceHidesTheSecretsOfItsTransport(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"status":"error","errorType":"execution","error":"no tenant knows s3cr3t"}`)
	}))
	defer server.Close()
	source, err := prometheus.New(server.URL, nil, "s3cr3t")
	require.NoError(t, err)
	_, err = source.Query(t.Context(), up)
	require.ErrorContains(t, err, "***")
	require.NotContains(t, err.Error(), "s3cr3t")
}
