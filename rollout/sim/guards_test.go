package sim

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A guard that nothing depends on is not a guard. Each test below switches one off, where the others can't stand in for
// it, and wants to see histories go wrong that go well with it.

func TestWithoutPreconditionsViolationsAreFound(t *testing.T) {
	o := DefaultOptions()
	o.Guards.Preconditions = false
	result := play(o, 0, 500)
	t.Log(result.violated())
	require.NotEmpty(t, result.bad)
}

func TestWithoutLiveConfirmViolationsAreFound(t *testing.T) {
	o := DefaultOptions()
	o.Guards.LiveConfirm = false
	result := play(o, 0, 2000)
	t.Log(result.violated())
	require.NotEmpty(t, result.bad)
	require.Positive(t, result.violated()["DeletionMovesNothing"])
}

func TestWithoutExpiryViolationsAreFound(t *testing.T) {
	o := DefaultOptions()
	o.Guards.Expiry = false
	result := play(o, 0, 3000)
	t.Log(result.violated())
	require.NotEmpty(t, result.bad)
}

// withoutPreconditions is a single leader that is left alone: preconditions would stand in for the guards of the cache.
func withoutPreconditions() Options {
	o := DefaultOptions()
	o.TwoLeaders, o.Alone = false, true
	o.Guards.Preconditions = false
	return o
}

func TestOwnWritesAndConsistentRestartSufficeForALeaderThatIsAlone(t *testing.T) {
	require.Empty(t, play(withoutPreconditions(), 0, 2000).bad)
}

func TestWithoutOwnWritesViolationsAreFound(t *testing.T) {
	o := withoutPreconditions()
	o.Guards.OwnWrites = false
	result := play(o, 0, 3000)
	t.Log(result.violated())
	require.NotEmpty(t, result.bad)
}

func TestWithoutConsistentRestartViolationsAreFound(t *testing.T) {
	o := withoutPreconditions()
	o.Guards.ConsistentRestart = false
	result := play(o, 0, 500)
	t.Log(result.violated())
	require.NotEmpty(t, result.bad)
}
