package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// onBothServers runs a test against a server that streams its lists and one that cannot.
func onBothServers(t *testing.T, test func(t *testing.T, server *apiServer)) {
	for name, streams := range map[string]bool{"streamed list": true, "plain list": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, newAPIServer(streams)) })
		})
	}
}

func TestStoreShowsWhatTheServerHas(t *testing.T) {
	onBothServers(t, func(t *testing.T, server *apiServer) {
		store := newConfigMapStore(server)
		server.write("a", "red")
		server.write("b", "red")
		require.False(t, store.Synced())
		require.False(t, store.Available())

		inBackground(t, store.Run)
		synctest.Wait()
		require.True(t, store.Synced())
		require.True(t, store.Available())
		requireValue(t, store, "a", "red")
		require.Len(t, store.List(), 2)
		require.Len(t, store.ByIndex("value", "red"), 2)

		server.write("a", "blue")
		server.remove("b")
		server.write("c", "red")
		synctest.Wait()
		requireValue(t, store, "a", "blue")
		_, found := store.Get(Key{"ns", "b"})
		require.False(t, found)
		require.Equal(t, "c", store.ByIndex("value", "red")[0].Name)
		require.Empty(t, store.ByIndex("value", "green"))
	})
}

func TestFirstListIsConsistentOnAServerThatStreamsLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPIServer(true)
		inBackground(t, newConfigMapStore(server).Run)
		synctest.Wait()
		require.Len(t, server.seen(), 1, "one stream is list and watch")
		first := server.seen()[0]
		require.True(t, *first.SendInitialEvents)
		require.Empty(t, first.ResourceVersion, "the most recent version")
	})
}

func TestFirstListIsConsistentOnAServerThatCannotStreamLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPIServer(false)
		inBackground(t, newConfigMapStore(server).Run)
		synctest.Wait()
		lists := 0
		for _, request := range server.seen() {
			require.NotEqual(t, "0", request.ResourceVersion, "version 0 may be served from an old cache")
			if !request.AllowWatchBookmarks {
				lists++
				require.Empty(t, request.ResourceVersion)
			}
		}
		require.Equal(t, 1, lists)
	})
}

func TestHandlersHearOfChangesAfterTheStoreShowsThem(t *testing.T) {
	onBothServers(t, func(t *testing.T, server *apiServer) {
		store := newConfigMapStore(server)
		var heard changes
		store.OnChange(heard.record)
		store.OnChange(func(before, after *corev1.ConfigMap) {
			if after == nil {
				_, found := store.Get(keyOf(before))
				require.False(t, found)
				return
			}
			shown, _ := store.Get(keyOf(after))
			require.Same(t, after, shown)
			require.True(t, store.SyncedTo(after.ResourceVersion))
		})
		server.write("a", "red")
		inBackground(t, store.Run)
		synctest.Wait()
		server.write("a", "blue")
		server.remove("a")
		synctest.Wait()
		require.Equal(t, []change{{"a", "-", "red"}, {"a", "red", "blue"}, {"a", "blue", "-"}}, heard.take())
	})
}

func TestSyncedOnlyAfterTheHandlersHeardTheFirstList(t *testing.T) {
	onBothServers(t, func(t *testing.T, server *apiServer) {
		store := newConfigMapStore(server)
		server.write("a", "red")
		heard := false
		store.OnChange(func(_, _ *corev1.ConfigMap) {
			require.False(t, store.Synced())
			heard = true
		})
		inBackground(t, store.Run)
		require.NoError(t, store.WaitSynced(t.Context()))
		require.True(t, heard)
	})
}

func TestWaitForAStoreThatNeverSyncsEndsWithItsContextAndNamesTheKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := newConfigMapStore(newAPIServer(true)).WaitSynced(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "*v1.ConfigMap")
	})
}

func TestChangesThatTheWatchMissedReachTheHandlersOnce(t *testing.T) {
	onBothServers(t, func(t *testing.T, server *apiServer) {
		store := newConfigMapStore(server)
		var heard changes
		store.OnChange(heard.record)
		for _, name := range []string{"kept", "changed", "deleted", "recreated"} {
			server.write(name, "old")
		}
		inBackground(t, store.Run)
		synctest.Wait()
		heard.take()

		server.interrupt(func() {
			server.write("changed", "new")
			server.remove("deleted")
			server.remove("recreated")
			server.write("recreated", "new")
			server.write("added", "new")
		})
		time.Sleep(2 * time.Minute) // The reflector backs off before it lists again.
		require.ElementsMatch(t, []change{
			{"changed", "old", "new"}, {"deleted", "old", "-"}, {"recreated", "old", "new"}, {"added", "-", "new"},
		}, heard.take())
		require.Len(t, store.List(), 4)

		server.write("kept", "newer")
		synctest.Wait()
		require.Equal(t, []change{{"kept", "old", "newer"}}, heard.take())
	})
}

func TestObjectsAreStrippedBeforeTheyAreStored(t *testing.T) {
	onBothServers(t, func(t *testing.T, server *apiServer) {
		store := newConfigMapStore(server)
		server.write("listed", "x")
		inBackground(t, store.Run)
		synctest.Wait()
		server.write("watched", "x")
		synctest.Wait()
		require.Len(t, store.List(), 2)
		for _, obj := range store.List() {
			require.Empty(t, obj.ManagedFields)
		}
	})
}

func TestSyncedToFollowsListsChangesDeletionsAndBookmarks(t *testing.T) {
	onBothServers(t, func(t *testing.T, server *apiServer) {
		store := newConfigMapStore(server)
		written := server.write("a", "red")
		require.False(t, store.SyncedTo(written), "nothing is known before the first list")
		inBackground(t, store.Run)
		synctest.Wait()
		require.True(t, store.SyncedTo(written))
		require.False(t, store.SyncedTo("10"), "versions are numbers: 10 comes after %s", written)

		for _, version := range []func() string{
			func() string { return server.write("a", "blue") },
			func() string { return server.remove("a") },
			server.bookmark,
		} {
			v := version()
			synctest.Wait()
			require.True(t, store.SyncedTo(v))
			require.False(t, store.SyncedTo("1"+v))
		}
	})
}

func TestVersionsWithoutAnOrderAreNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newConfigMapStore(newAPIServer(true))
		inBackground(t, store.Run)
		synctest.Wait()
		require.True(t, store.SyncedTo("e3b0c442"))
	})
}

func TestOwnWriteBecomesVisibleThroughTheStore(t *testing.T) {
	onBothServers(t, func(t *testing.T, server *apiServer) {
		store := newConfigMapStore(server)
		own := NewOwnWrites()
		store.OnChange(func(_, _ *corev1.ConfigMap) { require.True(t, own.Visible(a), "the handler brings the key back") })
		inBackground(t, store.Run)
		synctest.Wait()
		const version = "2" // The server starts at 1.
		own.Wrote(a, store, version)
		require.False(t, own.Visible(a))
		require.Equal(t, version, server.write("a", "red"))
		synctest.Wait()
		require.True(t, own.Visible(a))
	})
}

func TestUnknownIndexPanicsWithItsName(t *testing.T) {
	store := newConfigMapStore(newAPIServer(true))
	require.PanicsWithValue(t, "store of *v1.ConfigMap: Index with name owner does not exist",
		func() { store.ByIndex("owner", "x") })
}

func TestIdleStoreAsksTheServerForNothingButItsWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPIServer(true)
		inBackground(t, newConfigMapStore(server).Run)
		time.Sleep(24 * time.Hour)
		require.Len(t, server.seen(), 1)
	})
}
