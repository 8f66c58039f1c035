package analysis_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func measured(verdict analysis.Verdict, seconds int, message string) analysis.Measurement {
	return analysis.Measurement{Metric: "success-rate", Verdict: verdict, At: noon.Add(time.Duration(seconds) * time.Second), Message: message}
}

func TestRecordCountsEachMeasurementOnce(t *testing.T) {
	bad := measured(analysis.Fail, 20, "was 0.91, wanted >= 0.99")
	bad.Value = 0.91
	r := analysis.Record{Metric: "success-rate", Threshold: ">= 0.99"}.
		Add(measured(analysis.Pass, 10, "")).
		Add(bad).
		Add(bad).
		Add(measured(analysis.Error, 15, "older than the last one")).
		Add(measured(analysis.NoData, 30, "the query gave no value"))
	require.Equal(t, analysis.Record{
		Metric: "success-rate", Threshold: ">= 0.99",
		Verdict: analysis.NoData, Message: "the query gave no value", At: noon.Add(30 * time.Second),
		Passes: 1, Failures: 1, NoData: 1,
	}, r)
}

func TestRecordReadBackFromTheAPIDoesNotCountItsLastMeasurementAgain(t *testing.T) {
	bad := measured(analysis.Fail, 0, "was 0.91, wanted >= 0.99")
	bad.At = noon.Add(123456789 * time.Nanosecond)
	r := analysis.Record{}.Add(bad)
	r.At = r.At.Truncate(time.Microsecond).Local() // what metav1.MicroTime keeps
	require.Equal(t, 1, r.Add(bad).Failures)
}

func TestRecordTakesAMeasurementMadeAtTheZeroTime(t *testing.T) {
	require.Equal(t, 1, analysis.Record{}.Add(analysis.Measurement{Verdict: analysis.Fail}).Failures)
}

func TestRecordIgnoresAMeasurementWithoutAVerdict(t *testing.T) {
	r := analysis.Record{}.Add(measured(analysis.Pass, 10, ""))
	require.Equal(t, r, r.Add(measured("", 20, "")))
}

func TestConclude(t *testing.T) {
	success := analysis.Metric{Name: "success-rate", Threshold: analysis.Threshold{Text: ">= 0.99"}}
	latency := analysis.Metric{Name: "latency", Threshold: analysis.Threshold{Text: "<= 500ms"}}
	tolerant := func(limit int) analysis.Metric {
		m := success
		m.FailureLimit = limit
		return m
	}
	record := func(name string, verdict analysis.Verdict, seconds, failures int, message string) analysis.Record {
		return analysis.Record{Metric: name, Verdict: verdict, Failures: failures, Message: message, At: noon.Add(time.Duration(seconds) * time.Second)}
	}
	const missed = "was 0.91, wanted >= 0.99"
	for _, c := range []struct {
		name    string
		metrics []analysis.Metric
		records []analysis.Record
		verdict analysis.Verdict
		reason  string
	}{
		{"no metrics", nil, nil, analysis.Pass, ""},
		{
			"all pass", []analysis.Metric{success, latency},
			[]analysis.Record{record("latency", analysis.Pass, 0, 0, ""), record("success-rate", analysis.Pass, 5, 0, "")},
			analysis.Pass, "",
		},
		{
			"one failure where none is allowed", []analysis.Metric{success},
			[]analysis.Record{record("success-rate", analysis.Fail, 5, 1, missed)},
			analysis.Fail, "success-rate was 0.91, wanted >= 0.99",
		},
		{
			"several at once where none is allowed", []analysis.Metric{success},
			[]analysis.Record{record("success-rate", analysis.Fail, 5, 2, missed)},
			analysis.Fail, "success-rate was 0.91, wanted >= 0.99; it failed twice and no failure is allowed",
		},
		{
			"a failure under an earlier split", []analysis.Metric{success},
			[]analysis.Record{record("success-rate", analysis.Fail, -5, 1, missed)},
			analysis.Fail, "success-rate was 0.91, wanted >= 0.99",
		},
		{
			"a pass after too many failures", []analysis.Metric{tolerant(1)},
			[]analysis.Record{record("success-rate", analysis.Pass, 5, 2, "")},
			analysis.Fail, "success-rate was not >= 0.99; it failed twice and 1 failure is allowed",
		},
		{
			"the fourth failure of three", []analysis.Metric{tolerant(3)},
			[]analysis.Record{record("success-rate", analysis.Fail, 5, 4, missed)},
			analysis.Fail, "success-rate was 0.91, wanted >= 0.99; it failed 4 times and 3 failures are allowed",
		},
		{
			"the third failure of three holds", []analysis.Metric{tolerant(3)},
			[]analysis.Record{record("success-rate", analysis.Fail, 5, 3, missed)},
			"", "success-rate was 0.91, wanted >= 0.99; it failed 3 times and 3 failures are allowed",
		},
		{
			"a failed metric behind one without data", []analysis.Metric{latency, success},
			[]analysis.Record{record("latency", analysis.NoData, 5, 0, "the query gave no value"), record("success-rate", analysis.Fail, 5, 1, missed)},
			analysis.Fail, "success-rate was 0.91, wanted >= 0.99",
		},
		{
			"no data", []analysis.Metric{success, latency},
			[]analysis.Record{record("success-rate", analysis.Pass, 5, 0, ""), record("latency", analysis.NoData, 5, 0, "the query gave no value")},
			analysis.NoData, "latency has no data: the query gave no value",
		},
		{
			"an error", []analysis.Metric{success},
			[]analysis.Record{record("success-rate", analysis.Error, 5, 0, "ask http://prometheus:9090: connection refused")},
			analysis.Error, "success-rate could not be measured: ask http://prometheus:9090: connection refused",
		},
		{
			"never measured", []analysis.Metric{success, latency},
			[]analysis.Record{record("success-rate", analysis.Pass, 5, 0, "")},
			"", "latency has not been measured yet",
		},
		{
			"passed just before the traffic changed", []analysis.Metric{success},
			[]analysis.Record{record("success-rate", analysis.Pass, -1, 0, "")},
			"", "success-rate has not been measured since the traffic last changed",
		},
		{
			"failures of a metric that was taken out of the spec", []analysis.Metric{latency},
			[]analysis.Record{record("success-rate", analysis.Fail, 5, 9, missed), record("latency", analysis.Pass, 5, 0, "")},
			analysis.Pass, "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := analysis.Conclude(c.records, c.metrics, noon)
			require.Equal(t, analysis.Conclusion{Verdict: c.verdict, Reason: c.reason}, got)
		})
	}
}
