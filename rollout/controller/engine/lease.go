package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// ErrLeaseLost is the cause of the context that Lead gave to its function when the lease could not be renewed.
var ErrLeaseLost = errors.New("the lease was lost")

// LeaseOptions say which lease to hold, and how. Client, Namespace, Name and Identity are required.
type LeaseOptions struct {
	Client          coordinationv1.LeasesGetter
	Namespace, Name string
	// Identity is what the lease names as its holder; two processes must never share one. The pod's name is a good choice.
	Identity string
	// Duration is how long a standby waits for a leader that vanished without releasing; 0 means 15 s. A leader that cannot
	// renew gives up after two thirds of it, and it tries to renew every 2/15 of it.
	Duration time.Duration
	// Log gets who leads; nil means nowhere.
	Log *zap.Logger
}

func (o LeaseOptions) validate() error {
	for field, empty := range map[string]bool{
		"Client": o.Client == nil, "Namespace": o.Namespace == "", "Name": o.Name == "", "Identity": o.Identity == "",
	} {
		if empty {
			return fmt.Errorf("lease options: %s is empty, but required", field)
		}
	}
	// The lease stores whole seconds.
	if o.Duration != 0 && o.Duration < time.Second {
		return fmt.Errorf("lease options: Duration is %s, but must be 0 or at least 1s", o.Duration)
	}
	return nil
}

// Lead waits for the lease, runs f while this process holds it, and returns when f has returned and the lease is released or
// lost. The context of f ends when ctx does, or with the cause ErrLeaseLost; f must then return. A graceful end keeps the
// lease renewed until f is done, and only then releases it, so that the next leader does not overlap with what f finishes.
//
// The result is nil if ctx ended or f returned by itself, wraps ErrLeaseLost if the lease was lost, and says so if it could not
// be released. A lease is no fence: a process that was suspended may act for a moment after another took over, which is
// why writes need preconditions too.
func Lead(ctx context.Context, opts LeaseOptions, f func(context.Context)) error {
	if err := opts.validate(); err != nil {
		return err
	}
	if opts.Duration == 0 {
		opts.Duration = 15 * time.Second
	}
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	lock := newLock(opts)
	held := make(chan context.Context, 1)
	elector, err := newElector(opts, lock, held)
	if err != nil {
		return fmt.Errorf("set up the election for lease %s: %w", lock.Describe(), err)
	}

	// The election must outlive ctx, because nobody renews the lease once it ends, and f is still busy then.
	election, endElection := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() { defer close(ended); elector.Run(election) }()

	select {
	case <-ctx.Done():
	case lease := <-held:
		err = leadWhile(ctx, lease, opts, f)
	}
	endElection()
	<-ended
	if err == nil {
		err = release(context.WithoutCancel(ctx), lock)
	}
	return err
}

// leadWhile runs f until it returns. The lease context ends when the lease is lost.
func leadWhile(ctx, lease context.Context, opts LeaseOptions, f func(context.Context)) error {
	leading, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(lease, func() { cancel(ErrLeaseLost) })
	defer stop()

	f(leading)
	if lease.Err() != nil {
		return fmt.Errorf("lease %s/%s as %s: %w", opts.Namespace, opts.Name, opts.Identity, ErrLeaseLost)
	}
	return nil
}

// release gives the lease up for somebody else to take at once, if it is still ours. leaderelection could do that, too, but
// does it as well when the lease could not be renewed, and before it cancels the context of the work: the next leader
// would start while this one still writes.
func release(ctx context.Context, lock resourcelock.Interface) error {
	record, _, err := lock.Get(ctx)
	if apierrors.IsNotFound(err) || err == nil && record.HolderIdentity != lock.Identity() {
		return nil
	}
	if err == nil {
		now := metav1.Now()
		err = lock.Update(ctx, resourcelock.LeaderElectionRecord{
			LeaseDurationSeconds: 1, AcquireTime: now, RenewTime: now, LeaderTransitions: record.LeaderTransitions,
		})
	}
	if err != nil {
		return fmt.Errorf("release lease %s, which now has to expire: %w", lock.Describe(), err)
	}
	return nil
}

func newLock(opts LeaseOptions) resourcelock.Interface {
	return timedLock{&resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: opts.Namespace, Name: opts.Name},
		Client:     opts.Client,
		LockConfig: resourcelock.ResourceLockConfig{Identity: opts.Identity},
	}, opts.Duration / 3}
}

func newElector(opts LeaseOptions, lock resourcelock.Interface, held chan<- context.Context) (*leaderelection.LeaderElector, error) {
	return leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:          lock,
		LeaseDuration: opts.Duration,
		RenewDeadline: opts.Duration * 2 / 3,
		RetryPeriod:   opts.Duration * 2 / 15,
		Name:          opts.Name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(lease context.Context) { held <- lease },
			OnStoppedLeading: func() { opts.Log.Info("not leading", zap.String("lease", lock.Describe())) },
			OnNewLeader: func(holder string) {
				opts.Log.Info("leader", zap.String("lease", lock.Describe()), zap.String("holder", holder),
					zap.Bool("self", holder == opts.Identity))
			},
		},
	})
}

// timedLock bounds each request. One request that hangs on a dead connection would otherwise use up all the time there is to
// renew the lease, where a second try on a new connection may succeed.
type timedLock struct {
	resourcelock.Interface
	timeout time.Duration
}

// Get reads the lease within the timeout.
func (l timedLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	return l.Interface.Get(ctx)
}

// Create writes a new lease within the timeout.
func (l timedLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	return l.Interface.Create(ctx, record)
}

// Update writes the lease within the timeout.
func (l timedLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	return l.Interface.Update(ctx, record)
}
