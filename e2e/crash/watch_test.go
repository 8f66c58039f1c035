//go:build integration

package crash

import (
	"fmt"
	"testing"
	"time"
)

// lateness is longer than the settle and the drain time together: what is heard then has had its consequences.
const lateness = settle + drain + time.Second

func TestAControllerThatHearsOfOneKindOfChangesLateEndsEveryReleaseTheSame(t *testing.T) {
	t.Parallel()
	endure(t, func(report) []trial {
		var trials []trial
		for _, kind := range allKinds {
			trials = append(trials, trial{name: "late " + kind, luck: []luck{hearsLate(kind, lateness)}})
		}
		return trials
	})
}

func TestAControllerWhoseWatchesAreUnreliableEndsEveryReleaseTheSame(t *testing.T) {
	t.Parallel()
	endure(t, func(report) []trial {
		return []trial{
			{name: "late now and then", detail: fmt.Sprintf("with seed %d", *seed), luck: []luck{hearsWhenever(lateness, newChance(*seed))}},
			{name: "cut off", detail: fmt.Sprintf("with seed %d", *seed), luck: []luck{isCutOff(500*time.Millisecond, newChance(*seed))}},
		}
	})
}
