package sim

import (
	"strconv"

	"github.com/rollout-dev/rollout/rollout"
)

// allDeeds is what people may do.
func allDeeds() []option {
	verbs := []rollout.Verb{rollout.Promote, rollout.PromoteFull, rollout.Abort, rollout.Retry, rollout.Freeze, rollout.Resume, rollout.Restart}
	deeds := []option{
		{name: "continue", cost: script, ways: when((*state).waitsForPerson), take: func(s *state, _ int) { s.request(rollout.Promote) }},
		{name: "push v1", cost: deed, ways: when(wants("v1")), take: pushed("v1")},
		{name: "push v2", cost: deed, ways: when(wants("v2")), take: pushed("v2")},
		{name: "push v3", cost: deed, ways: when(wants("v3")), take: pushed("v3")},
		{name: "undo", cost: deed, ways: func(s *state) int { return len(s.store.sets.last()) }, take: func(s *state, i int) {
			revision := s.store.sets.last()[i].Revision
			s.push(revision)
			s.send(rollout.Request{Verb: rollout.Undo, Revision: revision})
		}},
		{name: "scale", cost: deed, ways: func(*state) int { return 4 }, take: func(s *state, replicas int) {
			if replicas != s.store.rollouts.last().spec.Replicas {
				s.Edit(func(spec *rollout.Spec) { spec.Replicas = replicas })
				s.say("hpa", "wants %d replicas", replicas)
			}
		}},
		{name: "spec.paused", cost: deed, ways: once, take: func(s *state, _ int) {
			paused := !s.store.rollouts.last().spec.Paused
			s.Edit(func(spec *rollout.Spec) { spec.Paused = paused })
			s.say("person", "sets spec.paused to %t", paused)
		}},
		{name: "delete", cost: deed, ways: when((*state).idle), take: func(s *state, _ int) {
			s.store.editRollout(func(o *object) { o.deleted = true })
			s.say("person", "deletes the Rollout")
		}},
		{name: "rewire", cost: deed, ways: func(*state) int { return len(otherWirings()) }, take: (*state).rewire},
	}
	for _, verb := range verbs {
		deeds = append(deeds, option{name: string(verb), cost: deed, ways: when(func(s *state) bool { return s.sensible(verb) }),
			take: func(s *state, _ int) { s.request(verb) }})
	}
	return deeds
}

func otherWirings() []rollout.Wiring {
	return []rollout.Wiring{
		{Mode: rollout.ByPods},
		{Mode: rollout.ByRoutes, Stable: serviceNames[stable], Canary: serviceNames[canary]},
		{Mode: rollout.ByRoutes, Stable: serviceNames[stable], Canary: serviceNames[canary], Alternate: true},
		{Mode: rollout.BySelector, Stable: serviceNames[active], Canary: serviceNames[preview]},
	}
}

// rewire wants something else to carry the traffic, and a plan that fits it.
func (s *state) rewire(way int) {
	w := otherWirings()[way]
	s.Edit(func(spec *rollout.Spec) {
		spec.Wiring, spec.Steps = w, s.settings.Spec.Steps
		if w.Mode == rollout.BySelector {
			spec.Steps = []rollout.Step{{Kind: rollout.Pause}}
		}
	})
	s.say("person", "wants %+v", w)
}

func wants(revision rollout.Revision) func(*state) bool {
	return func(s *state) bool { return s.store.rollouts.last().spec.Target != revision }
}

func pushed(revision rollout.Revision) func(*state, int) {
	return func(s *state, _ int) { s.push(revision) }
}

func (s *state) push(revision rollout.Revision) {
	s.Edit(func(spec *rollout.Spec) { spec.Target = revision })
	s.say("person", "pushes %s", revision)
}

// waitsForPerson says whether the plan waits until somebody promotes.
func (s *state) waitsForPerson() bool {
	o := s.store.rollouts.last()
	release, steps := o.status.Release, o.spec.Steps
	if release == nil || release.Phase != rollout.Stepping || release.Step >= len(steps) || o.deleted {
		return false
	}
	step := steps[release.Step]
	asked := o.request != nil && o.request.ID != o.status.Answer.ID
	return step.Kind == rollout.Pause && step.Duration == 0 && !asked && !o.spec.Paused && !o.status.Held
}

// sensible says whether a person who looks at the status now could think of a request.
func (s *state) sensible(verb rollout.Verb) bool {
	status := s.Status()
	switch verb {
	case rollout.Retry:
		return status.Release != nil && status.Release.Cause != ""
	case rollout.Promote, rollout.PromoteFull, rollout.Abort:
		return status.Release != nil && status.Release.Cause == ""
	case rollout.Resume:
		return status.Held
	case rollout.Freeze:
		return !status.Held
	case rollout.Restart, rollout.Undo:
	}
	return status.Stable != ""
}

// request asks because of what the Rollout is now.
func (s *state) request(verb rollout.Verb) {
	o := s.store.rollouts.last()
	r := rollout.Request{Verb: verb, Revision: o.spec.Target}
	if release := o.status.Release; release != nil {
		r.Revision, r.Step = release.Revision, release.Step
	}
	s.send(r)
}

func (s *state) send(r rollout.Request) {
	r.ID = strconv.FormatInt(s.store.version, 10)
	s.Ask(r)
	s.say("person", "asks: %+v", r)
}
