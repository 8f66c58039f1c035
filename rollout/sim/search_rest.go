package sim

import (
	"errors"
	"fmt"
)

// unrest says what is not as it should be in a state in which nothing moves any more, or nothing but time.
func (s *state) unrest() error {
	if s.store.rollouts.last().deleted {
		return nil
	}
	p := s.leader()
	if err := (&history{Cluster: s.Cluster}).atRest(p); err != nil {
		return fmt.Errorf("at rest, but %w; it reports %s %s: %s", err, p.report.State, p.report.Reason, p.report.Message)
	}
	return nil
}

// neverAtRest finds states from which nothing comes to rest if nobody interferes any more, neither people nor faults: what
// goes on by itself goes on in a circle. Only a release that waits and is measured meanwhile may do that.
//
// It looks at what follows first of all that may, from every state there is. A state that nothing follows is at rest, and was
// judged when it was looked at.
func (s *search) neverAtRest() []finding {
	var findings []finding
	walk := map[uint64]bool{}
	for i := range s.seen {
		for start := range s.seen[i].marks {
			clear(walk)
			at := start
			for m := s.seen.get(at); m.budgets != 0 && !m.walked && !walk[at]; m = s.seen.get(at) {
				walk[at] = true
				at = m.next
			}
			if walk[at] {
				if err := s.circle(at); err != nil {
					findings = append(findings, finding{violation: Violation{"Liveness", err}, from: s.seen.get(at).at, circles: true})
				}
			}
			for hash := range walk {
				s.seen.edit(hash, func(m *mark) { m.walked = true })
			}
		}
	}
	return findings
}

// circle says what is wrong with a circle that a state is part of.
func (s *search) circle(start uint64) error {
	pauses := false
	for at := start; ; {
		m := s.seen.get(at)
		if m.pausing && !m.resting {
			return errors.New("it goes on for ever, and not everything is as it should be")
		}
		pauses = pauses || m.pausing
		if at = m.next; at == start {
			break
		}
	}
	if !pauses {
		return errors.New("the controller spins")
	}
	return nil
}
