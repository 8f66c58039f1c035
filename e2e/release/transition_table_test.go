//go:build e2e

package release

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// transitionTable is what clients noticed of each transition.
type transitionTable struct {
	seed uint64

	mu   sync.Mutex
	rows []transitionResult // follows mu
}

type transitionResult struct {
	strategy, name string
	calm, killed   performance
}

func (t *transitionTable) add(row transition, calm, killed performance) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, transitionResult{row.family.name, row.name, calm, killed})
}

// print prints the table, if there is anything in it.
func (t *transitionTable) print(w io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rows) == 0 {
		return
	}
	slices.SortStableFunc(t.rows, func(a, b transitionResult) int { return cmp.Compare(a.strategy, b.strategy) })
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "\nSTRATEGY\tTRANSITION\tCALM: REQUESTS\tFAILED\tTOOK\tKILLED: AFTER\tREQUESTS\tFAILED\tTOOK")
	var times, requests, failed int
	for _, row := range t.rows {
		killed := "-"
		if row.killed.requests > 0 {
			killed = seconds(row.killed.killed)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", row.strategy, row.name, row.calm, killed, row.killed)
		for _, p := range []performance{row.calm, row.killed} {
			if p.requests > 0 {
				times++
			}
			requests += p.requests
			failed += p.failed
		}
	}
	_ = table.Flush() // The table is for people; nothing depends on it.
	fmt.Fprintf(w, "%d transitions, played %d times (ROLLOUT_E2E_SEED=%d): %d requests, %d failed\n", len(t.rows), times, t.seed, requests, failed)
}

// String is the cells of the table; dashes if it was not played.
func (p performance) String() string {
	if p.requests == 0 {
		return "-\t-\t-"
	}
	return fmt.Sprintf("%d\t%d\t%s", p.requests, p.failed, seconds(p.took))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
