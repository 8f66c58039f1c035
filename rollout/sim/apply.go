package sim

import (
	"slices"

	"github.com/rollout-dev/rollout/rollout"
)

// apply is the API server's side of a write. It says which kind was written, or false if a precondition didn't hold.
func (c *Cluster) apply(p *process, w write) (kind, bool) {
	switch a := w.action.(type) {
	case rollout.CreateWorkload:
		c.create(a)
		return setKind, true
	case rollout.Scale:
		return setKind, c.scale(p, a)
	case rollout.Point:
		return serviceKind, c.point(p, a.Backend, a.Revision)
	case rollout.Widen:
		return serviceKind, c.point(p, a.Backend, "")
	case rollout.Evict:
		return setKind, c.evict(p, a)
	case rollout.Dress:
		return setKind, c.dress(p, a)
	case rollout.Shift:
		return routeKind, c.shift(p, a, w.route)
	case rollout.DeleteWorkload:
		return setKind, c.deleteSet(p, a)
	}
	return rolloutKind, c.writeStatus(p)
}

// unchanged says whether a precondition holds, if there is one.
func (c *Cluster) unchanged(read, now int64) bool {
	return read == now || !c.settings.Guards.Preconditions
}

// create makes a ReplicaSet. One that exists is the engine's own: the answer to an earlier creation was lost.
func (c *Cluster) create(a rollout.CreateWorkload) {
	sets := c.store.sets.last()
	if find(sets, a.Revision) != nil {
		return
	}
	set := replicaSet{version: c.store.nextVersion(), uid: c.store.nextVersion()}
	set.Workload = rollout.Workload{Revision: a.Revision, Number: a.Number, Replicas: a.Replicas, Created: c.now}
	c.store.sets = append(c.store.sets, append(slices.Clone(sets), set))
}

func (c *Cluster) scale(p *process, a rollout.Scale) bool {
	read, set := find(c.store.sets[p.pass.read[setKind]], a.Revision), find(c.store.sets.last(), a.Revision)
	if set == nil || !c.unchanged(read.version, set.version) {
		return false
	}
	c.store.editSet(a.Revision, func(s *replicaSet) { s.Replicas = a.Replicas })
	return true
}

func (c *Cluster) deleteSet(p *process, a rollout.DeleteWorkload) bool {
	read, set := find(c.store.sets[p.pass.read[setKind]], a.Revision), find(c.store.sets.last(), a.Revision)
	if set == nil || !c.unchanged(read.version, set.version) {
		return false
	}
	c.store.nextVersion()
	c.store.sets = append(c.store.sets, slices.DeleteFunc(slices.Clone(c.store.sets.last()), func(s replicaSet) bool { return s.Revision == a.Revision }))
	return true
}

// point changes the Service that played the role when the plan was made.
func (c *Cluster) point(p *process, role rollout.Role, revision rollout.Revision) bool {
	b := c.store.rollouts[p.pass.read[rolloutKind]].service(role)
	if b < 0 {
		return false
	}
	read, service := c.store.services[p.pass.read[serviceKind]][b], c.store.services.last()[b]
	if service.missing || !c.unchanged(read.version, service.version) {
		return false
	}
	c.pointService(b, revision)
	return true
}

// evict removes pods, the oldest first. It notes so in the ReplicaSet before, so that of two controllers only one does.
func (c *Cluster) evict(p *process, a rollout.Evict) bool {
	read, set := find(c.store.sets[p.pass.read[setKind]], a.Revision), find(c.store.sets.last(), a.Revision)
	if set == nil || !c.unchanged(read.version, set.version) {
		return false
	}
	c.store.editSet(a.Revision, func(*replicaSet) {})
	for i := range c.pods {
		if c.pods[i].revision != a.Revision {
			continue
		}
		pods := c.pods[i].pods
		slices.SortStableFunc(pods, func(x, y pod) int { return x.created.Compare(y.created) })
		gone := 0
		for gone < min(a.Pods, len(pods)) && !pods[gone].created.After(a.Until) {
			gone++
		}
		c.pods[i].pods = pods[gone:]
	}
	c.tickSets()
	c.tickSlices()
	return true
}

func (c *Cluster) dress(p *process, a rollout.Dress) bool {
	read, set := find(c.store.sets[p.pass.read[setKind]], a.Revision), find(c.store.sets.last(), a.Revision)
	if set == nil || !c.unchanged(read.version, set.version) {
		return false
	}
	look := p.pass.seen.Spec.StableLook
	if a.Role == rollout.CanaryRole {
		look = p.pass.seen.Spec.CanaryLook
	}
	c.store.editSet(a.Revision, func(s *replicaSet) { s.Look = look })
	return true
}

func (c *Cluster) shift(p *process, a rollout.Shift, i int) bool {
	read, route := c.store.routes[p.pass.read[routeKind]][i], c.store.routes.last()[i]
	if route.missing || !c.unchanged(read.version, route.version) {
		return false
	}
	object, rules := c.store.rollouts[p.pass.read[rolloutKind]], ""
	if a.Rules {
		rules = ruleNames(p.pass.seen.Rules())
	}
	c.writeRoute(i, object.share(a.Percent), rules, object.ruledBy())
	return true
}

// writeStatus notes what a person's request that it answers means for the verdict.
func (c *Cluster) writeStatus(p *process) bool {
	read, current := c.store.rollouts[p.pass.read[rolloutKind]], c.store.rollouts.last()
	if current.deleted || !c.unchanged(read.version, current.version) {
		return false
	}
	before, after := current.status, p.pass.plan.Status
	c.store.editRollout(func(o *object) { o.status, o.report = after, p.pass.plan.Report })
	c.noteApproval(before, after)
	return true
}

// noteApproval keeps what may take the place of a verdict: that a person asked, or that the revision was stable before.
func (c *Cluster) noteApproval(before, after rollout.Status) {
	if after.Release == nil {
		return
	}
	run := after.Release.Run
	if began := before.Runs != after.Runs && after.Release.Phase == rollout.Promoting; began {
		revision := after.Release.Revision
		c.evidence.approved[run] = before.UndoTo == revision || slices.Contains(before.Former, revision)
	}
	answer := after.Answer
	if answer.ID == before.Answer.ID || !answer.Accepted {
		return
	}
	watching := before.Release != nil && before.Release.Phase == rollout.Promoting
	switch {
	case answer.Verb == rollout.PromoteFull, answer.Verb == rollout.Undo, answer.Verb == rollout.Promote && watching:
		c.evidence.approved[run] = true
	case answer.Verb == rollout.Promote && before.Release != nil:
		c.evidence.stepApproved[place{run: run, step: before.Release.Step}] = true
	}
}
