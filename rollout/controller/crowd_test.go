package controller

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
)

// busy is a source that takes a while, and remembers how much it was asked.
type busy struct {
	mu        sync.Mutex
	now, most int
	perSecond map[int64]int
}

func (b *busy) Query(context.Context, analysis.Query) (analysis.Sample, error) {
	b.mu.Lock()
	b.now++
	b.most = max(b.most, b.now)
	b.perSecond[time.Now().Unix()]++
	b.mu.Unlock()
	time.Sleep(20 * time.Millisecond)
	b.mu.Lock()
	b.now--
	b.mu.Unlock()
	return analysis.Number(1), nil
}

func TestAThousandRolloutsWhoseMetricsAreDueTogetherAreMeasuredOneAfterTheOther(t *testing.T) {
	const rollouts, metrics, interval = 1000, 3, 30 * time.Second
	synctest.Test(t, func(t *testing.T) {
		source := &busy{perSecond: map[int64]int{}}
		m, _ := measuring(t, 16, source)
		// As after a restart of the engine: all were measured before, and are overdue.
		last := map[string]time.Time{}
		for i := range metrics {
			last[fmt.Sprint(i)] = time.Now().Add(-time.Minute)
		}
		for i := range rollouts {
			want := old()
			want.Last = last
			for j := range metrics {
				own := metric(t, fmt.Sprint(j))
				own.Query, own.Interval = fmt.Sprintf("errors%d{name=%q}", j, named(i)), interval
				want.Metrics = append(want.Metrics, own)
			}
			m.Want(named(i), want)
		}
		advance(10*interval - time.Second)
		mean, highest, asked := rollouts*metrics/int(interval.Seconds()), 0, 0
		for _, n := range source.perSecond {
			highest, asked = max(highest, n), asked+n
		}
		t.Logf("%d questions in %s: at most %d a second (mean %d), %d at once", asked, 10*interval, highest, mean, source.most)
		require.LessOrEqual(t, highest, mean*5/4)
		require.LessOrEqual(t, source.most, 16)
		require.Greater(t, asked, 9*rollouts*metrics)
		for i := range rollouts {
			results := m.Results(named(i))
			for j, r := range results {
				for _, before := range results[:j] {
					if before.Metric == r.Metric {
						require.GreaterOrEqual(t, r.At.Sub(before.At), interval, "%s of %s", r.Metric, named(i))
					}
				}
			}
		}
	})
}
