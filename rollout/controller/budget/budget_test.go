package budget_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout/controller/budget"
)

var own = budget.Server{Kind: budget.Own}

// server is somebody who is asked, and takes some time for every answer.
type server struct {
	takes time.Duration

	mu         sync.Mutex
	busy, most int
	// at is when it was asked, and by whom.
	at []time.Time
	by []any
}

func (s *server) ask(by any) func() budget.Answer {
	return func() budget.Answer {
		s.mu.Lock()
		s.busy++
		s.most = max(s.most, s.busy)
		s.at, s.by = append(s.at, time.Now()), append(s.by, by)
		s.mu.Unlock()
		time.Sleep(s.takes)
		s.mu.Lock()
		s.busy--
		s.mu.Unlock()
		return budget.Answer{At: time.Now()}
	}
}

// rates are the questions in each second since a time.
func (s *server) rates(since time.Time) map[int]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	rates := map[int]int{}
	for _, at := range s.at {
		if d := at.Sub(since); d >= 0 {
			rates[int(d/time.Second)]++
		}
	}
	return rates
}

func (s *server) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.at)
}

// ending is a context, and what ends it and waits for every answer that is still to come.
func ending(t *testing.T) (context.Context, func()) {
	ctx, cancel := context.WithCancel(t.Context())
	return ctx, func() {
		cancel()
		time.Sleep(2 * time.Hour)
	}
}

// repeating asks once, and again an interval later, until ctx ends.
func repeating(ctx context.Context, b *budget.Budget, q budget.Question, s *server) {
	for ctx.Err() == nil {
		begun := time.Now()
		_, ok := b.Ask(ctx, q, func() budget.Answer { begun = time.Now(); return s.ask(q.Asker)() })
		if !ok {
			return
		}
		select {
		case <-time.After(time.Until(begun.Add(q.Interval))):
		case <-ctx.Done():
		}
	}
}

// crowd are a thousand who ask three questions each, all from the same moment on.
func crowd(ctx context.Context, b *budget.Budget, of budget.Server, s *server, interval time.Duration) {
	for i := range 1000 {
		b.Expect(i, []budget.Expected{{Of: of, Interval: interval}, {Of: of, Interval: interval}, {Of: of, Interval: interval}})
		for range 3 {
			go repeating(ctx, b, budget.Question{Asker: i, Of: of, Interval: interval}, s)
		}
	}
	synctest.Wait()
}

func TestACrowdIsSpreadOverItsInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := ending(t)
		defer end()
		b, s, begun := budget.New(16, nil), &server{takes: 20 * time.Millisecond}, time.Now()
		crowd(ctx, b, own, s, 30*time.Second)
		time.Sleep(5*time.Minute - time.Millisecond)
		rates := s.rates(begun)
		mean, highest := 3000/30, 0
		for _, n := range rates {
			highest = max(highest, n)
		}
		t.Logf("%d questions in 5 minutes, at most %d a second, %d at once", s.asked(), highest, s.most)
		require.LessOrEqual(t, highest, mean*5/4, "where everybody at once would be %d in the first second", 3000)
		require.LessOrEqual(t, s.most, 16)
		require.Greater(t, s.asked(), 10*3000*9/10, "everybody is still asked once an interval")
	})
}

func TestAFewQuestionsWaitForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := ending(t)
		defer end()
		b, s, begun := budget.New(16, nil), &server{takes: time.Second}, time.Now()
		b.Expect("checkout", []budget.Expected{{Of: own, Interval: time.Minute}})
		for range 16 {
			go b.Ask(ctx, budget.Question{Asker: "checkout", Of: own, Interval: time.Minute}, s.ask("checkout"))
		}
		synctest.Wait()
		require.Equal(t, map[int]int{0: 16}, s.rates(begun))
		require.Equal(t, 16, s.most)
	})
}

func TestASlowServerKeepsNobodyFromOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := ending(t)
		defer end()
		b, slow, quick := budget.New(16, nil), &server{takes: 30 * time.Second}, &server{takes: 10 * time.Millisecond}
		for _, of := range []budget.Server{{Kind: budget.Providers, Name: "slow"}, {Kind: budget.Gates, Name: "slow"}} {
			crowd(ctx, b, of, slow, 10*time.Second)
		}
		for _, of := range []budget.Server{own, {Kind: budget.Providers, Name: "other"}, {Kind: budget.Gates, Name: "other"}} {
			begun := time.Now()
			_, ok := b.Ask(ctx, budget.Question{Asker: "checkout", Of: of, Interval: 10 * time.Second}, quick.ask("checkout"))
			require.True(t, ok)
			require.Equal(t, quick.takes, time.Since(begun), "%v", of)
		}
		require.Equal(t, 8, slow.most, "a quarter of the providers, and a quarter of the gates")
	})
}

