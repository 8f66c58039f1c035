package sim

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollout-dev/rollout/rollout"
)

// Scope bounds an exhaustive search. Within it everything is tried that may happen next, in every order: what goes on by
// itself, what people do, and what breaks.
type Scope struct {
	// Name for people.
	Name     string
	Settings Settings
	// Quality is what revisions are like.
	Quality map[rollout.Revision]Quality
	// Target is what a person pushes first; empty for nothing.
	Target rollout.Revision
	// People names what people may do after that (see allDeeds), and Deeds is how often they do something at most, up to 3.
	People []string
	Deeds  int
	// Breaks names what may break (see allFaults; besides, "stalled watch" and "late"), and Faults is how often something breaks at most, up to 3.
	Breaks []string
	Faults int
	// Progress is told after every move how long paths are by now, how many states were found, and how many are to be
	// looked at next; nil for nobody.
	Progress func(moves, states, next int)
}

// Found is what a search came across.
type Found struct {
	// States that differ, transitions between them, and how many moves it takes to the last of them.
	States, Transitions, Moves int
	// Rests counts the states in which nothing moves any more.
	Rests int
	// Broken are violations, one for each invariant, with the shortest path to it.
	Broken []Counterexample
}

// Counterexample is a violation and what leads to it.
type Counterexample struct {
	Violation
	// Moves is the length of the path, and Trace is what happens on it.
	Moves int
	Trace []string
}

// String is the violation and the path to it.
func (c Counterexample) String() string {
	return fmt.Sprintf("%s: %v, after %d moves:\n%s", c.Invariant, c.Err, c.Moves, strings.Join(c.Trace, "\n"))
}

// Search tries everything within a scope. It goes on after a violation, but not from there.
func Search(scope Scope) Found { return newSearch(scope).run() }

// search is one search under way: breadth first, so that the first path to anything is a shortest one.
type search struct {
	scope   Scope
	options []option
	// passing is the option that time passes.
	passing int
	// stalls: watches may stall. lates: something may be late.
	stalls, lates bool
	seen          *seen
	// steps are the ways to everything that was looked at; the first is the beginning.
	steps  []step
	found  Found
	broken map[string]finding
	// encoder writes states down; every worker has one.
	encoder func(Settings) *encoder
	// audit is shown everything that is reached, also what was reached before; nil for nobody.
	audit func(*state)
}

// move is one option taken in one way.
type move struct {
	option, way uint8
	// late is an option, counting from 1, that takes its time from then on.
	late uint8
	// stalled are the watches that don't show what changes with the move, nor anything after it.
	stalled kindSet
}

// step is how a state was reached: from which step, as an index, and how.
type step struct {
	from int32
	move move
}

// finding is a violation, the step it was found at and the moves after it.
type finding struct {
	violation Violation
	from      int32
	then      []move
	// circles: what goes on by itself comes back there.
	circles bool
}

func newSearch(scope Scope) *search {
	return &search{
		scope: scope, passing: len(ownOptions()) - 1,
		options: slices.Concat(ownOptions(), named(allDeeds(), scope.People), named(allFaults(), scope.Breaks)),
		stalls:  slices.Contains(scope.Breaks, "stalled watch"), lates: slices.Contains(scope.Breaks, "late"),
		seen: newSeen(), broken: map[string]finding{}, encoder: newEncoder,
	}
}

func (s *search) run() Found {
	frontier := []*state{s.first()}
	for moves := 0; len(frontier) > 0; moves++ {
		s.found.Moves = moves
		frontier = s.level(frontier)
		if s.scope.Progress != nil {
			s.scope.Progress(moves, s.seen.count(), len(frontier))
		}
	}
	s.found.States = s.seen.count()
	s.keep(s.neverAtRest())
	for _, invariant := range slices.Sorted(maps.Keys(s.broken)) {
		s.found.Broken = append(s.found.Broken, s.explain(s.broken[invariant]))
	}
	return s.found
}

// first is the state in which everything begins.
func (s *search) first() *state {
	begin := s.beginning(nil)
	begin.hash = s.encoder(s.scope.Settings).hash(begin)
	s.steps = append(s.steps, step{from: -1})
	s.seen.reach(begin.hash, begin.left)
	return begin
}

// beginning is the state that a search, or the trace of a path, begins with.
func (s *search) beginning(trace Trace) *state {
	settings := s.scope.Settings
	settings.Trace = trace
	begin := &state{Cluster: New(settings), left: budget{int8(s.scope.Deeds), int8(s.scope.Faults)}}
	begin.quality = s.scope.Quality
	if s.scope.Target != "" {
		begin.push(s.scope.Target)
	}
	begin.normalize()
	return begin
}

