package engine

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
)

var leases = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

// leaseServer holds one lease and refuses writes that were made on an old version, as the API server does.
type leaseServer struct {
	coordinationclient.LeaseInterface
	mu      sync.Mutex
	lease   *coordinationv1.Lease
	version int
}

func (s *leaseServer) Get(context.Context, string, metav1.GetOptions) (*coordinationv1.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lease == nil {
		return nil, apierrors.NewNotFound(leases, "leader")
	}
	return s.lease.DeepCopy(), nil
}

func (s *leaseServer) Create(_ context.Context, lease *coordinationv1.Lease, _ metav1.CreateOptions) (*coordinationv1.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lease != nil {
		return nil, apierrors.NewAlreadyExists(leases, lease.Name)
	}
	return s.store(lease)
}

func (s *leaseServer) Update(_ context.Context, lease *coordinationv1.Lease, _ metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lease.ResourceVersion != lease.ResourceVersion {
		return nil, apierrors.NewConflict(leases, lease.Name, errors.New("changed meanwhile"))
	}
	return s.store(lease)
}

func (s *leaseServer) store(lease *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	s.version++
	s.lease = lease.DeepCopy()
	s.lease.ResourceVersion = strconv.Itoa(s.version)
	return s.lease.DeepCopy(), nil
}

func (s *leaseServer) holder() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.lease.Spec.HolderIdentity
}

// connection is how one process reaches the server. Once it is cut, requests get no answer, not even a refusal.
type connection struct {
	coordinationclient.LeaseInterface
	server *leaseServer
	cut    atomic.Bool
	// unlucky lets every request through but the renewals.
	unlucky atomic.Bool
}

func (c *connection) Leases(string) coordinationclient.LeaseInterface { return c }

func (c *connection) wait(ctx context.Context) error {
	if c.cut.Load() {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (c *connection) Get(ctx context.Context, name string, opts metav1.GetOptions) (*coordinationv1.Lease, error) {
	if err := c.wait(ctx); err != nil {
		return nil, err
	}
	return c.server.Get(ctx, name, opts)
}

func (c *connection) Create(ctx context.Context, lease *coordinationv1.Lease, opts metav1.CreateOptions) (*coordinationv1.Lease, error) {
	if err := c.wait(ctx); err != nil {
		return nil, err
	}
	return c.server.Create(ctx, lease, opts)
}

func (c *connection) Update(ctx context.Context, lease *coordinationv1.Lease, opts metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	if err := c.wait(ctx); err != nil {
		return nil, err
	}
	if c.unlucky.Load() && *lease.Spec.HolderIdentity != "" {
		return nil, errors.New("connection reset")
	}
	return c.server.Update(ctx, lease, opts)
}

// candidate is a process that wants to lead.
type candidate struct {
	connection connection
	mu         sync.Mutex
	leading    bool
	cause      error
	result     error
	stop       func()
}

func (c *candidate) isLeading() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leading
}

// enter starts a candidate that needs the time of drain to finish its work.
func enter(t *testing.T, server *leaseServer, identity string, drain time.Duration) *candidate {
	c := &candidate{connection: connection{server: server}}
	work := func(ctx context.Context) {
		c.setLeading(true, nil)
		<-ctx.Done()
		time.Sleep(drain)
		c.setLeading(false, context.Cause(ctx))
	}
	c.stop = inBackground(t, func(ctx context.Context) {
		c.result = Lead(ctx, LeaseOptions{Client: &c.connection, Namespace: "ns", Name: "leader", Identity: identity}, work)
	})
	return c
}

func (c *candidate) setLeading(leading bool, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leading, c.cause = leading, cause
}

func TestOnlyOneCandidateLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &leaseServer{}
		first := enter(t, server, "first", 0)
		synctest.Wait()
		second := enter(t, server, "second", 0)
		time.Sleep(time.Hour)
		require.True(t, first.isLeading())
		require.False(t, second.isLeading())
		require.Equal(t, "first", server.holder())
	})
}

