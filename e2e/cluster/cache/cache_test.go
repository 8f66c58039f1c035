package cache

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLockIsHeldByOneAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locks", "one")
	never := func() { t.Error("waited for a free lock") }
	release, err := Lock(t.Context(), path, never)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	_, err = Lock(ctx, path, cancel)
	require.ErrorIs(t, err, context.Canceled)

	release()
	release, err = Lock(t.Context(), path, never)
	require.NoError(t, err)
	release()
}

func TestVariableMovesTheCache(t *testing.T) {
	t.Setenv(Variable, "/somewhere")
	dir, err := Dir("parts", "etcd")
	require.NoError(t, err)
	require.Equal(t, "/somewhere/parts/etcd", dir)
}
