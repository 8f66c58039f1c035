package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"k8s.io/client-go/util/workqueue"
)

const (
	firstRetry = 5 * time.Millisecond
	// A fifth of jitter comes on top, so that no retry is further away than 30 s.
	lastRetry    = 25 * time.Second
	staleRecheck = 5 * time.Second

	defaultWorkers      = 4
	defaultPassTimeout  = time.Minute
	defaultDrainTimeout = 20 * time.Second
	// What a pass gets to return in once its context has ended.
	cutOffTimeout = 5 * time.Second
)

// ErrStale is what a pass returns when the caches do not show its own earlier writes yet (see OwnWrites). It counts as
// stale, not as an error: the change that makes the writes visible brings the key back, and in case that change maps to
// no key at all, the queue looks again after five seconds.
var ErrStale = errors.New("the caches do not show the last own writes yet")

// Key names an object. The namespace is empty for a kind without namespaces.
type Key struct{ Namespace, Name string }

// String returns "namespace/name", or the name alone where there is no namespace.
func (k Key) String() string {
	if k.Namespace == "" {
		return k.Name
	}
	return k.Namespace + "/" + k.Name
}

// Reconciler does one pass over one object.
type Reconciler interface {
	// Reconcile returns when to look again if nothing happens until then; the zero time means never. With an error the
	// wake time is ignored and the key is retried with a backoff of its own (5 ms doubling to 30 s, with jitter).
	Reconcile(ctx context.Context, key Key) (wake time.Time, err error)
}

// QueueOptions are the settings of a Queue. The zero value of each is usable.
type QueueOptions struct {
	// Name is the value of the label "queue" of the metrics.
	Name string
	// Workers is the number of passes that may run at the same time; 0 means 4.
	Workers int
	// Log gets failed passes and panics; nil means nowhere.
	Log *zap.Logger
	// Metrics is where the queue registers its metrics, once per name; nil means nowhere. The names start with
	// "queue_": wrap the registerer (prometheus.WrapRegistererWithPrefix) to put the product's name in front.
	Metrics prometheus.Registerer
	// PassTimeout is the deadline of the context of one pass; 0 means one minute. A pass that is still running after
	// twice that time is reported by Stuck.
	PassTimeout time.Duration
	// DrainTimeout is how long running passes may go on after the context of Run ended; 0 means 20 seconds.
	DrainTimeout time.Duration
}