func TestGracefulEndFinishesTheWorkThenReleasesTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &leaseServer{}
		const drain = time.Minute // Longer than the lease lives without renewal.
		first := enter(t, server, "first", drain)
		synctest.Wait()
		second := enter(t, server, "second", 0)
		time.Sleep(time.Minute)

		begun := time.Now()
		go first.stop()
		for time.Since(begun) < drain-time.Second {
			time.Sleep(time.Second)
			require.True(t, first.isLeading())
			require.False(t, second.isLeading(), "the lease is renewed while the work is finished")
		}
		time.Sleep(6 * time.Second)
		require.False(t, first.isLeading())
		require.True(t, second.isLeading(), "a released lease is taken without waiting until it expires")
		first.stop()
		require.NoError(t, first.result)
	})
}

func TestVanishedLeaderIsReplacedWhenItsLeaseExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &leaseServer{}
		first := enter(t, server, "first", 0)
		synctest.Wait()
		second := enter(t, server, "second", 0)
		time.Sleep(time.Minute + time.Second) // Between two renewals.
		cut := time.Now()
		first.connection.cut.Store(true)
		for !second.isLeading() {
			require.Less(t, time.Since(cut), 25*time.Second)
			time.Sleep(100 * time.Millisecond)
			if time.Since(cut) > 12*time.Second {
				require.False(t, first.isLeading(), "who cannot renew stops well before anybody else may start")
			}
		}
		require.Greater(t, time.Since(cut), 12*time.Second, "a lease that was not released has to expire")
		first.stop()
		require.ErrorIs(t, first.cause, ErrLeaseLost)
		require.ErrorIs(t, first.result, ErrLeaseLost)
		require.ErrorContains(t, first.result, "lease ns/leader as first")
	})
}

func TestOneRequestThatHangsDoesNotCostTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := enter(t, &leaseServer{}, "first", 0)
		synctest.Wait()
		time.Sleep(time.Minute + time.Second) // Between two renewals.
		first.connection.cut.Store(true)
		time.Sleep(2 * time.Second)
		first.connection.cut.Store(false) // The renewal of a second ago hangs on.
		time.Sleep(time.Minute)
		require.True(t, first.isLeading())
	})
}

func TestLeaseThatIsLostIsNotReleasedWhileTheWorkStillRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &leaseServer{}
		first := enter(t, server, "first", 0)
		synctest.Wait()
		first.connection.unlucky.Store(true)
		time.Sleep(time.Minute)
		require.False(t, first.isLeading())
		require.Equal(t, "first", server.holder())
	})
}

func TestStandbyThatEndsNeverRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &leaseServer{}
		enter(t, server, "first", 0)
		synctest.Wait()
		second := enter(t, server, "second", 0)
		time.Sleep(time.Minute)
		begun := time.Now()
		second.stop()
		require.Zero(t, time.Since(begun))
		require.NoError(t, second.result)
		require.Equal(t, "first", server.holder())
	})
}

func TestWorkThatEndsByItselfReleasesTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &leaseServer{}
		opts := LeaseOptions{Client: &connection{server: server}, Namespace: "ns", Name: "leader", Identity: "first"}
		require.NoError(t, Lead(t.Context(), opts, func(context.Context) {}))
		require.Empty(t, server.holder())
	})
}

func TestLeaseOptionsNameWhatIsMissing(t *testing.T) {
	opts := LeaseOptions{Client: &connection{}, Namespace: "ns", Name: "leader"}
	require.EqualError(t, Lead(t.Context(), opts, nil), "lease options: Identity is empty, but required")
	opts.Identity, opts.Duration = "first", time.Millisecond
	require.EqualError(t, Lead(t.Context(), opts, nil), "lease options: Duration is 1ms, but must be 0 or at least 1s")
}
