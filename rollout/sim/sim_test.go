package sim

import (
	"flag"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	seeds = flag.Int("seeds", 10_000, "number of histories")
	from  = flag.Uint64("from", 0, "first seed")
)

// run runs histories on all processors and returns what came of each that violated something, the lowest seed first.
func run(o Options, from uint64, n int) (bad []Result, seen map[string]int) {
	var next atomic.Int64
	var mutex sync.Mutex
	var group sync.WaitGroup
	seen = map[string]int{}
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(n) {
					return
				}
				r := History(from+uint64(i), o)
				mutex.Lock()
				for what, times := range r.Seen {
					seen[what] += times
				}
				if len(r.Violations) > 0 {
					bad = append(bad, r)
				}
				mutex.Unlock()
			}
		})
	}
	group.Wait()
	return bad, seen
}

func TestNoSeedViolatesAnInvariant(t *testing.T) {
	bad, seen := run(DefaultOptions(), *from, *seeds)
	t.Log(seen)
	kindsOf := map[string]int{}
	first := map[string]Result{}
	for _, r := range bad {
		n := r.Violations[0].Invariant
		kindsOf[n]++
		if f, ok := first[n]; !ok || r.Seed < f.Seed {
			first[n] = r
		}
	}
	t.Log(len(bad), kindsOf)
	for _, r := range first {
		t.Log(r)
	}
}

var one = flag.Int("seed", -1, "history to print")

func TestOneSeed(t *testing.T) {
	if *one >= 0 {
		t.Log("\n" + Explain(uint64(*one), DefaultOptions(), 60))
	}
}
