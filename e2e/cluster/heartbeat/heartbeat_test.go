package heartbeat_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/e2e/cluster/heartbeat"
)

func TestItBeatsUntilItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		beats := 0
		stop := heartbeat.Every(time.Second, func() { beats++ })
		<-time.After(3500 * time.Millisecond)
		stop()
		require.Equal(t, 3, beats)
		<-time.After(time.Minute)
		require.Equal(t, 3, beats)
	})
}
