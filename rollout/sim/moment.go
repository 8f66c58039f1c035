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
	// stepPassed and stepApproved are the same for single steps.
	stepPassed   map[place][]string
	stepApproved map[place]bool
}

func newEvidence() evidence {
	return evidence{
		passed: map[int64][]string{}, approved: map[int64]bool{}, stepPassed: map[place][]string{}, stepApproved: map[place]bool{},
	}
}

// moment is the truth now. What a verdict has to be about is what the plan was decided from.
func (c *Cluster) moment(decided rollout.Spec) rollout.Moment {
	o := c.store.rollouts.last()
	m := rollout.Moment{Spec: o.spec, Status: o.status, Deleted: o.deleted, Workloads: c.workloads()}
	if o.wiring().Mode != rollout.ByPods {
		m.Stable, m.Canary = c.exposure(o, rollout.StableRole), c.exposure(o, rollout.CanaryRole)
	}
	if release := o.status.Release; release != nil {
		at := place{run: release.Run, step: release.Step}
		m.Passed = passed(slices.Concat(decided.Metrics, decided.PostMetrics), c.evidence.passed[release.Run])
		m.Approved = c.evidence.approved[release.Run]
		if release.Step < len(decided.Steps) {
			m.StepPassed = passed(decided.Steps[release.Step].Metrics, c.evidence.stepPassed[at])
		}
		m.StepApproved = c.evidence.stepApproved[at]
	}
	return m
}

// passed says whether every metric is among those that passed.
func passed(metrics []analysis.Metric, names []string) bool {
	return !slices.ContainsFunc(metrics, func(m analysis.Metric) bool { return !slices.Contains(names, m.Name) })
}

func (c *Cluster) workloads() []rollout.Workload {
	sets := c.store.sets.last()
	workloads := make([]rollout.Workload, len(sets))
	for i, set := range sets {
		workloads[i] = set.Workload
	}
	return workloads
}

func (c *Cluster) exposure(o object, role rollout.Role) rollout.Exposure {
	b := o.service(role)
	if b < 0 {
		return rollout.Exposure{Missing: true}
	}
	s := c.store.services.last()[b]
	drain := c.settings.drain()
	e := rollout.Exposure{
		Missing:  s.missing,
		Points:   s.revision,
		Reaches:  c.data.reaches(b, c.now, 0),
		Recently: c.data.reaches(b, c.now, drain),
		Ready:    map[rollout.Revision]int{},
		Listed:   map[rollout.Revision]int{},
		Known:    map[rollout.Revision]int{},
	}
	switch b {
	case active:
		e.Written, e.Share, e.Recent = 100, 100, 100
	case stable, canary:
		e.Written, e.Share, e.Recent = c.written(b), c.data.largest(c.now, 0)[b], c.data.largest(c.now, drain)[b]
	}
	for _, set := range c.store.sets.last() {
		// A pod that nobody asks for any more is as good as gone.
		e.Ready[set.Revision] = min(set.Ready, set.Replicas)
		e.Listed[set.Revision] = min(c.store.slices.last()[b][set.Revision], set.Replicas)
		e.Known[set.Revision] = min(c.familiar(set.Revision, b), e.Listed[set.Revision])
	}
	return e
}

// written is the largest share that a route gives a Service.
func (c *Cluster) written(b int) int {
	share := 0
	for _, r := range c.store.routes.last() {
		if r.rules != "" && r.ruled == b && !r.missing {
			share = max(share, byRule)
		}
		switch {
		case r.missing:
		case b == canary:
			share = max(share, r.share)
		default:
			share = max(share, 100-r.share)
		}
	}
	return share
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