// level looks at all states that are equally far from the beginning, on all processors, and returns those that follow.
func (s *search) level(frontier []*state) []*state {
	workers := make([]*worker, runtime.GOMAXPROCS(0))
	var group sync.WaitGroup
	for i := range workers {
		w := &worker{search: s, encoder: s.encoder(s.scope.Settings)}
		workers[i] = w
		group.Go(func() {
			for j := i; j < len(frontier); j += len(workers) {
				w.expand(frontier[j])
				frontier[j] = nil
			}
		})
	}
	group.Wait()
	var all []reached
	for _, w := range workers {
		s.found.Transitions += w.transitions
		s.found.Rests += w.rests
		all = append(all, w.reached...)
		s.keep(w.findings)
	}
	return s.follow(all)
}

// reached is a state with the step that leads to it.
type reached struct {
	*state
	step step
}

// follow gives the states that were reached their steps, always in the same order, and leaves out those whose budget
// another one covers.
func (s *search) follow(all []reached) []*state {
	slices.SortFunc(all, func(a, b reached) int { return a.step.compare(b.step) })
	frontier := make([]*state, 0, len(all))
	for _, r := range all {
		if known := s.seen.get(r.hash).budgets; (known &^ r.left.bit()).cover(r.left) {
			continue
		}
		s.steps = append(s.steps, r.step)
		r.at = int32(len(s.steps) - 1)
		frontier = append(frontier, r.state)
	}
	return frontier
}

func (s step) compare(other step) int {
	a, b := s.move, other.move
	return cmp.Or(cmp.Compare(s.from, other.from), cmp.Compare(a.option, b.option), cmp.Compare(a.way, b.way),
		cmp.Compare(a.late, b.late), cmp.Compare(a.stalled, b.stalled))
}

// keep keeps a shortest finding for each invariant, always the same.
func (s *search) keep(findings []finding) {
	for _, f := range findings {
		known, there := s.broken[f.violation.Invariant]
		if !there || cmp.Or(cmp.Compare(len(s.path(f)), len(s.path(known))), cmp.Compare(f.from, known.from)) < 0 {
			s.broken[f.violation.Invariant] = f
		}
	}
}

// path is the moves that lead from the beginning to a finding.
func (s *search) path(f finding) []move {
	var moves []move
	for at := f.from; s.steps[at].from >= 0; at = s.steps[at].from {
		moves = append(moves, s.steps[at].move)
	}
	slices.Reverse(moves)
	return append(moves, f.then...)
}

// explain follows a path once more and writes down what happens on it.
func (s *search) explain(f finding) Counterexample {
	var lines []string
	now := s.beginning(func(after time.Duration, who, what string) { lines = append(lines, line(after, who, what)) })
	moves := s.path(f)
	for _, m := range moves {
		now = s.make(now, m)
	}
	if f.circles {
		lines = append(lines, "and then, again and again:")
		s.goOn(now, 30)
	}
	return Counterexample{Violation: f.violation, Moves: len(moves), Trace: lines}
}

// make makes a move and brings what it leads to into its form.
func (s *search) make(now *state, m move) *state {
	f := now.fork()
	s.act(f, m)
	f.normalize()
	return f
}

// act makes a move.
func (s *search) act(f *state, m move) {
	f.late &^= 1 << m.option
	if m.late > 0 {
		o := s.options[m.late-1]
		f.say(o.name, "takes its time")
		if !o.soon {
			f.late |= 1 << (m.late - 1)
		}
	}
	s.options[m.option].take(f, int(m.way))
	if m.stalled != 0 {
		f.say("watch", "that of %s stalls", m.stalled)
		f.stalled = m.stalled
	}
}

// goOn lets happen what happens if nobody interferes, for some moves.
func (s *search) goOn(now *state, moves int) {
	e := s.encoder(s.scope.Settings)
	for range moves {
		for _, m := range s.own(now) {
			silent := now.fork()
			silent.settings.Trace = nil
			if next := s.make(silent, m); e.hash(next) != e.hash(now) {
				now = s.make(now, m)
				break
			}
		}
	}
}

// own are the moves that are made if nobody interferes, the first that changes something before the others.
func (s *search) own(now *state) []move {
	var moves []move
	for i := range ownOptions() {
		for way := range s.options[i].ways(now) {
			moves = append(moves, move{option: uint8(i), way: uint8(way)})
		}
	}
	return moves
}
