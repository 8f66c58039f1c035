//go:build e2e

package release

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// dataPlaneTable is what clients received through each data plane.
type dataPlaneTable struct {
	mu   sync.Mutex
	rows []planeRow // follows mu
}

// planeRow is one thing that happened on one data plane.
type planeRow struct {
	router, transition string
	// shares are what was measured, one after the other.
	shares             []receivedShare
	requests, failures int
	took               time.Duration
}

// receivedShare is what a version should get and what it got, in percent.
type receivedShare struct{ wanted, received float64 }

func (t *dataPlaneTable) add(row planeRow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, row)
}

// print prints the table, if there is anything in it.
func (t *dataPlaneTable) print(w io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rows) == 0 {
		return
	}
	slices.SortStableFunc(t.rows, func(a, b planeRow) int { return cmp.Compare(a.router, b.router) })
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "\nROUTER\tTRANSITION\tWANTED %\tRECEIVED %\tREQUESTS\tFAILED\tTOOK")
	for _, row := range t.rows {
		var wanted, received []string
		for _, share := range row.shares {
			wanted = append(wanted, fmt.Sprintf("%g", share.wanted))
			received = append(received, fmt.Sprintf("%.1f", share.received))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", row.router, row.transition, strings.Join(wanted, " "), strings.Join(received, " "),
			row.requests, row.failures, seconds(row.took))
	}
	_ = table.Flush() // The table is for people; nothing depends on it.
}
