package gateway

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryRunOfPicksHasExactlyTheWeights(t *testing.T) {
	b := newBalancer([]int{90, 0, 10})
	for range 3 {
		counts := make([]int, 3)
		for range 100 {
			counts[b.pick()]++
		}
		require.Equal(t, []int{90, 0, 10}, counts)
	}
}

func TestPicksOfABackendAreSpreadOut(t *testing.T) {
	b := newBalancer([]int{75, 25})
	last := -1
	for i := range 100 {
		if b.pick() == 1 {
			if last >= 0 {
				require.Equal(t, 4, i-last)
			}
			last = i
		}
	}
}

func TestNoWeightPicksNothing(t *testing.T) {
	require.Equal(t, -1, newBalancer([]int{0, 0}).pick())
	require.Equal(t, -1, newBalancer(nil).pick())
}

func TestEndpointsComeInTurnAlsoWhenTheirNumberChanges(t *testing.T) {
	b := newBalancer([]int{1})
	counts := make([]int, 3)
	for range 30 {
		counts[b.next(0, 3)]++
	}
	require.Equal(t, []int{10, 10, 10}, counts)
	require.Less(t, b.next(0, 1), 1)
}
