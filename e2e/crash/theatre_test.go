//go:build integration

package crash

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
)

// theatre performs plays, so many at a time. Each waits most of its time, and needs about a second of computing.
type theatre struct {
	seats chan struct{}
	calm  map[string]func(dir string) (report, error)
}

func newTheatre(seats int) *theatre {
	t := &theatre{seats: make(chan struct{}, seats), calm: map[string]func(string) (report, error){}}
	for _, s := range scenarios {
		var once sync.Once
		var r report
		var err error
		t.calm[s.name] = func(dir string) (report, error) {
			once.Do(func() { r, err = t.perform(context.Background(), &play{scenario: s, dir: dir, luck: []luck{good()}}) })
			return r, err
		}
	}
	return t
}

func (t *theatre) perform(ctx context.Context, p *play) (report, error) {
	t.seats <- struct{}{}
	defer func() { <-t.seats }()
	return p.perform(ctx)
}

// trial is a scenario under bad luck.
type trial struct {
	// name is the kind of luck, detail tells one trial of it from others.
	name, detail string
	// luck has an entry for each controller.
	luck []luck
	// next is the trial that follows from how this one went, if any.
	next func(report) *trial
}

// endure performs every scenario calmly, and then every trial that there is of it, and prints a table. Each play has to end
// like the calm one, safely.
func endure(t *testing.T, trials func(calm report) []trial) {
	t.Helper()
	e := endurance{t: t, dir: t.TempDir()}
	chosen, err := regexp.Compile(*only)
	require.NoError(t, err)
	var all sync.WaitGroup
	for _, s := range scenarios {
		if chosen.MatchString(s.name) {
			all.Go(func() { e.scenario(t.Context(), s, trials) })
		}
	}
	all.Wait()
	t.Log("\n" + e.table())
	require.Empty(t, e.failures)
}

// endurance is a test under way.
type endurance struct {
	t   *testing.T
	dir string

	mu       sync.Mutex
	rows     []row    // follows mu
	failures []string // follows mu; one line each
}

// row sums up all trials of a scenario with one kind of luck.
type row struct {
	scenario, luck       string
	plays, same          int
	fewest, most, deaths int
	longest              time.Duration
}

func (e *endurance) scenario(ctx context.Context, s scenario, trials func(report) []trial) {
	begin := time.Now()
	calm, err := house.calm[s.name](e.dir)
	e.note(s, trial{name: "none"}, calm, err)
	if err != nil {
		return
	}
	var all sync.WaitGroup
	for _, first := range trials(calm) {
		all.Go(func() {
			for next := &first; next != nil; {
				r, err := house.perform(ctx, &play{scenario: s, dir: e.dir, luck: next.luck, like: &calm.outcome})
				e.note(s, *next, r, err)
				if next.next == nil || err != nil {
					return
				}
				next = next.next(r)
			}
		})
	}
	all.Wait()
	e.t.Logf("%s: done after %s", s.name, time.Since(begin).Round(time.Second))
}

// note adds a play to its row.
func (e *endurance) note(s scenario, is trial, r report, failed error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.rows, func(r row) bool { return r.scenario == s.name && r.luck == is.name })
	if i < 0 {
		i = len(e.rows)
		e.rows = append(e.rows, row{scenario: s.name, luck: is.name, fewest: r.writes})
	}
	sum := &e.rows[i]
	sum.plays, sum.deaths = sum.plays+1, sum.deaths+r.deaths
	sum.fewest, sum.most, sum.longest = min(sum.fewest, r.writes), max(sum.most, r.writes), max(sum.longest, r.took)
	if failed == nil {
		sum.same++
		return
	}
	e.failures = append(e.failures, fmt.Sprintf("%s, %s %s", s.name, is.name, is.detail))
	// What follows from a fault that many plays have in common needs to be told once or twice.
	if len(e.failures) <= toldInFull {
		e.t.Logf("%s, luck: %s %s: %v", s.name, is.name, is.detail, failed)
	}
}

// toldInFull is of how many failed plays everything is printed.
const toldInFull = 3

func (e *endurance) table() string {
	order := func(r row) int {
		return slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == r.scenario })
	}
	slices.SortStableFunc(e.rows, func(a, b row) int { return order(a) - order(b) })
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "scenario\tluck\tplays\twrites\tdeaths\tended the same\tlongest")
	var plays, deaths, same int
	for _, r := range e.rows {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d to %d\t%d\t%d\t%s\n", r.scenario, r.luck, r.plays, r.fewest, r.most, r.deaths, r.same, r.longest.Round(100*time.Millisecond))
		plays, deaths, same = plays+r.plays, deaths+r.deaths, same+r.same
	}
	fmt.Fprintf(w, "all\t\t%d\t\t%d\t%d\t\n", plays, deaths, same)
	_ = w.Flush() // Into memory.
	return text.String()
}
