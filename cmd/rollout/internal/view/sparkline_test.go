package view

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func TestASparklineGoesFromTheLowestToTheHighestValue(t *testing.T) {
	of := func(values ...string) []v1alpha1.MeasurementStatus {
		var all []v1alpha1.MeasurementStatus
		for _, v := range values {
			m := v1alpha1.MeasurementStatus{Value: v, Verdict: pass}
			switch v {
			case noData, failed, inconclusive:
				m.Value, m.Verdict = "", v
			}
			all = append(all, m)
		}
		return all
	}
	require.Empty(t, sparkline(nil))
	require.Equal(t, "▁█▅", sparkline(of("0", "1", "0.5")))
	require.Equal(t, "▅▅", sparkline(of("99.5%", "99.5%")))
	require.Equal(t, "▁█", sparkline(of("900us", "1.2s")), "units count")
	require.Equal(t, "▁·!?█", sparkline(of("1", noData, failed, inconclusive, "2")))
	require.Equal(t, "?", sparkline(of("+Inf")), "an infinity has no place on a line")
}
