package sim

import (
	"flag"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
)

var (
	seeds = flag.Int("seeds", 10_000, "number of histories of TestNoSeedViolatesAnInvariant")
	from  = flag.Uint64("from", 0, "its first seed")
)

// tally is what came of many histories.
type tally struct {
	bad  []Result
	seen map[string]int
}

// play runs histories on all processors.
func play(o Options, from uint64, n int) tally {
	var next atomic.Int64
	var mutex sync.Mutex
	var group sync.WaitGroup
	t := tally{seen: map[string]int{}}
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				r := History(from+uint64(i), o)
				mutex.Lock()
				t.add(r)
				mutex.Unlock()
			}
		})
	}
	group.Wait()
	slices.SortFunc(t.bad, func(a, b Result) int { return int(a.Seed) - int(b.Seed) })
	return t
}

func (t *tally) add(r Result) {
	for what, times := range r.Seen {
		t.seen[what] += times
	}
	if len(r.Violations) > 0 {
		t.bad = append(t.bad, r)
	}
}

// violated are the invariants that did not hold, and in how many histories.
func (t *tally) violated() map[string]int {
	names := map[string]int{}
	for _, r := range t.bad {
		for _, v := range r.Violations {
			names[v.Invariant]++
		}
	}
	return names
}

func TestNoSeedViolatesAnInvariant(t *testing.T) {
	o := DefaultOptions()
	result := play(o, *from, *seeds)
	t.Logf("%d histories from seed %d: %v", *seeds, *from, result.seen)
	if len(result.bad) == 0 {
		if *from == 0 && *seeds >= 10_000 {
			requireEveryOutcomeAtEveryPlace(t, result.seen)
		}
		return
	}
	for _, r := range result.bad[:min(len(result.bad), 10)] {
		t.Log(r)
	}
	first := result.bad[0].Seed
	t.Fatalf("%d of %d seeds violate an invariant: %v\nthe end of seed %d:\n%s\nonce more:\n\tgo test ./rollout/sim -run TestNoSeedViolatesAnInvariant -seeds 1 -from %d",
		len(result.bad), *seeds, result.violated(), first, Explain(first, o, 50), first)
}

func TestAHistoryIsTheSameEveryTime(t *testing.T) {
	o := DefaultOptions()
	for seed := range uint64(50) {
		first, second := Explain(seed, o, 1e6), Explain(seed, o, 1e6)
		require.Equal(t, first, second, "seed %d", seed)
	}
}

func TestHistoriesReachEveryTransition(t *testing.T) {
	seen := play(DefaultOptions(), 0, 2000).seen
	for _, what := range []string{
		"Installing", "Stepping", "Promoting", "Aborted", "promoted",
		"aborted by Request", "aborted by Analysis", "aborted by Deadline", "aborted by Superseded",
		"accepted promote", "accepted promote-full", "accepted abort", "accepted retry", "accepted pause", "accepted resume",
		"accepted undo", "accepted restart", "restarted", "rewired", "swapped", "went back", "judged", "aborted by Gate", "confirmed",
	} {
		require.Greater(t, seen[what], 20, "%s, of %v", what, seen)
	}
}

// requireEveryOutcomeAtEveryPlace requires that releases were let go on, made wait and taken back by every outcome of the analysis
// that may, at every place where it can stand.
func requireEveryOutcomeAtEveryPlace(t *testing.T, seen map[string]int) {
	t.Helper()
	var never []string
	for _, place := range []string{"background", "step", "bake", "pre-promotion", "post-promotion", "relative to stable"} {
		all := []string{cell(place, analysis.Pass, wentOn)}
		for _, outcome := range []analysis.Verdict{analysis.Fail, analysis.Inconclusive, analysis.NoData, analysis.Error} {
			all = append(all, cell(place, outcome, waited), cell(place, outcome, takenBack))
		}
		never = append(never, slices.DeleteFunc(all, func(c string) bool { return seen[c] > 0 })...)
	}
	require.Empty(t, never, "no history comes there any more, so nothing is known of it")
}

func TestEveryInvariantHasAMutantThatViolatesIt(t *testing.T) {
	covered := map[string]bool{"DeletionMovesNothing": true} // a fault of the shell: see guards_test.go
	for _, m := range mutants() {
		covered[m.violates] = true
	}
	for _, i := range rollout.Invariants() {
		require.True(t, covered[i.Name], "no mutant violates %s", i.Name)
	}
}
