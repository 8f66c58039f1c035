package main

import (
	"errors"
	"fmt"
	"io"
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

// summarize tells how all releases went and what to do next.
func summarize(out io.Writer, tier string, results []result) {
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "RELEASE\t\tRESULT\tDURATION\tREQUESTS SERVED\tBREACH TO ZERO SHARE\tLOST REQUESTS")
	for _, r := range results {
		served, exposure := fmt.Sprint(r.served), "-"
		if r.errors > 0 {
			served += fmt.Sprintf(" (%d errors)", r.errors)
		}
		if r.outcome == picture.TakenBack {
			exposure = r.exposure().Round(10 * time.Millisecond).String()
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%d\n",
			r.Version, r.title, r.outcome, r.took.Round(100*time.Millisecond), served, exposure, r.lost)
	}
	_ = table.Flush() // It fails if writing to out does, from which nothing follows.
	fmt.Fprint(out, `
Breach: the first scrape of Prometheus that shows it. Zero share: the last request that a client sent to the version.
Lost: requests that no version of the application answered.
`, next(tier))
}

// next is what to try after the demo.
func next(tier string) string {
	var out strings.Builder
	fmt.Fprintln(&out, "\nWhat to try next:")
	table := tabwriter.NewWriter(&out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "  make cluster-up TIER=kind\ta cluster of your own to try things in; make cluster-down removes it")
	fmt.Fprintln(table, "  make install\tthe engine, where your kubeconfig points")
	fmt.Fprintln(table, "  bin/rollout get NAME -w\ta release as it happens; also: list, status, promote, abort, retry")
	if tier == sandboxTier {
		fmt.Fprintln(table, "  make demo CLUSTER=kind\tthe same with real pods behind a real gateway")
	}
	fmt.Fprintln(table, "  docs/architecture.md\thow it works")
	_ = table.Flush() // A strings.Builder takes everything.
	return out.String()
}
