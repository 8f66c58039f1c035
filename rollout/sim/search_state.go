package sim

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/rollout-dev/rollout/rollout"
)

// state is a cluster at one point of a search. Its first process leads. The second is only there as one that led until
// it froze in the middle of a pass: it does the rest of that pass at any time, and nothing after it.
//
// Watches show everything at once, since a change is only seen when the controller begins a pass: to be shown late is the same
// as to begin late. What differs is a watch that stays behind while others don't.
type state struct {
	*Cluster
	// hash stands for everything that matters; see encoder.
	hash uint64
	// left is what may still happen.
	left budget
	// stalled are the kinds whose watches stay behind.
	stalled kindSet
	// late are the options that may be taken later, although others move on.
	late optionSet
	// at is the step that leads here, as an index.
	at int32
}

// kindSet is a set of kinds, optionSet one of options, as indexes into search.options.
type (
	kindSet   uint8
	optionSet uint16
)

const everyKind kindSet = 1<<kinds - 1

func (s kindSet) has(k kind) bool { return s&(1<<k) != 0 }

// String names the kinds.
func (s kindSet) String() string {
	if s == everyKind {
		return "everything"
	}
	for k := range kinds {
		if s.has(k) {
			return k.String()
		}
	}
	return "nothing"
}

func (s *state) leader() *process { return s.processes[0] }
func (s *state) frozen() *process { return s.processes[1] }

// fork is a copy that goes its own way. What the simulator never changes in place is shared.
func (s *state) fork() *state {
	f := *s
	f.Cluster = s.Cluster.fork()
	return &f
}

// branch is a cluster with what it points to, so that a copy is made in one piece.
type branch struct {
	Cluster
	process  [2]process
	pointers [2]*process
}

func (c *Cluster) fork() *Cluster {
	b := &branch{Cluster: *c}
	for i, p := range c.processes {
		b.process[i], b.pointers[i] = *p, &b.process[i]
		b.process[i].results = slices.Clone(p.results)
		if p.pass != nil {
			pass := *p.pass
			b.process[i].pass = &pass
		}
	}
	b.processes = b.pointers[:]
	b.store = c.store.fork()
	b.data = c.data.fork()
	b.evidence = c.evidence.fork()
	b.pods = make([]podSet, len(c.pods))
	for i, set := range c.pods {
		set.pods = slices.Clone(set.pods)
		b.pods[i] = set
	}
	return &b.Cluster
}

// fork shares what was written: the next write of either goes to memory of its own.
func (s store) fork() store {
	s.rollouts, s.sets, s.services = slices.Clip(s.rollouts), slices.Clip(s.sets), slices.Clip(s.services)
	s.slices, s.routes = slices.Clip(s.slices), slices.Clip(s.routes)
	return s
}

func (d dataPlane) fork() dataPlane {
	d.shares = slices.Clone(d.shares)
	for i, shares := range d.shares {
		d.shares[i] = slices.Clone(shares)
	}
	for b, pointers := range d.pointers {
		d.pointers[b] = slices.Clone(pointers)
	}
	return d
}

// fork shares the lists: what is appended to one goes to memory of its own.
func (e evidence) fork() evidence {
	for run, names := range e.passed {
		e.passed[run] = slices.Clip(names)
	}
	for at, names := range e.stepPassed {
		e.stepPassed[at] = slices.Clip(names)
	}
	return evidence{copied(e.passed), copied(e.approved), copied(e.stepPassed), copied(e.stepApproved)}
}

// copied is a map of its own; most are empty.
func copied[K comparable, V any](m map[K]V) map[K]V {
	if len(m) == 0 {
		return map[K]V{}
	}
	return maps.Clone(m)
}

// normalize brings a state into the form in which states are compared: watches show what there is, and what can't be
// seen any more is forgotten.
func (s *state) normalize() {
	p, head := s.leader(), s.store.head()
	for k := range kinds {
		if !s.stalled.has(k) && p.view[k] != head[k] {
			p.view[k], p.fresh = head[k], false
		}
	}
	if old := s.frozen(); old.pass == nil || s.settings.Guards.Expiry && s.expired(old.pass) {
		*old = process{name: old.name}
	} else {
		old.results, old.measure, old.wake = nil, nil, time.Time{}
		old.view, old.own = head, head
	}
	s.forget()
	s.evidence.forget(s.Status())
}

// forget cuts off what nobody can read any more. No view is ever turned back, so the oldest that somebody has, or has
// made a plan from, is the oldest that counts.
func (s *state) forget() {
	oldest := s.leader().view
	for _, p := range s.processes {
		if p.pass != nil {
			oldest = earlier(oldest, p.pass.read)
		}
	}
	if oldest == (positions{}) {
		return
	}
	s.store.rollouts, s.store.sets = s.store.rollouts[oldest[rolloutKind]:], s.store.sets[oldest[setKind]:]
	s.store.services, s.store.slices = s.store.services[oldest[serviceKind]:], s.store.slices[oldest[sliceKind]:]
	s.store.routes = s.store.routes[oldest[routeKind]:]
	for k := range kinds {
		s.known[k] = max(s.known[k]-oldest[k], -1)
		for _, p := range s.processes {
			p.view[k] -= oldest[k]
			p.own[k] = max(p.own[k]-oldest[k], 0)
			if p.pass != nil {
				p.pass.read[k] -= oldest[k]
			}
		}
	}
}

// earlier is the earlier of two positions of each kind.
func earlier(a, b positions) positions {
	for k := range kinds {
		a[k] = min(a[k], b[k])
	}
	return a
}

// forget drops what speaks for runs and steps that are over: runs only go forward, and steps within a run.
func (e evidence) forget(status rollout.Status) {
	over := func(at place) bool {
		release := status.Release
		if release == nil || release.Phase == rollout.Aborting || release.Phase == rollout.Aborted {
			return at.run <= status.Runs
		}
		return at.run < release.Run || at.run == release.Run && at.step < release.Step
	}
	overall := func(run int64) bool { return over(place{run: run, step: math.MaxInt}) }
	maps.DeleteFunc(e.passed, func(run int64, _ []string) bool { return overall(run) })
	maps.DeleteFunc(e.approved, func(run int64, is bool) bool { return !is || overall(run) })
	maps.DeleteFunc(e.stepPassed, func(at place, _ []string) bool { return over(at) })
	maps.DeleteFunc(e.stepApproved, func(at place, is bool) bool { return !is || over(at) })
	for run, names := range e.passed {
		slices.Sort(names)
		e.passed[run] = slices.Compact(names)
	}
	for at, names := range e.stepPassed {
		slices.Sort(names)
		e.stepPassed[at] = slices.Compact(names)
	}
}
