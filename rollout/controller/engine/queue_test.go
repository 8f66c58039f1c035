package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

var (
	a = Key{"ns", "a"}
	b = Key{"ns", "b"}
)

type reconcilerFunc func(ctx context.Context, key Key) (time.Time, error)

func (f reconcilerFunc) Reconcile(ctx context.Context, key Key) (time.Time, error) {
	return f(ctx, key)
}

// passes records when each key was looked at, counted from the first use of the log.
type passes struct {
	mu    sync.Mutex
	start time.Time
	log   map[Key][]time.Duration
}

func newPasses() *passes { return &passes{start: time.Now(), log: map[Key][]time.Duration{}} }

// record returns how often key was looked at, this time included.
func (p *passes) record(key Key) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log[key] = append(p.log[key], time.Since(p.start))
	return len(p.log[key])
}

func (p *passes) of(key Key) []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Duration(nil), p.log[key]...)
}

func TestKeyAddedManyTimesGetsOnePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := newPasses()
		q := NewQueue(reconcilerFunc(func(_ context.Context, key Key) (time.Time, error) {
			seen.record(key)
			return time.Time{}, nil
		}), QueueOptions{})
		for range 100 {
			q.Add(a)
		}
		inBackground(t, q.Run)
		synctest.Wait()
		require.Len(t, seen.of(a), 1)
	})
}

func TestKeyAddedDuringItsPassGetsOneMoreAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := newPasses()
		q := NewQueue(reconcilerFunc(func(_ context.Context, key Key) (time.Time, error) {
			seen.record(key)
			time.Sleep(time.Second)
			return time.Time{}, nil
		}), QueueOptions{Workers: 8})
		inBackground(t, q.Run)
		q.Add(a)
		synctest.Wait()
		for range 10 {
			q.Add(a)
		}
		time.Sleep(time.Minute)
		require.Equal(t, []time.Duration{0, time.Second}, seen.of(a))
	})
}

func TestOnlyTheEarliestWakeOfAKeyCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := newPasses()
		q := NewQueue(reconcilerFunc(func(_ context.Context, key Key) (time.Time, error) {
			seen.record(key)
			return time.Time{}, nil
		}), QueueOptions{})
		inBackground(t, q.Run)
		now := time.Now()
		for _, d := range []time.Duration{time.Hour, time.Minute, time.Second * 90, time.Hour * 2} {
			q.AddAt(a, now.Add(d))
		}
		q.AddAt(b, now.Add(-time.Hour))
		time.Sleep(3 * time.Hour)
		require.Equal(t, []time.Duration{time.Minute}, seen.of(a))
		require.Equal(t, []time.Duration{0}, seen.of(b), "a wake in the past is a wake now")
	})
}

func TestReturnedWakeBringsTheKeyBackOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := newPasses()
		q := NewQueue(reconcilerFunc(func(_ context.Context, key Key) (time.Time, error) {
			if seen.record(key) == 1 {
				return time.Now().Add(10 * time.Minute), nil
			}
			return time.Time{}, nil
		}), QueueOptions{})
		inBackground(t, q.Run)
		q.Add(a)
		time.Sleep(24 * time.Hour)
		require.Equal(t, []time.Duration{0, 10 * time.Minute}, seen.of(a))
	})
}

func TestThousandsOfPendingWakesHoldNoGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(reconcilerFunc(func(context.Context, Key) (time.Time, error) { return time.Time{}, nil }), QueueOptions{})
		inBackground(t, q.Run)
		synctest.Wait()
		before := runtime.NumGoroutine()
		for i := range 10_000 {
			q.AddAt(Key{"ns", fmt.Sprint(i)}, time.Now().Add(time.Hour))
		}
		synctest.Wait()
		require.LessOrEqual(t, runtime.NumGoroutine(), before)
	})
}

func TestBackoffOfOneKeyDoesNotDelayOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := newPasses()
		q := NewQueue(reconcilerFunc(func(_ context.Context, key Key) (time.Time, error) {
			seen.record(key)
			if key.Name == "broken" {
				return time.Time{}, errors.New("refused")
			}
			return time.Time{}, nil
		}), QueueOptions{Workers: 1})
		inBackground(t, q.Run)
		q.Add(Key{"ns", "broken"})
		time.Sleep(time.Minute)
		for i := range 1000 {
			q.Add(Key{"ns", fmt.Sprint(i)})
		}
		synctest.Wait()
		for i := range 1000 {
			require.Equal(t, []time.Duration{time.Minute}, seen.of(Key{"ns", fmt.Sprint(i)}))
		}
	})
}