func TestManyServersTogetherHaveNoMoreThanTheirKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := ending(t)
		defer end()
		b, s := budget.New(16, nil), &server{takes: time.Hour}
		for i := range 100 {
			go b.Ask(ctx, budget.Question{Asker: i, Of: budget.Server{Kind: budget.Providers, Name: fmt.Sprint(i)}, Interval: time.Second}, s.ask(i))
		}
		synctest.Wait()
		require.Equal(t, 16, s.most)
	})
}

func TestWhoAsksMuchStandsBehindWhoAsksLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := ending(t)
		defer end()
		b, s := budget.New(1, nil), &server{takes: time.Second}
		for range 500 {
			go b.Ask(ctx, budget.Question{Asker: "many", Of: own, Interval: 10 * time.Second}, s.ask("many"))
		}
		synctest.Wait()
		for range 3 {
			go b.Ask(ctx, budget.Question{Asker: "few", Of: own, Interval: 10 * time.Second}, s.ask("few"))
		}
		time.Sleep(7500 * time.Millisecond)
		require.Equal(t, []any{"many", "many", "few", "many", "few", "many", "few", "many"}, s.by)
	})
}

func TestWhoAsksOftenStandsBeforeWhoAsksSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := ending(t)
		defer end()
		b, s := budget.New(1, nil), &server{takes: time.Second}
		for i := range 300 {
			go b.Ask(ctx, budget.Question{Asker: i, Of: own, Interval: 5 * time.Minute}, s.ask("seldom"))
		}
		synctest.Wait()
		go b.Ask(ctx, budget.Question{Asker: "checkout", Of: own, Interval: time.Second}, s.ask("often"))
		time.Sleep(1500 * time.Millisecond)
		require.Equal(t, []any{"seldom", "often"}, s.by)
	})
}

func TestEqualQuestionsOfACrowdAreAskedAFewTimesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := ending(t)
		defer end()
		b, s := budget.New(16, nil), &server{takes: 20 * time.Millisecond}
		for i := range 1000 {
			b.Expect(i, []budget.Expected{{Of: own, Interval: 30 * time.Second}})
			go repeating(ctx, b, budget.Question{Asker: i, Of: own, Interval: 30 * time.Second, Same: "all"}, s)
		}
		time.Sleep(5 * time.Minute)
		t.Logf("1000 who ask the same ten times: asked %d times", s.asked())
		require.LessOrEqual(t, s.asked(), 11*25)
	})
}

func TestWhoeverLeavesTakesTheAnswerFromNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := budget.New(1, nil), &server{takes: time.Second}
		same := func(of string) budget.Question {
			return budget.Question{Asker: of, Of: own, Interval: time.Minute, Same: of}
		}
		go b.Ask(t.Context(), same("busy"), s.ask("busy"))
		synctest.Wait()
		leaving, leave := context.WithCancel(t.Context())
		left := make(chan bool, 2)
		go func() { _, ok := b.Ask(leaving, same("shared"), s.ask("first")); left <- ok }()
		synctest.Wait()
		stayed := make(chan bool, 1)
		go func() { _, ok := b.Ask(t.Context(), same("shared"), s.ask("second")); stayed <- ok }()
		synctest.Wait()
		leave()
		require.False(t, <-left)
		require.True(t, <-stayed)
		require.Equal(t, []any{"busy", "second"}, s.by)

		// And when nobody is left, the next one begins anew.
		go b.Ask(t.Context(), same("busy"), s.ask("busy"))
		synctest.Wait()
		leaving, leave = context.WithCancel(t.Context())
		go func() { _, ok := b.Ask(leaving, same("shared"), s.ask("first")); left <- ok }()
		synctest.Wait()
		leave()
		require.False(t, <-left)
		_, ok := b.Ask(t.Context(), same("shared"), s.ask("third"))
		require.True(t, ok)
	})
}

func TestTheBudgetIsSeenInMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		b, s := budget.New(1, registry), &server{takes: time.Second}
		for range 3 {
			go b.Ask(t.Context(), budget.Question{Asker: "checkout", Of: own, Interval: time.Minute, Same: "all"}, s.ask("checkout"))
			synctest.Wait()
		}
		read := func() string {
			return `# HELP queries_coalesced_total Questions that joined an equal one which waited already, and were not asked themselves.
# TYPE queries_coalesced_total counter
queries_coalesced_total{of="gates"} 0
queries_coalesced_total{of="prometheus"} %d
queries_coalesced_total{of="providers"} 0
# HELP queries_in_flight Questions under way, by the kind of who is asked.
# TYPE queries_in_flight gauge
queries_in_flight{of="prometheus"} %d
# HELP queries_waiting Questions that are due and wait for their turn.
# TYPE queries_waiting gauge
queries_waiting{of="prometheus"} %d
`
		}
		names := []string{"queries_coalesced_total", "queries_in_flight", "queries_waiting"}
		require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(fmt.Sprintf(read(), 1, 1, 2)), names...))
		time.Sleep(3 * time.Second)
		require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(fmt.Sprintf(read(), 1, 0, 0)), names...))
		count, err := testutil.GatherAndCount(registry, "queries_wait_seconds")
		require.NoError(t, err)
		require.Equal(t, 1, count)
	})
}
