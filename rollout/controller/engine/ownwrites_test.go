package engine

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// viewUpTo is a cache that shows everything up to a version.
type viewUpTo struct{ version string }

func (v *viewUpTo) SyncedTo(version string) bool {
	order, err := resourceversion.CompareResourceVersion(v.version, version)
	return err == nil && order >= 0
}

func TestOwnWriteIsInvisibleUntilItsCacheShowsIt(t *testing.T) {
	w := NewOwnWrites()
	cache := &viewUpTo{"9"}
	w.Wrote(a, cache, "10")
	require.False(t, w.Visible(a))
	require.True(t, w.Visible(b), "other keys do not wait")
	cache.version = "10"
	require.True(t, w.Visible(a))
	require.Empty(t, w.pending, "what is visible takes no memory")
}

func TestAllCachesMustShowTheOwnWrites(t *testing.T) {
	w := NewOwnWrites()
	sets, routes := &viewUpTo{"10"}, &viewUpTo{"10"}
	w.Wrote(a, sets, "11")
	w.Wrote(a, routes, "12")
	sets.version = "20"
	require.False(t, w.Visible(a))
	routes.version = "12"
	require.True(t, w.Visible(a))
}

func TestNewestOfSeveralWritesIsWaitedForWhateverTheOrderOfTheAnswers(t *testing.T) {
	w := NewOwnWrites()
	cache := &viewUpTo{"99"}
	w.Wrote(a, cache, "101")
	w.Wrote(a, cache, "100")
	cache.version = "100"
	require.False(t, w.Visible(a))
	w.Wrote(a, cache, "102")
	cache.version = "101"
	require.False(t, w.Visible(a))
	cache.version = "102"
	require.True(t, w.Visible(a))
}

func TestForgottenKeyWaitsForNothing(t *testing.T) {
	w := NewOwnWrites()
	w.Wrote(a, &viewUpTo{"1"}, "2")
	w.Forget(a)
	require.True(t, w.Visible(a))
}

func TestWriteWithoutAVersionIsNotWaitedFor(t *testing.T) {
	w := NewOwnWrites()
	w.Wrote(a, &viewUpTo{"1"}, "")
	require.True(t, w.Visible(a))
	require.Empty(t, w.pending)
}
