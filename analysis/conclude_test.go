package analysis_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func measured(verdict analysis.Verdict, seconds int, message string) analysis.Measurement {
	return analysis.Measurement{Metric: "success-rate", At: noon.Add(time.Duration(seconds) * time.Second),
		Judgement: analysis.Judgement{Verdict: verdict, Message: message}}
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
		Passes: 1, Failures: 1, NoData: 1, Streak: 1, FailureStreak: 1,
		Recent: []analysis.Point{
			{At: noon.Add(10 * time.Second), Verdict: analysis.Pass},
			{At: noon.Add(20 * time.Second), Verdict: analysis.Fail},
			{At: noon.Add(30 * time.Second), Verdict: analysis.NoData},
		},
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
	require.Equal(t, 1, analysis.Record{}.Add(analysis.Measurement{Judgement: analysis.Judgement{Verdict: analysis.Fail}}).Failures)
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
		m.Limits.Failures = limit
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
			require.Equal(t, analysis.Conclusion{Verdict: c.verdict, Condemned: c.verdict == analysis.Fail, Reason: c.reason}, got)
		})
	}
}

// Each limit speaks of its own outcome, and only of that.
func TestLimitsCondemn(t *testing.T) {
	verdicts := map[rune]analysis.Verdict{'p': analysis.Pass, 'f': analysis.Fail, 'i': analysis.Inconclusive, 'n': analysis.NoData, 'e': analysis.Error}
	limit := func(n int) *int { return &n }
	for _, c := range []struct {
		name     string
		limits   analysis.Limits
		measured string
		want     analysis.Conclusion
	}{
		{"an outage without a limit waits for ever", analysis.Limits{}, "eeeeeeeeeeee",
			analysis.Conclusion{Verdict: analysis.Error, Reason: "m could not be measured: because"}},
		{"no data waits for ever", analysis.Limits{}, "nnnnnnnnnnnn",
			analysis.Conclusion{Verdict: analysis.NoData, Reason: "m has no data: because"}},
		{"inconclusive waits for ever", analysis.Limits{}, "iiiiiiiiiiii",
			analysis.Conclusion{Verdict: analysis.Inconclusive, Reason: "m because"}},
		{"failures without a limit wait for ever", analysis.Limits{Failures: -1}, "ffff",
			analysis.Conclusion{Reason: "m because; it failed 4 times"}},
		{"errors in a row", analysis.Limits{ConsecutiveErrors: limit(2)}, "peee",
			analysis.Conclusion{Verdict: analysis.Error, Condemned: true, Reason: "m could not be measured: because; that was so 3 times in a row and 2 errors in a row are allowed"}},
		{"errors in a row, and then an answer", analysis.Limits{ConsecutiveErrors: limit(2)}, "eeep",
			analysis.Conclusion{Verdict: analysis.Error, Condemned: true, Reason: "m could not be measured; that was so 3 times in a row and 2 errors in a row are allowed"}},
		{"errors with answers between them", analysis.Limits{ConsecutiveErrors: limit(2)}, "eepeepeep", analysis.Conclusion{Verdict: analysis.Pass}},
		{"failures in a row", analysis.Limits{Failures: -1, ConsecutiveFailures: limit(1)}, "pff",
			analysis.Conclusion{Verdict: analysis.Fail, Condemned: true, Reason: "m because; it failed twice in a row and 1 failure in a row is allowed"}},
		{"failures that don't follow one another", analysis.Limits{Failures: -1, ConsecutiveFailures: limit(1)}, "fpfpfp", analysis.Conclusion{Verdict: analysis.Pass}},
		{"too many inconclusive ones", analysis.Limits{Inconclusive: limit(1)}, "ipi",
			analysis.Conclusion{Verdict: analysis.Inconclusive, Condemned: true, Reason: "m because; it was inconclusive twice and 1 such measurement is allowed"}},
		{"too many inconclusive ones, and then a pass", analysis.Limits{Inconclusive: limit(1)}, "ipip",
			analysis.Conclusion{Verdict: analysis.Inconclusive, Condemned: true, Reason: "m was inconclusive twice and 1 such measurement is allowed"}},
		{"no data as a failure", analysis.Limits{Failures: 1, NoData: analysis.AsFail}, "fpn",
			analysis.Conclusion{Verdict: analysis.Fail, Condemned: true, Reason: "m has no data: because; it failed twice and 1 failure is allowed"}},
		{"no data as a pass", analysis.Limits{NoData: analysis.AsPass}, "nn", analysis.Conclusion{Verdict: analysis.Pass}},
		{"an error is no data's business", analysis.Limits{NoData: analysis.AsPass}, "ne",
			analysis.Conclusion{Verdict: analysis.Error, Reason: "m could not be measured: because"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := analysis.Metric{Name: "m", Limits: c.limits, Threshold: analysis.Threshold{Text: "> 1"}}
			r := analysis.Record{Metric: "m"}
			for i, letter := range c.measured {
				j := analysis.Judgement{Verdict: verdicts[letter]}
				if j.Verdict != analysis.Pass {
					j.Message = "because"
				}
				r = r.Add(analysis.Measurement{Metric: "m", At: noon.Add(time.Duration(i) * time.Second), Judgement: j})
			}
			require.Equal(t, c.want, analysis.Conclude([]analysis.Record{r}, []analysis.Metric{m}, noon))
			m.DryRun = true
			require.Equal(t, analysis.Conclusion{Verdict: analysis.Pass}, analysis.Conclude([]analysis.Record{r}, []analysis.Metric{m}, noon), "a dry run decides nothing")
		})
	}
}

func TestAPassMayNeedSeveralValuesUnderThePresentTraffic(t *testing.T) {
	m := analysis.Metric{Name: "m", Count: 3}
	r := analysis.Record{Metric: "m"}.Under(noon)
	for i, want := range []string{"m was judged once since the traffic last changed, of 3 times", "m was judged twice since the traffic last changed, of 3 times", ""} {
		r = r.Under(noon).Add(measured(analysis.Pass, i, ""))
		require.Equal(t, want, analysis.Conclude([]analysis.Record{r}, []analysis.Metric{m}, noon).Reason)
	}
	later := noon.Add(time.Minute)
	r = r.Under(later).Add(measured(analysis.NoData, 61, "")).Add(measured(analysis.Pass, 62, ""))
	require.Equal(t, "m was judged once since the traffic last changed, of 3 times", analysis.Conclude([]analysis.Record{r}, []analysis.Metric{m}, later).Reason)
}

func TestARecordKeepsTheLastMeasurementsOnly(t *testing.T) {
	r := analysis.Record{}
	for i := range 25 {
		before := r
		r = r.Add(measured(analysis.Pass, i, ""))
		if i > 0 {
			require.Equal(t, noon.Add(time.Duration(i-1)*time.Second), before.Recent[len(before.Recent)-1].At, "what others hold stays as it is")
		}
	}
	require.Len(t, r.Recent, analysis.Kept)
	require.Equal(t, noon.Add(15*time.Second), r.Recent[0].At)
}
