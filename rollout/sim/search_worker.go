package sim

import (
	"fmt"
	"math/bits"
	"time"
)

// worker looks at states.
type worker struct {
	search  *search
	encoder *encoder
	// spare is a copy of the state under way in which nothing has changed yet.
	spare *state

	transitions, rests int
	reached            []reached
	findings           []finding
}

// expand takes every option that a state has.
func (w *worker) expand(s *state) {
	w.spare = nil
	m := mark{at: s.at}
	var waiting optionSet
	for i, o := range w.search.options {
		left, enough := s.left.after(o.cost)
		if !enough || i == w.search.passing {
			continue
		}
		for way := range o.ways(s) {
			hash := w.try(s, move{option: uint8(i), way: uint8(way)}, left)
			if hash == s.hash {
				continue
			}
			if o.cost == free && m.next == 0 {
				m.next = hash
			}
			if o.urgent {
				waiting |= 1 << i
			}
		}
	}
	w.expandTime(s, waiting&^s.late, &m)
	w.search.seen.edit(s.hash, func(known *mark) {
		m.budgets = known.budgets
		*known = m
	})
}

// expandTime lets time pass if nothing is waiting that is not late already; or if a single thing is, which is late then. Of
// several that wait, others can be taken first.
func (w *worker) expandTime(s *state, waiting optionSet, m *mark) {
	if waiting != 0 {
		left, enough := s.left.after(fault)
		if w.search.lates && enough && bits.OnesCount16(uint16(waiting)) == 1 {
			w.try(s, move{option: uint8(w.search.passing), late: uint8(bits.Len16(uint16(waiting)))}, left)
		}
		return
	}
	hash := w.try(s, move{option: uint8(w.search.passing)}, s.left)
	if m.next != 0 {
		return
	}
	err := s.unrest()
	m.pausing, m.resting = true, err == nil
	if hash != s.hash {
		m.next = hash
		return
	}
	w.rests++
	if err != nil {
		w.findings = append(w.findings, finding{violation: Violation{"Liveness", err}, from: s.at})
	}
}

// try makes a move and notes what it leads to. It returns the hash of that, which is the same as before if nothing changes.
func (w *worker) try(s *state, m move, left budget) uint64 {
	f := w.spare
	if f == nil {
		f = s.fork()
	}
	w.spare = nil
	w.search.act(f, m)
	f.left = left
	if f.store.version != s.store.version {
		w.stall(s, f, m)
	}
	hash := w.arrive(s, f, m)
	if hash == s.hash {
		w.spare = f
	}
	return hash
}

// stall lets the watches of what a move changes stay behind from then on: of one kind, or all of them.
func (w *worker) stall(s, f *state, m move) {
	left, enough := f.left.after(fault)
	if !w.search.stalls || !enough || f.stalled != 0 || len(f.violations) > 0 {
		return
	}
	before, after := s.store.head(), f.store.head()
	for k := range kinds {
		if before[k] == after[k] {
			continue
		}
		for _, stalled := range []kindSet{1 << k, everyKind} {
			v := f.fork()
			v.left, v.stalled, m.stalled = left, stalled, stalled
			// A leader that waits for its own writes is only late.
			if v.normalize(); !v.settings.Guards.OwnWrites || !v.leader().behind() {
				w.arrive(s, v, m)
			}
		}
	}
}

// arrive notes what a move has led to, and returns its hash.
func (w *worker) arrive(s, f *state, m move) uint64 {
	f.normalize()
	f.hash = w.encoder.hash(f)
	if f.hash == s.hash {
		return f.hash
	}
	w.transitions++
	if len(f.violations) > 0 {
		w.findings = append(w.findings, finding{violation: f.violations[0], from: s.at, then: []move{m}})
		return f.hash
	}
	if w.search.audit != nil {
		w.search.audit(f)
	}
	if w.search.seen.reach(f.hash, f.left) {
		w.reached = append(w.reached, reached{f, step{s.at, m}})
	}
	return f.hash
}

// line is one line of a trace.
func line(after time.Duration, who, what string) string {
	return fmt.Sprintf("%9.3fs  %-8s %s", after.Seconds(), who, what)
}
