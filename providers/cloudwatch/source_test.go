package cloudwatch_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/sourcetest"
	"github.com/rollout-dev/rollout/providers/cloudwatch"
	"github.com/rollout-dev/rollout/providers/cloudwatch/cloudwatchtest"
)

func options(address string) cloudwatch.Options {
	return cloudwatch.Options{
		Region: "eu-central-1", AccessKeyID: cloudwatchtest.AccessKeyID, SecretAccessKey: cloudwatchtest.SecretAccessKey, Address: address,
		Queries: []cloudwatch.Query{{ID: "errors", Expression: "SELECT SUM(Errors) FROM Shop GROUP BY Pod"}},
	}
}

func TestSourceKeepsTheContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
		address, answer := sourcetest.Server(t, cloudwatchtest.Serve)
		source, err := cloudwatch.New(options(address))
		require.NoError(t, err)
		return sourcetest.Harness{Source: source, Answer: answer, Server: address, Secret: cloudwatchtest.SecretAccessKey, Query: analysis.Query{Window: time.Minute}}
	})
}

func TestPartialDataAreNoAnswer(t *testing.T) {
	for want, body := range map[string]cbor.Map{
		"errors is PartialData": {"MetricDataResults": cbor.List{cloudwatchtest.Result("errors", "PartialData", 1)}},
		"several pages":         {"MetricDataResults": cbor.List{cloudwatchtest.Result("errors", "Complete", 1)}, "NextToken": cbor.String("x")},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { cloudwatchtest.Reply(w, body) }))
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
