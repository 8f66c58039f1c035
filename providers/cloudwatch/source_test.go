package cloudwatch_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/sourcetest"
	"github.com/rollout-dev/rollout/providers/cloudwatch"
)

const secret = "aws+secret/key"

func options(address string) cloudwatch.Options {
	return cloudwatch.Options{
		Region: "eu-central-1", AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: secret, Address: address,
		Queries: []cloudwatch.Query{{ID: "errors", Expression: "SELECT SUM(Errors) FROM Shop GROUP BY Pod"}},
	}
}

func TestSourceKeepsTheContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
		address, answer := sourcetest.Server(t, serve)
		source, err := cloudwatch.New(options(address))
		require.NoError(t, err)
		return sourcetest.Harness{Source: source, Answer: answer, Server: address, Secret: secret, Query: analysis.Query{Window: time.Minute}}
	})
}

// serve speaks Smithy's protocol rpc-v2-cbor.
func serve(w http.ResponseWriter, r *http.Request, a sourcetest.Answer) {
	switch {
	case sourcetest.Fail(w, a, "not CBOR"):
		return
	case !strings.HasSuffix(r.URL.Path, "/operation/GetMetricData") || !strings.Contains(r.Header.Get("Authorization"), "Credential=AKIAEXAMPLE/"):
		http.NotFound(w, r)
		return
	}
	results := cbor.List{}
	for i, value := range a.Series {
		results = append(results, result(fmt.Sprint("errors", i), "Complete", value, -1))
	}
	reply(w, cbor.Map{"MetricDataResults": results})
}

func result(label, status string, values ...float64) cbor.Map {
	times, numbers := cbor.List{}, cbor.List{}
	for i, value := range values {
		times = append(times, &cbor.Tag{ID: 1, Value: cbor.Float64(1767225600 - 60*i)})
		numbers = append(numbers, cbor.Float64(value))
	}
	return cbor.Map{"Id": cbor.String("errors"), "Label": cbor.String(label), "StatusCode": cbor.String(status), "Timestamps": times, "Values": numbers}
}

func reply(w http.ResponseWriter, body cbor.Map) {
	w.Header().Set("Content-Type", "application/cbor")
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	_, _ = w.Write(cbor.Encode(body))
}

func TestPartialDataAreNoAnswer(t *testing.T) {
	for want, body := range map[string]cbor.Map{
		"errors is PartialData": {"MetricDataResults": cbor.List{result("errors", "PartialData", 1)}},
		"several pages":         {"MetricDataResults": cbor.List{result("errors", "Complete", 1)}, "NextToken": cbor.String("x")},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reply(w, body) }))
		defer server.Close()
		source, err := cloudwatch.New(options(server.URL))
		require.NoError(t, err)
		_, err = source.Query(t.Context(), analysis.Query{Window: time.Minute})
		require.ErrorContains(t, err, want)
	}
}

func TestAnErrorOfTheServiceSaysWhatItSaid(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/cbor")
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(cbor.Encode(cbor.Map{"__type": cbor.String("com.amazonaws.cloudwatch#InvalidParameterValueException"), "message": cbor.String("the expression is invalid")}))
	}))
	defer server.Close()
	source, err := cloudwatch.New(options(server.URL))
	require.NoError(t, err)
	_, err = source.Query(t.Context(), analysis.Query{Window: time.Minute})
	require.ErrorContains(t, err, "the expression is invalid")
}

func TestNewRefusesWhatWouldReachSomewhereElse(t *testing.T) {
	for _, region := range []string{"", "eu-central-1.evil.example", "x/y", "EU-CENTRAL-1"} {
		o := options("")
		o.Region = region
		_, err := cloudwatch.New(o)
		require.ErrorContains(t, err, "region is")
	}
	o := options("")
	o.SecretAccessKey = ""
	_, err := cloudwatch.New(o)
	require.ErrorContains(t, err, "access key is empty")
}