func (o QueueOptions) withDefaults() QueueOptions {
	if o.Workers <= 0 {
		o.Workers = defaultWorkers
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.PassTimeout <= 0 {
		o.PassTimeout = defaultPassTimeout
	}
	if o.DrainTimeout <= 0 {
		o.DrainTimeout = defaultDrainTimeout
	}
	return o
}

// Queue runs a Reconciler with several workers and at most one pass per key at a time. Keys may be added before Run,
// which is how a standby collects what the new leader has to look at.
type Queue struct {
	reconciler Reconciler
	opts       QueueOptions
	log        *zap.Logger
	work       workqueue.TypedRateLimitingInterface[Key]
	metrics    *queueMetrics

	mu      sync.Mutex
	running map[Key]time.Time // follows mu: when the pass over a key began
}

// NewQueue makes a queue for one Run. It holds a goroutine from now on, which ends with Run.
func NewQueue(r Reconciler, opts QueueOptions) *Queue {
	opts = opts.withDefaults()
	q := &Queue{
		reconciler: r,
		opts:       opts,
		log:        opts.Log,
		// The default limiter of client-go has a bucket of 10 per second for all keys together, in which the retries of
		// one broken namespace delay everybody else's. A queue with a name would start a 2 Hz metrics loop.
		work:    workqueue.NewTypedRateLimitingQueue[Key](newBackoff()),
		running: map[Key]time.Time{},
	}
	q.metrics = newQueueMetrics(opts, q.work.Len)
	return q
}

// Add asks for a pass over key as soon as a worker is free. A key that waits already is not added twice; one whose pass
// is running gets another pass after it. Once Run is ending, Add does nothing.
func (q *Queue) Add(key Key) { q.work.Add(key) }

// AddAt asks for a pass over key at the given time, or at once when that has passed. Only the earliest pending wake of a
// key is kept, and nothing takes it back: a pass that first asked for 10:00 and then, woken by a change, for 11:00 is
// called at 10:00 as well, finds nothing to do and asks for 11:00 again. The retry of a failed pass shares this one wake.
func (q *Queue) AddAt(key Key, at time.Time) { q.work.AddAfter(key, time.Until(at)) }

// Run works until ctx ends and returns when the running passes are done; keys that still wait are dropped. The contexts of
// running passes outlive ctx by at most DrainTimeout, so that a sequence of writes that has begun can be finished. When
// ctx ended because the lease was lost (ErrLeaseLost), they are cancelled at once: somebody else may be leading already.
// A pass that does not return within five seconds of its cancellation is left behind and logged.
func (q *Queue) Run(ctx context.Context) {
	passes, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	defer cutOff()

	var workers sync.WaitGroup
	for range q.opts.Workers {
		workers.Go(func() { q.worker(ctx, passes) })
	}
	<-ctx.Done()
	q.work.ShutDown()

	idle := make(chan struct{})
	go func() { workers.Wait(); close(idle) }()
	grace := q.opts.DrainTimeout
	if errors.Is(context.Cause(ctx), ErrLeaseLost) {
		grace = 0
	}
	if endsWithin(idle, grace) {
		return
	}
	cutOff()
	if !endsWithin(idle, cutOffTimeout) {
		q.log.Error("passes ignore their cancelled context and are left behind", zap.Strings("keys", q.runningKeys()))
	}
}

// Stuck returns a key whose pass has been running for more than twice the pass timeout, and for how long. Such a pass ignores
// its context; it holds a worker and its key until the process is restarted.
func (q *Queue) Stuck() (key Key, running time.Duration, stuck bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for k, since := range q.running {
		if d := time.Since(since); d > 2*q.opts.PassTimeout && d > running {
			key, running, stuck = k, d, true
		}
	}
	return key, running, stuck
}

func (q *Queue) worker(ctx, passes context.Context) {
	for {
		key, shutdown := q.work.Get()
		if shutdown {
			return
		}
		// A queue that shuts down still hands out what waits in it. Those keys are the next leader's.
		if ctx.Err() == nil {
			q.pass(passes, key)
		}
		q.work.Done(key)
	}
}

func (q *Queue) pass(ctx context.Context, key Key) {
	ctx, cancel := context.WithTimeout(ctx, q.opts.PassTimeout)
	defer cancel()
	begun := q.begin(key)
	wake, err := q.reconcile(ctx, key)
	q.end(key)

	result := resultOf(err)
	q.metrics.observe(result, time.Since(begun))
	switch result {
	case resultSuccess:
		q.work.Forget(key)
		if !wake.IsZero() {
			q.AddAt(key, wake)
		}
	case resultStale:
		q.work.AddAfter(key, staleRecheck)
	default:
		q.log.Error("pass failed, will be retried", zap.Stringer("key", key),
			zap.Int("failures", q.work.NumRequeues(key)+1), zap.Error(err))
		q.work.AddRateLimited(key)
	}
}

// reconcile turns a panic into an error, so that one object that trips a bug does not stop all the others.
func (q *Queue) reconcile(ctx context.Context, key Key) (wake time.Time, err error) {
	defer func() {
		if r := recover(); r != nil {
			q.log.Error("pass panicked", zap.Stringer("key", key), zap.Any("panic", r), zap.ByteString("stack", debug.Stack()))
			err = panicError{fmt.Errorf("panic: %v", r)}
		}
	}()
	return q.reconciler.Reconcile(ctx, key)
}

func (q *Queue) begin(key Key) time.Time {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running[key] = now
	return now
}

func (q *Queue) end(key Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.running, key)
}

func (q *Queue) runningKeys() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	keys := make([]string, 0, len(q.running))
	for k := range q.running {
		keys = append(keys, k.String())
	}
	return keys
}

// backoff spreads the retries of keys that failed together, for instance because the same API server was down for all.
type backoff struct {
	workqueue.TypedRateLimiter[Key]
}

func newBackoff() backoff {
	return backoff{workqueue.NewTypedItemExponentialFailureRateLimiter[Key](firstRetry, lastRetry)}
}

// When returns the delay before the next try of key: up to a fifth more than the doubled delay of the last one.
func (b backoff) When(key Key) time.Duration {
	d := b.TypedRateLimiter.When(key)
	return d + rand.N(d/5)
}

// endsWithin reports whether done is closed before d has passed.
func endsWithin(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
