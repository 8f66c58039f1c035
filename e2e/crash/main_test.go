//go:build integration

package crash

import (
	"flag"
	"os"
	"runtime"
	"testing"

	"github.com/rollout-dev/rollout/e2e/stage"
)

var (
	seed  = flag.Uint64("seed", 1, "what random luck is made of")
	plays = flag.Int("plays", 6*runtime.NumCPU(), "how many plays go on at the same time")
	only  = flag.String("only", "", "play the scenarios whose name matches this regular expression")
)

// cluster is the one sandbox that all plays share; each has a namespace of its own in it.
var cluster *stage.Cluster

// house is where all plays are performed.
var house *theatre

func TestMain(m *testing.M) {
	flag.Parse()
	// Nobody looks at the simulated requests here, and a hundred routes of them at once cost a lot.
	os.Exit(stage.With("crash", []string{"--rps", "0"}, func(c *stage.Cluster) int {
		cluster, house = c, newTheatre(*plays)
		return m.Run()
	}))
}
