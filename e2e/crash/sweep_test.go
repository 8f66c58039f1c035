//go:build integration

package crash

import (
	"fmt"
	"testing"
)

func TestAControllerThatDiesAfterAnyOneWriteEndsEveryReleaseTheSame(t *testing.T) {
	t.Parallel()
	endure(t, func(calm report) []trial {
		var trials []trial
		for n := range calm.writes {
			trials = append(trials, dying(n+1))
		}
		// A play can have more writes than the calm one: on it goes until one ends before the death.
		last := &trials[len(trials)-1]
		last.next = followed(calm.writes + 1)
		return trials
	})
}

// dying dies after the n-th write.
func dying(n int) trial {
	return trial{name: "dies once", detail: fmt.Sprintf("after write %d", n), luck: []luck{diesAfter(func(write int) bool { return write == n })}}
}

// followed is followed by deaths after the n-th write and each further one until there is none.
func followed(n int) func(report) *trial {
	return func(before report) *trial {
		if before.deaths == 0 {
			return nil
		}
		next := dying(n)
		next.next = followed(n + 1)
		return &next
	}
}

// A life is two writes long, because that is what an eviction takes: a note that nobody else may have made meanwhile comes first,
// so that two controllers never evict more pods than may be missing.
func TestAControllerThatLivesForTwoWritesAtATimeEndsEveryReleaseTheSame(t *testing.T) {
	t.Parallel()
	endure(t, func(report) []trial {
		return []trial{{name: "dies always", luck: []luck{diesAfter(func(write int) bool { return write%2 == 0 })}}}
	})
}
