//go:build e2e

package release

import (
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
	"time"
)

// figures are what the run measured, for the table at its end.
type figures struct {
	started time.Time

	mu   sync.Mutex
	rows [][2]string // follows mu
}

func (f *figures) add(what, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows = append(f.rows, [2]string{what, fmt.Sprintf(format, args...)})
}

func (f *figures) print(w io.Writer) {
	f.add("whole run", "%s", time.Since(f.started).Round(time.Second))
	f.mu.Lock()
	defer f.mu.Unlock()
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "\nFIGURE\tVALUE")
	for _, row := range f.rows {
		fmt.Fprintf(table, "%s\t%s\n", row[0], row[1])
	}
	_ = table.Flush() // The figures are for people; nothing depends on them.
}
