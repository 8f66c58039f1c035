package traffic_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic"
)

// totals are sums that a pair may have in a route: all small ones, and what people write besides 100.
func totals() []int {
	var all []int
	for total := range 300 {
		all = append(all, total)
	}
	return append(all, 999, 1000, 1001, 10_000, 65_535, 1_000_000, 2_000_000)
}

func TestWeightsKeepTheSumAndNeitherIsNegative(t *testing.T) {
	for _, total := range totals() {
		for percent := range 101 {
			stable, canary := traffic.Weights(percent, total)
			want := total
			if total < 1 {
				want = 100
			}
			require.Equal(t, want, stable+canary, "%d%% of %d", percent, total)
			require.GreaterOrEqual(t, stable, 0)
			require.GreaterOrEqual(t, canary, 0)
		}
	}
}

func TestWeightsGiveNoneOrAllOnlyWhenAsked(t *testing.T) {
	for _, total := range totals() {
		stable, canary := traffic.Weights(0, total)
		require.Zero(t, canary)
		require.Positive(t, stable)
		stable, canary = traffic.Weights(100, total)
		require.Zero(t, stable)
		require.Positive(t, canary)
		if total == 1 {
			continue
		}
		for percent := 1; percent < 100; percent++ {
			stable, canary := traffic.Weights(percent, total)
			require.Positive(t, stable, "%d%% of %d", percent, total)
			require.Positive(t, canary, "%d%% of %d", percent, total)
		}
	}
}

func TestWeightsOfATotalOfOneStayWithStable(t *testing.T) {
	for percent := range 100 {
		stable, canary := traffic.Weights(percent, 1)
		require.Equal(t, [2]int{1, 0}, [2]int{stable, canary}, "%d%%", percent)
	}
}

func TestWeightsGrowWithThePercentage(t *testing.T) {
	for _, total := range totals() {
		last := 0
		for percent := range 101 {
			_, canary := traffic.Weights(percent, total)
			require.GreaterOrEqual(t, canary, last, "%d%% of %d", percent, total)
			last = canary
		}
	}
}

func TestShareReadsBackWhatWeightsWroteForATotalOfAtLeast100(t *testing.T) {
	for _, total := range totals() {
		for percent := range 101 {
			if total > 0 && total < 100 && percent != 0 && percent != 100 {
				continue
			}
			require.Equal(t, percent, traffic.Share(traffic.Weights(percent, total)), "%d%% of %d", percent, total)
		}
	}
}

func TestShareIsRoundedButNeverToNoneOrAll(t *testing.T) {
	for _, c := range []struct{ stable, canary, want int }{
		{0, 0, 0},
		{1, 0, 0},
		{0, 1, 100},
		{1, 1, 50},
		{2, 1, 33},
		{1, 2, 67},
		{199, 1, 1},
		{1_000_000, 1, 1},
		{1, 1_000_000, 99},
		{7, 1, 13}, // 12.5
	} {
		require.Equal(t, c.want, traffic.Share(c.stable, c.canary), "%d and %d", c.stable, c.canary)
	}
}

func TestObservationSharesSpanTheRoutesThatCarryTraffic(t *testing.T) {
	route := func(low, high int) traffic.RouteObservation {
		return traffic.RouteObservation{Share: traffic.Range{Low: low, High: high}}
	}
	o := traffic.Observation{Routes: []traffic.RouteObservation{
		{Missing: true},
		{Problem: "no rule names the pair"},
		route(25, 25),
		route(10, 50),
	}}
	require.Equal(t, traffic.Range{Low: 10, High: 50}, o.Share())
	require.False(t, o.Share().Exactly(25))
	require.True(t, traffic.Range{Low: 25, High: 25}.Exactly(25))
	require.Zero(t, traffic.Observation{}.Share())
}

func TestObservationWaitsForTheFirstRouteThatIsNotAccepted(t *testing.T) {
	o := traffic.Observation{Routes: []traffic.RouteObservation{
		{Missing: true, Waiting: "it does not exist"},
		{Problem: "no rule", Waiting: "nothing"},
		{Accepted: true},
		{Waiting: "no gateway has accepted it yet"},
		{Waiting: "another"},
	}}
	require.Equal(t, "no gateway has accepted it yet", o.Waiting())
	require.Empty(t, traffic.Observation{Routes: o.Routes[:3]}.Waiting())
}
