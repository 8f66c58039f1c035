package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rollout-dev/rollout/e2e/demo/picture"
)

// result is how one release went.
type result struct {
	release
	outcome picture.Outcome
	// took is the time from the change of the Rollout to its outcome.
	took time.Duration
	// served counts the requests that the version answered while it was released, errors those it answered with one.
	served, errors int
	// breach is when the first scrape showed that the version is bad, last when the last request to it was sent.
	breach, last time.Time
	// lost counts the requests that nobody answered during the release.
	lost int
}

// exposure is how long clients still reached a bad version after it could be known to be bad.
func (r result) exposure() time.Duration { return max(r.last.Sub(r.breach), 0) }

// check says what is not as promised.
func (r result) check() error {
	var broken []error
	if r.outcome != r.want {
		broken = append(broken, fmt.Errorf("%s is %s and should be %s", r.Version, r.outcome, r.want))
	}
	if r.lost > 0 {
		broken = append(broken, fmt.Errorf("%d requests were lost while %s was released", r.lost, r.Version))
	}
	return errors.Join(broken...)
}

// summarize tells how all releases went.
func summarize(out io.Writer, results []result) {
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "RELEASE\tRESULT\tDURATION\tSERVED\tBREACH TO ZERO\tLOST")
	for _, r := range results {
		served, exposure := fmt.Sprint(r.served), "-"
		if r.errors > 0 {
			served += fmt.Sprintf(" (%d errors)", r.errors)
		}
		if r.outcome == picture.TakenBack {
			exposure = r.exposure().Round(10 * time.Millisecond).String()
		}
		fmt.Fprintf(table, "%s  %s\t%s\t%s\t%s\t%s\t%d\n",
			r.Version, r.title, r.outcome, r.took.Round(100*time.Millisecond), served, exposure, r.lost)
	}
	_ = table.Flush() // It fails if writing to out does, from which nothing follows.
	fmt.Fprintln(out, `
Served: requests that clients sent to the version. Breach to zero: from the first scrape of Prometheus that
shows how bad it is to the last request that a client sent to it. Lost: requests that nobody answered.`)
}

// next is what to try after the demo.
func next(tier string) string {
	hints := [][2]string{
		{"make cluster-up TIER=kind", "a cluster of your own; make cluster-down removes it"},
		{"export KUBECONFIG=$(bin/cluster kubeconfig --name dev)", ""},
		{"make image && bin/cluster load --name dev dist/rollout-controller.tar", ""},
		{"make install PROMETHEUS=" + prometheusInCluster, "the engine, in it or wherever KUBECONFIG points"},
		{"bin/rollout get NAME -w", "a release as it happens; also list, status, promote, abort, retry"},
		{"docs/architecture.md", "how it works"},
	}
	if tier == sandboxTier {
		hints = slices.Insert(hints, 0, [2]string{"make demo CLUSTER=kind", "the same with real pods behind a real gateway"})
	}
	var out strings.Builder
	fmt.Fprintln(&out, "\nWhat to try next:")
	for _, hint := range hints {
		fmt.Fprintf(&out, "  %s\n", strings.TrimSpace(fmt.Sprintf("%-64s  %s", hint[0], hint[1])))
	}
	return out.String()
}
