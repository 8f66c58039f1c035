package analysis_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
)

func TestThresholdReadsNumbersPercentagesAndDurations(t *testing.T) {
	for text, want := range map[string]float64{
		"0": 0, "-0.5": -0.5, "0.99": 0.99, "250": 250, "1e3": 1000, "1.5e-3": 0.0015,
		"99%": 0.99, "99.9%": 0.999, "99.99%": 0.9999, "100%": 1, "0%": 0, "-7%": -0.07, "1e2%": 1,
		"500ms": 0.5, "1.1ms": 0.0011, "250us": 0.00025, "1.5s": 1.5, "2m": 120, "0.5h": 1800,
	} {
		threshold, err := analysis.ParseThreshold(text, "")
		require.NoError(t, err, text)
		require.Equal(t, want, *threshold.Min, "%s must be this very number, or a value on the bound misses it", text)
		require.Nil(t, threshold.Max)
		require.Equal(t, ">= "+text, threshold.Text)
	}
}

func TestThresholdTextIsWhatTheUserWrote(t *testing.T) {
	threshold, err := analysis.ParseThreshold("95%", "99.50%")
	require.NoError(t, err)
	require.Equal(t, ">= 95% and <= 99.50%", threshold.Text)

	threshold, err = analysis.ParseThreshold("", "500ms")
	require.NoError(t, err)
	require.Equal(t, "<= 500ms", threshold.Text)
	require.Equal(t, 0.5, *threshold.Max)
	require.Equal(t, analysis.Seconds, threshold.Unit)
}

func TestThresholdRefusesWhatIsNoBoundAndSaysWhatIs(t *testing.T) {
	for _, text := range []string{
		"NaN", "nan", "Inf", "+Inf", "-inf", "infinity", "0x1p-2", "1_000", ".5", "5.", "+1", " 1", "1 ", "1,5", "%", "ms",
		"1e", "1e+3", "1m30s", "500 ms", "99 %", "1d", "1ns", "--1", "1e5%%", "９９%",
	} {
		_, err := analysis.ParseThreshold("", text)
		require.Error(t, err, text)
		require.ErrorContains(t, err, "max \"")
		require.ErrorContains(t, err, "a percentage (99%)")
	}
	for _, text := range []string{"1e999", "-1e999", "1e99999999999999999999", "1e308h", strings.Repeat("9", 400)} {
		_, err := analysis.ParseThreshold(text, "")
		require.ErrorContains(t, err, "too large", text)
	}
}

func TestThresholdRefusesBoundsThatContradict(t *testing.T) {
	_, err := analysis.ParseThreshold("", "")
	require.ErrorContains(t, err, "neither min nor max is given; write a number")

	_, err = analysis.ParseThreshold("1", "50%")
	require.EqualError(t, err, `min "1" is above max "50%", so no value could be good; swap them`)

	_, err = analysis.ParseThreshold("1%", "500ms")
	require.ErrorContains(t, err, `min "1%" and max "500ms": one is a percentage and the other a duration`)

	_, err = analysis.ParseThreshold("0.5", "50%")
	require.NoError(t, err, "a range may be a single value")
}

func TestFormatShowsOnWhichSideOfTheBoundAValueIs(t *testing.T) {
	for _, c := range []struct {
		min, max string
		value    float64
		want     string
	}{
		{"0.99", "", 0.91, "0.91"},
		{"0.99", "", 0.98999, "0.98999"},
		{"0.99", "", 0.98999999999999, "0.99"},
		{"99%", "", 0.91234, "91.2%"},
		{"99%", "", 0.98996, "98.996%"},
		{"7%", "", 0.07, "7%"},
		{"", "500ms", 0.5004, "500.4ms"},
		{"", "500ms", 0.7341, "734ms"},
		{"", "500ms", 2.5, "2.5s"},
		{"", "500ms", 90, "90s"},
		{"", "500us", 0.00061, "610us"},
		{"", "500us", 0, "0s"},
		{"10", "", 1234567, "1230000"},
		{"10", "", -3, "-3"},
		{"10", "", 1e20, "1e+20"},
		{"", "10", math.Inf(1), "+Inf"},
	} {
		threshold, err := analysis.ParseThreshold(c.min, c.max)
		require.NoError(t, err)
		require.Equal(t, c.want, threshold.Format(c.value), "%v against %s", c.value, threshold.Text)
	}
}

func FuzzThresholdNeverPassesWhatIsNoNumber(f *testing.F) {
	f.Add("0.99", "", 0.5)
	f.Add("99%", "1", 0.99)
	f.Add("", "500ms", math.MaxFloat64)
	f.Add("1e308%", "1e308h", math.NaN())
	f.Add("-1e-400", "0", -math.SmallestNonzeroFloat64)
	f.Fuzz(func(t *testing.T, minimum, maximum string, value float64) {
		threshold, err := analysis.ParseThreshold(minimum, maximum)
		if err != nil {
			require.Regexp(t, "min|max", err.Error())
			return
		}
		for _, bound := range []*float64{threshold.Min, threshold.Max} {
			if bound == nil {
				continue
			}
			require.False(t, math.IsNaN(*bound) || math.IsInf(*bound, 0))
			verdict := judge(threshold, analysis.Number(*bound), nil).Verdict
			require.Equal(t, analysis.Pass, verdict, "bounds are included")
		}
		j := judge(threshold, analysis.Number(value), nil)
		verdict, message := j.Verdict, j.Message
		if math.IsNaN(value) || math.IsInf(value, 0) {
			require.NotEqual(t, analysis.Pass, verdict)
		}
		require.Equal(t, verdict == analysis.Pass, message == "")
	})
}
