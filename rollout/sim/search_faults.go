package sim

import (
	"maps"
	"time"

	"github.com/rollout-dev/rollout/rollout"
)

// jump is how far a clock jumps: longer than anybody waits in a search.
const jump = time.Minute

// allFaults is what may break, and what others do to objects that the engine works with. That a watch stalls, or that
// something is late, is not among them: see worker.
func allFaults() []option {
	return []option{
		{name: "crash", cost: fault, ways: once, take: func(s *state, _ int) {
			s.stalled = 0
			s.leader().restart(s.store.head())
			s.say(s.leader().name, "crashes and starts again")
		}},
		{name: "lost answer", cost: fault, ways: when((*state).writing), take: func(s *state, _ int) { s.carryOn(s.leader(), lost) }},
		{name: "refused write", cost: fault, ways: when((*state).writing), take: func(s *state, _ int) { s.carryOn(s.leader(), refused) }},
		{name: "frozen leader", cost: fault, ways: when(func(s *state) bool { return s.writing() && s.frozen().pass == nil }), take: (*state).freeze},
		{name: "route edited", cost: fault, ways: (*state).routeEdits, take: (*state).editRouteAs},
		{name: "service edited", cost: fault, ways: (*state).serviceEdits, take: (*state).editServiceAs},
		{name: "pod crash", cost: fault, ways: (*state).crashes, take: func(s *state, i int) {
			s.crash(&s.pods[i], time.Second)
		}},
		{name: "set scaled", cost: fault, ways: (*state).setEdits, take: (*state).scaleSetTo},
		{name: "clock jump", cost: fault, ways: func(*state) int { return 2 }, take: func(s *state, i int) {
			s.leader().offset = jump * time.Duration(2*i-1)
			s.leader().fresh = false
			s.say(s.leader().name, "its clock is %s off", s.leader().offset)
		}},
		{name: "odd measurement", cost: fault, ways: (*state).oddities, take: (*state).measureOddly},
	}
}

// freeze keeps the leader in the middle of its pass, and lets another one lead.
func (s *state) freeze(int) {
	old := *s.leader()
	name := s.frozen().name
	*s.frozen() = old
	*s.leader() = process{name: name}
	s.stalled = 0
	s.leader().restart(s.store.head())
	s.say(old.name, "is frozen, and %s leads", name)
}

// crashes: a pod of any revision.
func (s *state) crashes() int {
	if !s.idle() {
		return 0
	}
	return len(s.pods)
}

// routeEdits: each route gets each share, or is deleted.
func (s *state) routeEdits() int {
	if !s.idle() || !s.noted(routeKind) || s.store.rollouts.last().wiring().Mode != rollout.ByRoutes {
		return 0
	}
	return len(s.store.routes.last()) * 4
}

func (s *state) editRouteAs(way int) {
	i, share := way/4, [4]int{-1, 0, 50, 100}[way%4]
	if r := s.store.routes.last()[i]; r.missing == (share < 0) && (r.missing || r.share == share) {
		return
	}
	s.EditRoute(i, share)
	s.say("gitops", "sets canary weight %d%s", share, s.ordinal(i))
}

// serviceEdits: each of the two Services is deleted, is pointed at none in particular, or at any revision.
func (s *state) serviceEdits() int {
	if !s.idle() || !s.noted(serviceKind) {
		return 0
	}
	return len(roles) * (2 + len(s.store.sets.last()))
}

func (s *state) editServiceAs(way int) {
	role, choice := roles[way%len(roles)], way/len(roles)
	if choice == 0 {
		s.DeleteService(role)
		s.say("person", "deletes the %s Service", role)
		return
	}
	revision := rollout.Revision("")
	if choice > 1 {
		revision = s.store.sets.last()[choice-2].Revision
	}
	s.EditService(role, revision)
	s.say("person", "points the %s Service at %q", role, revision)
}

// setEdits: each ReplicaSet gets no pods at all, or more than anybody wants.
func (s *state) setEdits() int {
	if !s.idle() || !s.noted(setKind) {
		return 0
	}
	return 2 * len(s.store.sets.last())
}

func (s *state) scaleSetTo(way int) {
	revision, replicas := s.store.sets.last()[way/2].Revision, way%2*(s.settings.Spec.Replicas+1)
	s.store.editSet(revision, func(set *replicaSet) { set.Replicas = replicas })
	s.say("person", "scales %s to %d", revision, replicas)
	s.tickSets()
	s.tickSlices()
}

// oddities: there is no value, an error, or a good revision looks bad by chance.
func (s *state) oddities() int {
	if !s.curious() {
		return 0
	}
	return 3
}

// measureOddly measures what is due.
func (s *state) measureOddly(way int) {
	quality := s.quality
	switch way {
	case 0:
		s.outage = Silent
	case 1:
		s.outage = Down
	default:
		s.quality = maps.Clone(quality)
		for _, set := range s.store.sets.last() {
			q := quality[set.Revision]
			q.Values = badValues()
			s.quality[set.Revision] = q
		}
	}
	s.measureDue(s.leader())
	s.outage, s.quality = "", quality
}

// badValues are what a bad revision measures.
func badValues() map[string]float64 {
	return map[string]float64{"success-rate": 0.5, "smoke-test": 0.5}
}