func TestRetriesStartAtFiveMillisecondsAndAreNeverFurtherThanThirtySecondsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := newPasses()
		q := NewQueue(reconcilerFunc(func(_ context.Context, key Key) (time.Time, error) {
			seen.record(key)
			return time.Now().Add(time.Millisecond), errors.New("refused") // The wake must not undercut the backoff.
		}), QueueOptions{})
		inBackground(t, q.Run)
		q.Add(a)
		time.Sleep(10 * time.Minute)
		times := seen.of(a)
		require.Greater(t, len(times), 25)
		gap := func(i int) time.Duration { return times[i+1] - times[i] }
		require.GreaterOrEqual(t, gap(0), 5*time.Millisecond)
		require.Less(t, gap(0), 6*time.Millisecond)
		for i := range len(times) - 1 {
			require.LessOrEqual(t, gap(i), 30*time.Second)
		}
		require.GreaterOrEqual(t, gap(len(times)-2), 25*time.Second)
	})
}

func TestBackoffStartsAnewAfterASuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := newPasses()
		q := NewQueue(reconcilerFunc(func(_ context.Context, key Key) (time.Time, error) {
			switch seen.record(key) {
			case 8:
				return time.Time{}, nil
			case 10:
				return time.Time{}, nil
			default:
				return time.Time{}, errors.New("refused")
			}
		}), QueueOptions{})
		inBackground(t, q.Run)
		q.Add(a)
		time.Sleep(time.Minute)
		q.Add(a)
		time.Sleep(time.Minute)
		times := seen.of(a)
		require.Len(t, times, 10)
		require.Less(t, times[9]-times[8], 6*time.Millisecond)
	})
}

func TestPanicIsLoggedWithItsStackCountedAndRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		registry := prometheus.NewRegistry()
		seen := newPasses()
		q := NewQueue(reconcilerFunc(func(_ context.Context, key Key) (time.Time, error) {
			if key == a && seen.record(key) == 1 {
				panic("index out of range")
			}
			seen.record(key)
			return time.Time{}, nil
		}), QueueOptions{Name: "q", Workers: 1, Log: zap.New(core), Metrics: registry})
		inBackground(t, q.Run)
		q.Add(a)
		q.Add(b)
		time.Sleep(time.Second)

		require.Len(t, seen.of(b), 1, "the only worker goes on after the panic")
		require.Len(t, seen.of(a), 3, "one record for the panic and two for the retry")
		line := logs.FilterMessage("pass panicked").All()
		require.Len(t, line, 1)
		require.Equal(t, "ns/a", line[0].ContextMap()["key"])
		require.Contains(t, line[0].ContextMap()["stack"], "queue_test.go")
		require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP queue_passes_total Passes by result. A stale pass was skipped because the caches did not show its own writes yet.
# TYPE queue_passes_total counter
queue_passes_total{queue="q",result="error"} 0
queue_passes_total{queue="q",result="panic"} 1
queue_passes_total{queue="q",result="stale"} 0
queue_passes_total{queue="q",result="success"} 2
`), "queue_passes_total"))
	})
}

func TestStalePassIsNoErrorAndIsLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.DebugLevel)
		registry := prometheus.NewRegistry()
		seen := newPasses()
		q := NewQueue(reconcilerFunc(func(_ context.Context, key Key) (time.Time, error) {
			if seen.record(key) <= 2 {
				return time.Time{}, fmt.Errorf("skip: %w", ErrStale)
			}
			return time.Time{}, nil
		}), QueueOptions{Name: "q", Log: zap.New(core), Metrics: registry})
		inBackground(t, q.Run)
		q.Add(a)
		time.Sleep(time.Minute)
		require.Equal(t, []time.Duration{0, 5 * time.Second, 10 * time.Second}, seen.of(a))
		require.Zero(t, logs.Len())
		require.Equal(t, 2.0, testutil.ToFloat64(q.metrics.passes.WithLabelValues(resultStale)))
	})
}

func TestDepthCountsKeysThatWaitForAWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		q := NewQueue(reconcilerFunc(func(context.Context, Key) (time.Time, error) { return time.Time{}, nil }),
			QueueOptions{Name: "q", Metrics: registry})
		q.Add(a)
		q.Add(b)
		q.AddAt(Key{"ns", "later"}, time.Now().Add(time.Hour))
		requireDepth := func(want string) {
			t.Helper()
			require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP queue_depth Keys that wait for a worker; those that wait for a time are not counted.
# TYPE queue_depth gauge
queue_depth{queue="q"} `+want+"\n"), "queue_depth"))
		}
		requireDepth("2")
		inBackground(t, q.Run)
		synctest.Wait()
		requireDepth("0")
	})
}

func TestDrainLetsRunningPassesFinishAndStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := newPasses()
		finished := false
		q := NewQueue(reconcilerFunc(func(ctx context.Context, key Key) (time.Time, error) {
			seen.record(key)
			time.Sleep(10 * time.Second)
			finished = ctx.Err() == nil
			return time.Time{}, errors.New("asks for a retry")
		}), QueueOptions{Workers: 1})
		stop := inBackground(t, q.Run)
		q.Add(a)
		q.Add(b)
		synctest.Wait()

		begun := time.Now()
		stop()
		require.Equal(t, 10*time.Second, time.Since(begun))
		require.True(t, finished, "the context of the running pass stays alive while the queue drains")
		require.Len(t, seen.of(a), 1)
		require.Empty(t, seen.of(b), "what was waiting is not started")
	})
}

func TestDrainCutsOffAPassThatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(reconcilerFunc(func(ctx context.Context, _ Key) (time.Time, error) {
			<-ctx.Done()
			return time.Time{}, ctx.Err()
		}), QueueOptions{DrainTimeout: 3 * time.Second})
		stop := inBackground(t, q.Run)
		q.Add(a)
		synctest.Wait()
		begun := time.Now()
		stop()
		require.Equal(t, 3*time.Second, time.Since(begun))
	})
}

func TestLostLeaseCancelsRunningPassesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(reconcilerFunc(func(ctx context.Context, _ Key) (time.Time, error) {
			<-ctx.Done()
			return time.Time{}, ctx.Err()
		}), QueueOptions{})
		ctx, lose := context.WithCancelCause(t.Context())
		inBackground(t, func(context.Context) { q.Run(ctx) })
		q.Add(a)
		synctest.Wait()
		begun := time.Now()
		lose(ErrLeaseLost)
		synctest.Wait()
		require.Empty(t, q.runningKeys())
		require.Zero(t, time.Since(begun))
	})
}

func TestPassThatIgnoresItsContextIsReportedAndLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.ErrorLevel)
		release := make(chan struct{})
		q := NewQueue(reconcilerFunc(func(context.Context, Key) (time.Time, error) {
			<-release
			return time.Time{}, nil
		}), QueueOptions{Log: zap.New(core), PassTimeout: time.Minute})
		stop := inBackground(t, q.Run)
		q.Add(a)
		time.Sleep(2 * time.Minute)
		_, _, stuck := q.Stuck()
		require.False(t, stuck)
		time.Sleep(time.Second)
		key, running, stuck := q.Stuck()
		require.True(t, stuck)
		require.Equal(t, a, key)
		require.Equal(t, 2*time.Minute+time.Second, running)

		begun := time.Now()
		stop()
		require.Equal(t, defaultDrainTimeout+cutOffTimeout, time.Since(begun))
		require.Len(t, logs.FilterMessageSnippet("left behind").All(), 1)
		close(release)
	})
}

func TestPassHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lasted time.Duration
		q := NewQueue(reconcilerFunc(func(ctx context.Context, _ Key) (time.Time, error) {
			begun := time.Now()
			<-ctx.Done()
			lasted = time.Since(begun)
			return time.Time{}, nil
		}), QueueOptions{PassTimeout: 7 * time.Second})
		inBackground(t, q.Run)
		q.Add(a)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 7*time.Second, lasted)
	})
}
