package sim

import (
	"slices"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
)

// Violation is an invariant that did not hold.
type Violation struct {
	Invariant string
	Err       error
}

// evidence is what really speaks for the runs: what the metric source said, and what people asked for.
type evidence struct {
	// passed maps a run to the metrics that passed while the canary was sure to have all traffic.
	passed map[int64][]string
	// approved are the runs in which a person asked to do without a verdict on what is to come.
	approved map[int64]bool
}

func newEvidence() evidence {
	return evidence{passed: map[int64][]string{}, approved: map[int64]bool{}}
}

// moment is the truth now.
func (c *Cluster) moment() rollout.Moment {
	o := c.store.rollouts.last()
	m := rollout.Moment{Spec: o.spec, Status: o.status, Deleted: o.deleted, Workloads: c.workloads()}
	if o.spec.Routed {
		m.Stable, m.Canary = c.exposure(stable), c.exposure(canary)
	}
	if release := o.status.Release; release != nil {
		passed := c.evidence.passed[release.Run]
		m.Passed = !slices.ContainsFunc(o.spec.Metrics, func(m analysis.Metric) bool { return !slices.Contains(passed, m.Name) })
		m.Approved = c.evidence.approved[release.Run]
	}
	return m
}

func (c *Cluster) workloads() []rollout.Workload {
	sets := c.store.sets.last()
	workloads := make([]rollout.Workload, len(sets))
	for i, set := range sets {
		workloads[i] = set.Workload
	}
	return workloads
}

func (c *Cluster) exposure(b int) rollout.Exposure {
	s := c.store.services.last()[b]
	drain := c.settings.drain()
	e := rollout.Exposure{
		Missing: s.missing,
		Points:  s.revision,
		Reaches: c.data.reaches(b, c.now),
		Share:   c.data.largest(c.now, 0)[b],
		Recent:  c.data.largest(c.now, drain)[b],
		Ready:   map[rollout.Revision]int{},
		Listed:  map[rollout.Revision]int{},
		Known:   map[rollout.Revision]int{},
	}
	for _, r := range c.store.routes.last() {
		switch {
		case r.missing:
		case b == canary:
			e.Written = max(e.Written, r.share)
		default:
			e.Written = max(e.Written, 100-r.share)
		}
	}
	for _, set := range c.store.sets.last() {
		// A pod that nobody asks for any more is as good as gone.
		e.Ready[set.Revision] = min(set.Ready, set.Replicas)
		e.Listed[set.Revision] = min(c.store.slices.last()[b][set.Revision], set.Replicas)
		e.Known[set.Revision] = min(c.familiar(set.Revision, b), e.Listed[set.Revision])
	}
	return e
}

// familiar counts the pods of a revision that have been endpoints of a backend for so long that every gateway has heard
// of them.
func (c *Cluster) familiar(revision rollout.Revision, backend int) int {
	n := 0
	for _, p := range c.pods {
		if p.revision != revision {
			continue
		}
		for _, pod := range p.pods {
			if listed := pod.listed[backend]; !listed.IsZero() && !listed.Add(c.settings.lag()).After(c.now) {
				n++
			}
		}
	}
	return n
}

// checkWrite holds a write against the invariants.
func (c *Cluster) checkWrite(w rollout.Write) {
	for _, i := range rollout.Invariants() {
		if i.OfWrite == nil {
			continue
		}
		if err := i.OfWrite(w); err != nil {
			c.violate(i.Name, err)
		}
	}
}

// checkPlan holds a plan against the invariants.
func (c *Cluster) checkPlan(o rollout.Observed, p rollout.Plan) {
	for _, i := range rollout.Invariants() {
		if i.OfPlan == nil {
			continue
		}
		if err := i.OfPlan(o, p); err != nil {
			c.violate(i.Name, err)
		}
	}
}

func (c *Cluster) violate(invariant string, err error) {
	c.violations = append(c.violations, Violation{invariant, err})
	c.say("VIOLATED", "%s: %v", invariant, err)
}
