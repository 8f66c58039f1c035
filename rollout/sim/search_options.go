package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/rollout-dev/rollout/analysis"
)

// option is something that may happen next.
type option struct {
	// name for people.
	name string
	cost cost
	// urgent: time doesn't pass while it would change something, unless it is late; and that is a fault. soon: it is never
	// later than the next time at which something happens.
	urgent, soon bool
	// ways is in how many ways it may be taken now, and take takes one. One that changes nothing is none.
	ways func(*state) int
	take func(*state, int)
}

// cost is what an option takes from the budget.
type cost int

const (
	// free is what goes on by itself.
	free cost = iota
	// script is what people do as the release asks them to. It costs nothing either, but nobody may wait for it.
	script
	deed
	fault
)

// ownOptions are what goes on by itself. The first of them that changes something is what happens if nobody interferes; so
// whatever was wrong is put right before time passes, which is the last.
//
// Endpoints and counts of pods are soon: the settle time is meant to cover how late endpoints are, too.
func ownOptions() []option {
	return []option{
		{name: "leader", urgent: true, ways: when((*state).writing), take: func(s *state, _ int) { s.carryOn(s.leader(), applied) }},
		{name: "frozen leader", ways: when(func(s *state) bool { return s.frozen().pass != nil }),
			take: func(s *state, _ int) { s.carryOn(s.frozen(), applied) }},
		{name: "watch", ways: when(func(s *state) bool { return s.stalled != 0 }), take: func(s *state, _ int) {
			s.say("watch", "it shows everything again")
			s.stalled = 0
		}},
		{name: "repair", ways: when((*state).broken), take: func(s *state, _ int) { s.repair() }},
		{name: "pods", urgent: true, soon: true, ways: when((*state).idle), take: func(s *state, _ int) { s.tickSets() }},
		{name: "endpoints", urgent: true, soon: true, ways: when((*state).idle), take: func(s *state, _ int) { s.tickSlices() }},
		{name: "router", urgent: true, ways: (*state).unaccepted, take: (*state).accept},
		{name: "metrics", urgent: true, ways: when((*state).curious), take: func(s *state, _ int) { s.measureDue(s.leader()) }},
		{name: "leader", urgent: true, ways: when((*state).called), take: func(s *state, _ int) {
			s.leader().wake = time.Time{}
			s.begin(s.leader())
		}},
		{name: "time", ways: once, take: func(s *state, _ int) { s.passTime() }},
	}
}

// named are the options of some names; stalled watches and what is late are none of them, see worker.
func named(all []option, names []string) []option {
	var chosen []option
	for _, name := range names {
		i := slices.IndexFunc(all, func(o option) bool { return o.name == name })
		switch {
		case i >= 0:
			chosen = append(chosen, all[i])
		case name != "stalled watch" && name != "late":
			panic(fmt.Sprintf("there is no option %q", name))
		}
	}
	return chosen
}

func once(*state) int { return 1 }

func when(possible func(*state) bool) func(*state) int {
	return func(s *state) int {
		if possible(s) {
			return 1
		}
		return 0
	}
}

// writing says whether the leader carries a plan out.
func (s *state) writing() bool { return s.leader().pass != nil }

// called says whether there is a reason for the leader to begin a pass.
func (s *state) called() bool {
	p := s.leader()
	woken := !p.wake.IsZero() && !p.wake.After(p.now(s.Cluster))
	waits := s.settings.Guards.OwnWrites && p.behind()
	return p.pass == nil && !waits && (!p.fresh || woken)
}

// unaccepted is the number of routes, or zero if the router has accepted all of them.
func (s *state) unaccepted() int {
	routes := s.store.routes.last()
	for _, r := range routes {
		if !r.missing && r.accepted != r.generation {
			return len(routes)
		}
	}
	return 0
}

// curious says whether a measurement is due. At most three are taken before the first of them is persisted: a leader that is
// late could else collect any number.
func (s *state) curious() bool {
	p := s.leader()
	if p.measure == nil || len(p.results) >= 3*len(p.measure.Metrics) {
		return false
	}
	return slices.ContainsFunc(p.measure.Metrics, func(m analysis.Metric) bool { return !p.due(m).After(p.now(s.Cluster)) })
}

// idle says that no plan is being carried out. What makes pods go on their own, or what others do, is not held against
// one that has been decided; see the package comment.
func (s *state) idle() bool { return !(&history{Cluster: s.Cluster}).busy() }

// noted says whether a controller has taken note of every change of a kind.
func (s *state) noted(k kind) bool { return !(&history{Cluster: s.Cluster}).unseen(k) }

// broken says whether something is wrong that people put right in the end, and can now.
func (s *state) broken() bool {
	if s.leader().offset != 0 {
		return true
	}
	for _, r := range s.store.routes.last() {
		if r.missing {
			return s.idle() && s.noted(routeKind)
		}
	}
	for _, service := range s.store.services.last() {
		if service.missing {
			return s.idle() && s.noted(serviceKind)
		}
	}
	return false
}

// repair puts one thing right.
func (s *state) repair() {
	if p := s.leader(); p.offset != 0 {
		p.offset, p.fresh = 0, false
		s.say(p.name, "its clock is right again")
		return
	}
	for i, r := range s.store.routes.last() {
		if r.missing {
			s.EditRoute(i, 0)
			s.say("person", "makes the route again%s", s.ordinal(i))
			return
		}
	}
	for b, service := range s.store.services.last() {
		if service.missing {
			s.pointService(b, "")
			s.say("person", "makes Service %s again", serviceNames[b])
			return
		}
	}
}

// passTime lets time pass until something happens. The end of a plan that is too old is an event, too.
func (s *state) passTime() {
	next, there := s.nextEvent(s.leader())
	for _, p := range s.processes {
		if p.pass == nil {
			continue
		}
		if end := p.pass.began.Add(s.settings.Spec.Settle); end.After(s.now) && (!there || end.Before(next)) {
			next, there = end, true
		}
	}
	if there {
		s.now = next
	}
}
