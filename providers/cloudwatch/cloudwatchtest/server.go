// Package cloudwatchtest is a double of Amazon CloudWatch.
package cloudwatchtest

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/rollout-dev/rollout/analysis/sourcetest"
)

// The keys to sign with. The double knows the first again, and doesn't verify signatures.
const (
	AccessKeyID     = "AKIAEXAMPLE"
	SecretAccessKey = "aws+secret/key"
)

// Serve speaks Smithy's protocol rpc-v2-cbor to whoever signs with the key.
func Serve(w http.ResponseWriter, r *http.Request, a sourcetest.Answer) {
	switch {
	case sourcetest.Fail(w, a, "not CBOR"):
		return
	case !strings.HasSuffix(r.URL.Path, "/operation/GetMetricData") || !strings.Contains(r.Header.Get("Authorization"), "Credential="+AccessKeyID+"/"):
		http.NotFound(w, r)
		return
	}
	results := cbor.List{}
	for i, value := range a.Series {
		results = append(results, Result(fmt.Sprint("errors", i), "Complete", value, -1))
	}
	Reply(w, cbor.Map{"MetricDataResults": results})
}

// Result is one series, newest value first. The status is Complete, PartialData or InternalError.
func Result(label, status string, values ...float64) cbor.Map {
	times, numbers := cbor.List{}, cbor.List{}
	for i, value := range values {
		times = append(times, &cbor.Tag{ID: 1, Value: cbor.Float64(1767225600 - 60*i)})
		numbers = append(numbers, cbor.Float64(value))
	}
	return cbor.Map{"Id": cbor.String("errors"), "Label": cbor.String(label), "StatusCode": cbor.String(status), "Timestamps": times, "Values": numbers}
}

// Reply writes an answer.
func Reply(w http.ResponseWriter, body cbor.Map) {
	w.Header().Set("Content-Type", "application/cbor")
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	_, _ = w.Write(cbor.Encode(body))
}
