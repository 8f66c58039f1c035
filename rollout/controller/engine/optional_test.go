package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

const poll = 30 * time.Second

func runOptional(t *testing.T, store *Store[*corev1.ConfigMap], d *discovery) {
	inBackground(t, func(ctx context.Context) { store.RunWhenServed(ctx, d, configMaps, poll) })
}

func TestKindThatIsServedFromTheStartIsReadAtOnce(t *testing.T) {
	onBothServers(t, func(t *testing.T, server *apiServer) {
		server.write("a", "red")
		store, d := newConfigMapStore(server), &discovery{server: server}
		runOptional(t, store, d)
		synctest.Wait()
		require.True(t, store.Available())
		require.True(t, store.Synced())
		requireValue(t, store, "a", "red")
		time.Sleep(time.Hour)
		require.Equal(t, 1, d.count(), "a kind that is there needs no more discovery")
	})
}

func TestKindThatIsNotServedIsSyncedButNotAvailable(t *testing.T) {
	onBothServers(t, func(t *testing.T, server *apiServer) {
		server.setServed(false)
		store, d := newConfigMapStore(server), &discovery{server: server}
		require.False(t, store.Synced(), "nobody knows yet whether the kind is served")
		runOptional(t, store, d)
		synctest.Wait()
		require.True(t, store.Synced())
		require.False(t, store.Available())
		require.True(t, store.SyncedTo("5"), "nothing will come that could be waited for")
		require.Empty(t, store.List())
		require.Empty(t, server.seen(), "a kind that is not there is neither listed nor watched")
	})
}

func TestKindThatAppearsLaterIsReadWithinOnePoll(t *testing.T) {
	onBothServers(t, func(t *testing.T, server *apiServer) {
		server.setServed(false)
		store, d := newConfigMapStore(server), &discovery{server: server}
		var heard changes
		store.OnChange(heard.record)
		runOptional(t, store, d)
		time.Sleep(10*poll + time.Second)
		require.Equal(t, 11, d.count(), "one call at the start and one per poll")

		server.setServed(true)
		server.write("a", "red")
		time.Sleep(poll)
		require.True(t, store.Available())
		requireValue(t, store, "a", "red")
		require.Equal(t, []change{{"a", "-", "red"}}, heard.take())
	})
}

func TestKindThatNobodyWantsIsNotAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPIServer(true)
		server.setServed(false)
		store, d := newConfigMapStore(server), &discovery{server: server}
		var wanted atomic.Bool
		store.WantedWhen(wanted.Load)
		runOptional(t, store, d)
		time.Sleep(24*time.Hour + time.Second)
		require.Equal(t, 1, d.count())

		wanted.Store(true)
		server.setServed(true)
		time.Sleep(poll)
		require.True(t, store.Available())
		require.Equal(t, 2, d.count())
	})
}

func TestKindThatIsRemovedLosesItsObjectsAndMayComeBack(t *testing.T) {
	onBothServers(t, func(t *testing.T, server *apiServer) {
		server.write("a", "red")
		store, d := newConfigMapStore(server), &discovery{server: server}
		var heard changes
		store.OnChange(heard.record)
		var wanted atomic.Bool
		store.WantedWhen(wanted.Load)
		runOptional(t, store, d)
		time.Sleep(time.Hour)

		server.uninstall() // Its objects must go, though nobody wants the kind.
		time.Sleep(2 * time.Minute)
		require.False(t, store.Available())
		require.True(t, store.Synced(), "it never becomes false again")
		require.Empty(t, store.List())
		require.Equal(t, []change{{"a", "-", "red"}, {"a", "red", "-"}}, heard.take())
		listed := len(server.seen())
		time.Sleep(time.Hour)
		require.Len(t, server.seen(), listed, "a kind that is gone is neither listed nor watched")

		wanted.Store(true)
		server.setServed(true)
		server.write("b", "blue")
		time.Sleep(poll)
		require.True(t, store.Available())
		requireValue(t, store, "b", "blue")
	})
}

func TestOneListThatIsNotFoundDropsNoObjectsWhileDiscoveryKnowsTheKind(t *testing.T) {
	onBothServers(t, func(t *testing.T, server *apiServer) {
		server.write("a", "red")
		store, d := newConfigMapStore(server), &discovery{server: server}
		var heard changes
		store.OnChange(heard.record)
		runOptional(t, store, d)
		synctest.Wait()
		heard.take()

		d.fail(errors.New("no answer"))
		server.interrupt(func() { server.setServed(false) })
		time.Sleep(5*time.Minute + time.Second)
		require.True(t, store.Available())
		requireValue(t, store, "a", "red")

		server.setServed(true)
		d.fail(nil)
		server.write("a", "blue")
		time.Sleep(poll)
		requireValue(t, store, "a", "blue")
		require.Equal(t, []change{{"a", "red", "blue"}}, heard.take())
	})
}

func TestDiscoveryThatFailsLeavesTheStoreUnsyncedAndIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPIServer(true)
		store, d := newConfigMapStore(server), &discovery{server: server}
		store.WantedWhen(func() bool { return false })
		d.fail(errors.New("no answer"))
		runOptional(t, store, d)
		time.Sleep(4*poll + time.Second)
		require.False(t, store.Synced(), "whether the kind is served decides what a pass may do")
		require.Equal(t, 5, d.count())
		d.fail(nil)
		time.Sleep(poll)
		require.True(t, store.Synced())
		require.True(t, store.Available())
	})
}

func TestGroupThatIsServedWithoutTheKindDoesNotCount(t *testing.T) {
	d := &discovery{server: newAPIServer(true)}
	found, err := served(d, configMaps.GroupVersion().WithResource("virtualservices"))
	require.NoError(t, err)
	require.False(t, found)
}
