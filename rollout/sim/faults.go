package sim

import (
	"time"

	"github.com/rollout-dev/rollout/rollout"
)

// meddle lets somebody change what the engine works with: a GitOps tool that puts weights back, an autoscaler, a person
// with kubectl. One change of a kind is not followed by another until a controller has taken note.
func (h *history) meddle() {
	if h.busy() || h.alone {
		return
	}
	switch h.random.IntN(9) {
	case 0, 1:
		h.changeRoute()
	case 2:
		h.changeService()
	case 3, 4:
		h.changeReplicas()
	case 5:
		h.scaleSet()
	case 6, 7:
		if len(h.pods) > 0 {
			h.crash(&h.pods[h.random.IntN(len(h.pods))], time.Duration(h.random.IntN(20))*time.Second)
		}
	default:
		if h.oneIn(8) {
			h.store.editRollout(func(o *object) { o.deleted = true })
			h.say("person", "deletes the Rollout")
		}
	}
}

// unseen says whether a kind has changed and no controller has taken note since.
func (h *history) unseen(k kind) bool { return h.store.head()[k] > h.known[k] }

func (h *history) changeRoute() {
	if h.settings.Routes == 0 || h.unseen(routeKind) {
		return
	}
	i := h.random.IntN(h.settings.Routes)
	if h.oneIn(4) {
		rules := []string{"", "testers", "shadow"}[h.random.IntN(3)]
		h.EditRules(i, rules)
		h.say("gitops", "sets managed routes %q%s", rules, h.ordinal(i))
		return
	}
	share := []int{-1, 0, 0, 20, 50, 100}[h.random.IntN(6)]
	h.EditRoute(i, share)
	h.say("gitops", "sets canary weight %d%s", share, h.ordinal(i))
}

func (h *history) changeService() {
	role := roles[h.random.IntN(len(roles))]
	if h.store.rollouts.last().service(role) < 0 || h.unseen(serviceKind) {
		return
	}
	if h.oneIn(3) {
		h.DeleteService(role)
		h.say("person", "deletes the %s Service", role)
		return
	}
	revision := h.anyRevision()
	h.EditService(role, revision)
	h.say("person", "points the %s Service at %q", role, revision)
}

// anyRevision is one that has pods, or none in particular.
func (h *history) anyRevision() rollout.Revision {
	sets := h.store.sets.last()
	if i := h.random.IntN(len(sets) + 1); i < len(sets) {
		return sets[i].Revision
	}
	return ""
}

func (h *history) changeReplicas() {
	replicas := 1 + h.random.IntN(6)
	h.Edit(func(s *rollout.Spec) { s.Replicas = replicas })
	h.say("hpa", "wants %d replicas", replicas)
}

func (h *history) scaleSet() {
	revision := h.anyRevision()
	if revision == "" || h.unseen(setKind) {
		return
	}
	replicas := h.random.IntN(6)
	h.store.editSet(revision, func(s *replicaSet) { s.Replicas = replicas })
	h.say("person", "scales %s to %d", revision, replicas)
	h.tickSets()
	h.tickSlices()
}

// fault lets something break that the engine itself consists of or depends on.
func (h *history) fault() {
	p := h.processes[h.random.IntN(len(h.processes))]
	switch n := h.random.IntN(10); {
	case n < 3 && p.running:
		h.restart(p)
	case n < 6:
		h.changeLeader()
	case n < 8:
		outages := []Outage{"", "", "", "", Down, Silent, NaN, Infinite, Torn, Few, Lying}
		h.outage = h.analysts.aim(outages[h.random.IntN(len(outages))])
		h.say("metrics", "outage: %q", h.outage)
	case h.jumps:
		p.offset = time.Duration(h.random.IntN(600)-300) * time.Second
		h.say(p.name, "its clock is %s off", p.offset)
	}
}

// restart is a crash between two writes, and the start after it.
func (h *history) restart(p *process) {
	view := h.store.head()
	if !h.settings.Guards.ConsistentRestart {
		for k := range kinds {
			view[k] = h.random.IntN(view[k] + 1)
		}
	}
	p.restart(view)
	h.say(p.name, "starts with a cache that is %v behind", behindBy(h.store.head(), view))
}

func behindBy(head, view positions) positions {
	for k := range kinds {
		head[k] -= view[k]
	}
	return head
}

// changeLeader starts the other controller, and stops the first at once or later.
func (h *history) changeLeader() {
	a, b := h.processes[0], h.processes[1]
	switch {
	case a.running && b.running:
		if h.oneIn(2) {
			a, b = b, a
		}
		b.running = false
		h.say(b.name, "stops")
	case b.running:
		a, b = b, a
		fallthrough
	default:
		h.restart(b)
		if !h.overlap {
			a.running = false
			h.say(a.name, "stops")
		}
	}
}
