//go:build integration

package crash

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rollout-dev/rollout/e2e/wire"
)

// luck is what happens to the calls of a controller. Its functions are called from several goroutines.
type luck struct {
	// call decides what becomes of a call.
	call func(call) fate
	// late is how late the next thing that a watch has to say arrives.
	late func(call) time.Duration
	// cuts, if it isn't nil, says after how long which kind's watches are cut, again and again.
	cuts func() (after time.Duration, kind string)
	// anew: the process is killed and started again as soon as it has this luck, so that its first calls have it, too.
	anew bool
}

// fate is what becomes of one call; the zero value is that it is answered by the API server.
type fate struct {
	// instead is the status code that the controller gets instead of the answer; wire.Reset is no answer at all.
	instead int
	// done: the API server carries the call out nevertheless.
	done bool
	// dies: the controller's process is killed before the answer reaches it.
	dies bool
}

// failures are the ways in which a call fails.
var failures = wire.Failures()

// good is how things are without any fault.
func good() luck {
	return luck{call: func(call) fate { return fate{} }, late: func(call) time.Duration { return 0 }}
}

// diesAfter kills the controller after some of its writes. Such a write was carried out and its answer is not heard. That is all
// there is to a death between two writes: what the process knew is gone anyway, so it makes no difference whether it heard the
// answer, and a death right before a write is one after the write before.
func diesAfter(which func(write int) bool) luck {
	l := good()
	l.call = func(c call) fate { return fate{dies: c.write > 0 && which(c.write)} }
	return l
}

// hearsLate hears of the changes of one kind this much later than of all others.
func hearsLate(kind string, by time.Duration) luck {
	l := good()
	l.late = func(c call) time.Duration {
		if c.resource == kind {
			return by
		}
		return 0
	}
	return l
}

// hearsWhenever hears of each change up to so much later.
func hearsWhenever(most time.Duration, chance *chance) luck {
	l := good()
	l.late = func(call) time.Duration { return time.Duration(chance.upTo(int(most))) }
	return l
}

// isCutOff loses one of its watches after another.
func isCutOff(every time.Duration, chance *chance) luck {
	l := good()
	l.cuts = func() (time.Duration, string) {
		return time.Duration(chance.upTo(2 * int(every))), allKinds[chance.upTo(len(allKinds))]
	}
	return l
}

// losesAnswers makes every so manieth write fail in the eyes of the controller although it was carried out, in another way each
// time.
func losesAnswers(every, first int) luck {
	l := good()
	l.call = func(c call) fate {
		if c.write == 0 || c.write%every != first {
			return fate{}
		}
		return fate{done: true, instead: failures[c.write/every%len(failures)]}
	}
	return l
}

// failsOnce makes each call that differs from those before fail, in one way after the other.
func failsOnce() luck {
	var mu sync.Mutex
	seen := map[string]bool{}
	l := good()
	l.anew = true
	l.call = func(c call) fate {
		mu.Lock()
		defer mu.Unlock()
		if seen[c.String()] {
			return fate{}
		}
		seen[c.String()] = true
		return fate{instead: failures[len(seen)%len(failures)]}
	}
	return l
}

// failsOften makes a share of all calls fail, in percent; half of them are carried out all the same.
func failsOften(percent int, chance *chance) luck {
	l := good()
	l.anew = true
	l.call = func(call) fate {
		if chance.upTo(100) >= percent {
			return fate{}
		}
		return fate{instead: failures[chance.upTo(len(failures))], done: chance.upTo(2) == 0}
	}
	return l
}

// chance is a source of random numbers for several goroutines.
type chance struct {
	mu     sync.Mutex
	source *rand.Rand // follows mu
}

func newChance(seed uint64) *chance { return &chance{source: rand.New(rand.NewPCG(seed, 0))} }

// upTo is a number from 0 to n-1.
func (c *chance) upTo(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.source.IntN(n)
}
