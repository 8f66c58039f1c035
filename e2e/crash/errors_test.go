//go:build integration

package crash

import (
	"fmt"
	"testing"
)

func TestAControllerThatLosesAnswersEndsEveryReleaseTheSame(t *testing.T) {
	t.Parallel()
	const every = 3
	endure(t, func(report) []trial {
		var trials []trial
		for first := range every {
			trials = append(trials, trial{name: "loses answers", detail: fmt.Sprintf("of every third write, and of write %d", first),
				luck: []luck{losesAnswers(every, first)}})
		}
		return trials
	})
}

func TestAControllerWhoseCallsAllFailOnceEndsEveryReleaseTheSame(t *testing.T) {
	t.Parallel()
	endure(t, func(report) []trial {
		return []trial{{name: "each call fails once", luck: []luck{failsOnce()}}}
	})
}

func TestAControllerWhoseCallsOftenFailEndsEveryReleaseTheSame(t *testing.T) {
	t.Parallel()
	endure(t, func(report) []trial {
		return []trial{{name: "every fifth call fails", detail: fmt.Sprintf("with seed %d", *seed), luck: []luck{failsOften(20, newChance(*seed))}}}
	})
}
