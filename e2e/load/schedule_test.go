package load

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAScheduleIsCaughtUpWithUnlessItIsHopeless(t *testing.T) {
	began := time.Now()
	s := schedule{rate: 200, start: began}
	for _, step := range []struct {
		at   time.Duration
		want int
	}{
		{0, 1},
		{2 * time.Millisecond, 0},
		{5 * time.Millisecond, 1},
		{500 * time.Millisecond, 99},
		{1400 * time.Millisecond, 180},
		// Nobody has run this process for half a minute.
		{31400 * time.Millisecond, 201},
		{31405 * time.Millisecond, 1},
		{31900 * time.Millisecond, 99},
	} {
		require.Equal(t, step.want, s.due(began.Add(step.at)), step.at)
	}
}
