package controller

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/controller/budget"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// answering is a source whose answers a test decides.
type answering func(ctx context.Context, query analysis.Query) (analysis.Sample, error)

func (a answering) Query(ctx context.Context, query analysis.Query) (analysis.Sample, error) {
	return a(ctx, query)
}

var checkout = engine.Key{Namespace: "shop", Name: "checkout"}

func metric(t *testing.T, name string) analysis.Metric {
	t.Helper()
	threshold, err := analysis.ParseThreshold("0.99", "")
	require.NoError(t, err)
	return analysis.Metric{Name: name, Query: "rate(x[{{window}}])", Window: time.Minute, Interval: 10 * time.Second, Threshold: threshold}
}

// measuring runs a Measurer over a source for as long as the test takes, and counts how often it wakes the Rollout.
func measuring(t *testing.T, concurrency int, source analysis.Source) (*Measurer, *atomic.Int32) {
	t.Helper()
	m := NewMeasurer(MeasurerOptions{Source: source, Budget: budget.New(concurrency, nil), Timeout: 5 * time.Second})
	woken := &atomic.Int32{}
	ctx, cancel := context.WithCancel(t.Context())
	m.Start(ctx, func(engine.Key) { woken.Add(1) })
	t.Cleanup(func() { cancel(); synctest.Wait() })
	return m, woken
}

// advance moves the bubble's clock and lets everything that is due happen.
func advance(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestAMetricIsMeasuredAtOnceAndThenOnceAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, woken := measuring(t, 4, answering(func(context.Context, analysis.Query) (analysis.Sample, error) {
			return analysis.Number(1), nil
		}))
		want := &rollout.Measure{Run: 7, Metrics: []analysis.Metric{metric(t, "a"), metric(t, "b")}, Since: time.Now()}
		m.Want(checkout, want)
		advance(25 * time.Second)
		require.EqualValues(t, 6, woken.Load())
		results := m.Results(checkout)
		require.Len(t, results, 6)
		require.Equal(t, int64(7), results[0].Run)
		require.Equal(t, analysis.Pass, results[0].Verdict)

		want.Last = map[string]time.Time{"a": results[len(results)-1].At, "b": results[len(results)-1].At}
		m.Want(checkout, want)
		require.Empty(t, m.Results(checkout), "what the status has taken up is not told again")
		m.Want(checkout, nil)
		advance(time.Minute)
		require.EqualValues(t, 6, woken.Load(), "nothing is measured when nothing is wanted")
	})
}

func TestAfterARestartAMetricIsDueAnIntervalAfterItsLastMeasurement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, woken := measuring(t, 4, answering(func(context.Context, analysis.Query) (analysis.Sample, error) { return analysis.Sample{}, nil }))
		m.Want(checkout, &rollout.Measure{Run: 1, Metrics: []analysis.Metric{metric(t, "a")}, Last: map[string]time.Time{"a": time.Now().Add(-4 * time.Second)}})
		advance(5900 * time.Millisecond)
		require.Zero(t, woken.Load())
		advance(200 * time.Millisecond)
		require.EqualValues(t, 1, woken.Load())
	})
}

func TestASlowSourceHoldsNobodyLongerThanTheTimeoutAndNeverMoreQueriesThanAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		m, _ := measuring(t, 2, answering(func(ctx context.Context, _ analysis.Query) (analysis.Sample, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			<-ctx.Done()
			return analysis.Sample{}, errors.New("timed out")
		}))
		m.Want(checkout, &rollout.Measure{Run: 1, Metrics: []analysis.Metric{metric(t, "a"), metric(t, "b"), metric(t, "c"), metric(t, "d")}})
		advance(11 * time.Second)
		require.EqualValues(t, 2, most.Load())
		results := m.Results(checkout)
		require.GreaterOrEqual(t, len(results), 4)
		require.Equal(t, analysis.Error, results[0].Verdict)
	})
}

func TestANewRunForgetsWhatWasMeasuredOfTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := measuring(t, 4, answering(func(context.Context, analysis.Query) (analysis.Sample, error) { return analysis.Sample{}, nil }))
		m.Want(checkout, &rollout.Measure{Run: 1, Metrics: []analysis.Metric{metric(t, "a")}})
		synctest.Wait()
		require.Len(t, m.Results(checkout), 1)
		m.Want(checkout, &rollout.Measure{Run: 2, Metrics: []analysis.Metric{metric(t, "a")}})
		synctest.Wait()
		for _, r := range m.Results(checkout) {
			require.Equal(t, int64(2), r.Run)
		}
	})
}

func TestAMeasurementThatIsStillBeingMadeIsAskedForAgainUnderTheSameID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ids []string
		m, woken := measuring(t, 4, nil)
		own := metric(t, "smoke-test")
		own.Source = answering(func(_ context.Context, q analysis.Query) (analysis.Sample, error) {
			ids = append(ids, q.ID)
			if len(ids) < 3 {
				return analysis.Sample{}, fmt.Errorf("the Job runs: %w", analysis.ErrPending)
			}
			return analysis.Number(1), nil
		})
		last := time.Now().Add(-time.Minute)
		want := &rollout.Measure{Run: 1, Metrics: []analysis.Metric{own}, Last: map[string]time.Time{"smoke-test": last}}
		m.Want(checkout, want)
		advance(3 * time.Second)
		require.Zero(t, woken.Load())
		require.Empty(t, m.Results(checkout), "nothing is known yet")
		advance(2 * time.Second)
		require.EqualValues(t, 1, woken.Load())
		require.Len(t, m.Results(checkout), 1)
		require.Len(t, ids, 3)
		require.Equal(t, ids[0], ids[2])
		require.Contains(t, ids[0], "shop/checkout run 1 step 0 smoke-test")

		restarted, _ := measuring(t, 4, nil)
		restarted.Want(checkout, want)
		synctest.Wait()
		require.Equal(t, ids[0], ids[3], "another process asks for the measurement that no status has taken up")
		advance(11 * time.Second)
		require.NotEqual(t, ids[0], ids[len(ids)-1], "the next measurement is another one")
	})
}

func TestAMetricWithoutAnybodyToAskIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := measuring(t, 4, nil)
		own := metric(t, "a")
		own.Source = answering(func(context.Context, analysis.Query) (analysis.Sample, error) { return analysis.Number(1), nil })
		m.Want(checkout, &rollout.Measure{Run: 1, Metrics: []analysis.Metric{own, metric(t, "b")}})
		synctest.Wait()
		verdicts := map[string]analysis.Verdict{}
		for _, r := range m.Results(checkout) {
			verdicts[r.Metric] = r.Verdict
		}
		require.Equal(t, map[string]analysis.Verdict{"a": analysis.Pass, "b": analysis.Error}, verdicts)
	})
}
