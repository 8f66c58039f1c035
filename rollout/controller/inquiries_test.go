package controller

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// counting is a source that takes a second for an answer, and counts questions by their text.
func counting(asked map[string]int) analysis.Source {
	turn := make(chan struct{}, 1)
	turn <- struct{}{}
	return answering(func(_ context.Context, q analysis.Query) (analysis.Sample, error) {
		<-turn
		asked[strings.Fields(q.Text)[0]]++
		turn <- struct{}{}
		time.Sleep(time.Second)
		return analysis.Number(1), nil
	})
}

// old is a run that is older than every window.
func old(metrics ...analysis.Metric) *rollout.Measure {
	return &rollout.Measure{Run: 1, Metrics: metrics, Since: time.Now().Add(-time.Hour)}
}

func named(i int) engine.Key { return engine.Key{Namespace: "shop", Name: fmt.Sprint("app-", i)} }

func TestEqualQuestionsThatWaitForASlotAreAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := map[string]int{}
		m, woken := measuring(t, 1, counting(asked))
		busy, shared := metric(t, "busy"), metric(t, "shared")
		busy.Query, shared.Query = "busy", "shared"
		m.Want(checkout, old(busy))
		synctest.Wait()
		for i := range 1000 {
			m.Want(named(i), old(shared))
		}
		begun := time.Now().Add(time.Second)
		advance(3 * time.Second)
		require.Equal(t, map[string]int{"busy": 1, "shared": 1}, asked)
		require.EqualValues(t, 1001, woken.Load())
		for i := range 1000 {
			results := m.Results(named(i))
			require.Len(t, results, 1)
			require.Equal(t, analysis.Pass, results[0].Verdict)
			require.Equal(t, begun, results[0].At, "an answer is as old as its question")
		}
	})
}

func TestAQuestionThatHasBeenAskedIsNotJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := map[string]int{}
		m, _ := measuring(t, 4, counting(asked))
		shared := metric(t, "shared")
		shared.Query = "shared"
		m.Want(named(1), old(shared))
		advance(500 * time.Millisecond)
		m.Want(named(2), old(shared))
		advance(2 * time.Second)
		require.Equal(t, 2, asked["shared"])
		require.True(t, m.Results(named(2))[0].At.After(m.Results(named(1))[0].At))
	})
}

func TestOnlyWhatIsEqualIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := map[string]int{}
		m, _ := measuring(t, 1, counting(asked))
		one := metric(t, "one")
		one.Query, one.Interval = "shared", time.Hour
		wider, own, compared := one, one, one
		wider.Window = 2 * time.Minute
		own.Source = counting(asked)
		compared.Baseline = &analysis.Baseline{Query: "stable", By: analysis.Difference}
		young := old(one)
		young.Since = time.Now()
		m.Want(named(0), old(one))
		for i, want := range []*rollout.Measure{old(wider), old(own), old(compared), young} {
			m.Want(named(1+i), want)
		}
		advance(time.Minute)
		require.Equal(t, map[string]int{"shared": 5, "stable": 1}, asked)
	})
}

func TestWhoLeavesTakesTheQuestionFromNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := map[string]int{}
		m, _ := measuring(t, 1, counting(asked))
		busy, shared := metric(t, "busy"), metric(t, "shared")
		busy.Query, shared.Query = "busy", "shared"
		m.Want(checkout, old(busy))
		synctest.Wait()
		m.Want(named(1), old(shared))
		synctest.Wait()
		m.Want(named(2), old(shared))
		synctest.Wait()
		m.Want(named(1), nil)
		advance(3 * time.Second)
		require.Empty(t, m.Results(named(1)))
		require.Len(t, m.Results(named(2)), 1)
	})
}
