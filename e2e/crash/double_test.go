//go:build integration

package crash

import (
	"fmt"
	"testing"
)

func TestTwoControllersThatBothLeadEndEveryReleaseTheSame(t *testing.T) {
	t.Parallel()
	endure(t, func(report) []trial {
		return []trial{
			{name: "a double", luck: []luck{good(), good()}},
			{name: "a late double", detail: fmt.Sprintf("with seed %d", *seed), luck: []luck{good(), hearsWhenever(lateness, newChance(*seed))}},
		}
	})
}
