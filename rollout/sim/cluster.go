package sim

import (
	"fmt"
	"time"

	"github.com/rollout-dev/rollout/rollout"
)

// Settings are how a cluster begins.
type Settings struct {
	// Spec of the Rollout. Its metrics all have the same verdict for a revision; see Quality.
	Spec rollout.Spec
	// Installed: Spec.Target is stable already and the Services point at it.
	Installed bool
	// Routes is the number of routes that carry the split.
	Routes int
	// MinReady is how long a pod must be ready until it is available.
	MinReady time.Duration
	// Instant: the data plane follows at once.
	Instant bool
	// Received is what is measured of every split, in percent; nil while nobody measures.
	Received *float64
	// Guards of the controller.
	Guards Guards
	// Decide is what decides, rollout.Decide if nil.
	Decide func(rollout.Observed) rollout.Plan
	// Trace is told what happens; nil for nobody.
	Trace Trace
}

// Trace is told what happens: how long after the beginning, to whom or by whom, and what.
type Trace func(after time.Duration, who, what string)

// Quality is what a revision is like.
type Quality struct {
	// Startup is how long its pods take to become ready; negative for never.
	Startup time.Duration
	// Values are what its metrics measure; one that isn't named is as good as its threshold asks for. Flaky: every third
	// measurement fails all the same.
	Values map[string]float64
	Flaky  bool
}

// Cluster is everything that happens outside of the controllers.
type Cluster struct {
	settings Settings
	store    store
	now      time.Time
	quality  map[rollout.Revision]Quality
	pods     []podSet
	data     dataPlane
	evidence evidence
	// outage is what the metric source answers instead of the truth; empty while it works.
	outage Outage
	// replies are what gates answer, by name.
	replies map[string]Reply
	// asked counts measurements.
	asked int
	// known are the versions that a pass has seen whose status was written. What a person changed and changed again
	// before can't be known to the engine.
	known      positions
	processes  []*process
	violations []Violation
}

// podSet is the pods of one ReplicaSet.
type podSet struct {
	revision rollout.Revision
	uid      int64
	pods     []pod
}

type pod struct {
	// created is when it was made; ready is when it is, or has been since.
	created, ready time.Time
	// listed is since when it has been an endpoint of each backend. A pod that fails and recovers keeps its address.
	listed [backends]time.Time
}

// epoch is when every history begins.
var epoch = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

const never = 100 * 365 * 24 * time.Hour

// New makes a cluster with one controller that has seen everything.
func New(s Settings) *Cluster {
	if s.Decide == nil {
		s.Decide = rollout.Decide
	}
	c := &Cluster{settings: s, now: epoch, quality: map[rollout.Revision]Quality{}, evidence: newEvidence()}
	c.store.rollouts = log[object]{{version: c.store.nextVersion(), spec: s.Spec}}
	c.store.sets = log[[]replicaSet]{nil}
	var services [backends]service
	for b := range services {
		services[b].version = c.store.nextVersion()
	}
	if s.Installed {
		c.install(s.Spec, &services)
	}
	c.store.services = log[[backends]service]{services}
	c.store.slices = log[[backends]map[rollout.Revision]int]{{}}
	c.store.routes = log[[]route]{make([]route, s.Routes)}
	for i := range s.Routes {
		c.store.routes[0][i] = route{version: c.store.nextVersion(), generation: 1, accepted: 1}
	}
	c.data = newDataPlane(services, s.Routes)
	c.warmUp()
	c.processes = []*process{newProcess("engine", c.store.head()), newProcess("engine2", c.store.head())}
	c.processes[0].running = true
	return c
}

// warmUp lets the pods that are there from the beginning become available, untold.
func (c *Cluster) warmUp() {
	trace := c.settings.Trace
	c.settings.Trace = nil
	c.now = epoch.Add(-time.Hour)
	for !c.now.After(epoch) {
		c.Environment()
		c.now = c.now.Add(time.Hour)
	}
	c.now, c.settings.Trace = epoch, trace
}

// install makes the target stable before anything is recorded.
func (c *Cluster) install(spec rollout.Spec, services *[backends]service) {
	c.store.rollouts[0].status.Stable = spec.Target
	set := replicaSet{version: c.store.nextVersion(), uid: c.store.nextVersion()}
	set.Workload = rollout.Workload{Revision: spec.Target, Number: 1, Replicas: spec.Replicas, Created: c.now}
	c.store.sets[0] = []replicaSet{set}
	for _, role := range roles {
		if b := c.store.rollouts[0].service(role); b >= 0 {
			services[b].revision = spec.Target
		}
	}
}

// Now is the true time.
func (c *Cluster) Now() time.Time { return c.now }

// SetQuality says what a revision is like, before it starts. By default pods start at once and metrics pass.
func (c *Cluster) SetQuality(revision rollout.Revision, q Quality) { c.quality[revision] = q }

// SetOutage makes the metric source answer this instead of the truth; empty ends the outage.
func (c *Cluster) SetOutage(o Outage) { c.outage = o }

// SetReceived makes this part of the requests, in percent, what is measured of every split from now on.
func (c *Cluster) SetReceived(percent float64) {
	c.settings.Received = &percent
	for _, p := range c.processes {
		p.fresh = false
	}
}

// Edit changes the Rollout's spec as its user.
func (c *Cluster) Edit(edit func(*rollout.Spec)) {
	c.store.editRollout(func(o *object) {
		edit(&o.spec)
		o.spec.Generation++
	})
}

// Ask makes a request as a person would.
func (c *Cluster) Ask(r rollout.Request) {
	c.store.editRollout(func(o *object) { o.request = &r })
}

// Status is what the API server has.
func (c *Cluster) Status() rollout.Status { return c.store.rollouts.last().status }

// Report is what the status says in words.
func (c *Cluster) Report() rollout.Report { return c.store.rollouts.last().report }

// Violations are the invariants that have not held so far.
func (c *Cluster) Violations() []Violation { return c.violations }

// EditRoute makes somebody else set the share of Service app-canary in a route, without managed rules; a negative share deletes the
// route, and any other brings it back.
func (c *Cluster) EditRoute(i, share int) {
	c.writeRoute(i, share, "", 0)
}

// writeRoute also sets the rules that lead to a Service.
func (c *Cluster) writeRoute(i, share int, rules string, ruled int) {
	c.store.editRoute(i, func(r *route) {
		r.missing = share < 0
		r.share = max(share, 0)
		r.rules, r.ruled = rules, ruled
		r.generation++
	})
	c.data.write(i, c.store.routes.last()[i], c.now, c.settings)
}

// EditService makes somebody else change what a backend's selector names.
func (c *Cluster) EditService(role rollout.Role, revision rollout.Revision) {
	if i := c.store.rollouts.last().service(role); i >= 0 {
		c.pointService(i, revision)
	}
}

func (c *Cluster) pointService(i int, revision rollout.Revision) {
	if before := c.store.services.last()[i]; before.revision == revision && !before.missing {
		return
	}
	c.store.editService(i, func(s *service) { s.missing, s.revision = false, revision })
	c.data.point(i, revision, c.now, c.settings)
}

// DeleteService makes somebody delete a backend.
func (c *Cluster) DeleteService(role rollout.Role) {
	if i := c.store.rollouts.last().service(role); i >= 0 {
		c.store.editService(i, func(s *service) { s.missing = true })
	}
}

// Environment lets the other controllers of the cluster, the nodes and the routers do what they have to do. It says
// whether anything changed.
func (c *Cluster) Environment() bool {
	before := c.store.version
	c.tickSets()
	c.tickSlices()
	for i := range c.store.routes.last() {
		c.accept(i)
	}
	return c.store.version != before
}

// accept makes the router accept a route as it is now.
func (c *Cluster) accept(i int) {
	r := c.store.routes.last()[i]
	if r.missing || r.accepted == r.generation {
		return
	}
	c.store.editRoute(i, func(r *route) { r.accepted = r.generation })
	c.data.accept(i, c.now, c.settings)
	c.say("router", "accepted canary weight %d%s%s", c.store.rollouts.last().share(r.share), with(r.rules), c.ordinal(i))
}

// with is the end of a sentence that names rules.
func with(rules string) string {
	if rules == "" {
		return ""
	}
	return " with " + rules
}

// EditRules makes somebody else add a managed rule to a route, or remove them all with an empty name.
func (c *Cluster) EditRules(i int, rules string) {
	if r := c.store.routes.last()[i]; !r.missing {
		c.writeRoute(i, r.share, rules, c.store.rollouts.last().ruledBy())
	}
}

// ruledBy is the index of the Service that rules of a Rollout lead to.
func (o object) ruledBy() int {
	if o.service(rollout.CanaryRole) == stable {
		return stable
	}
	return canary
}

// ordinal tells routes apart if there are several.
func (c *Cluster) ordinal(i int) string {
	if c.settings.Routes < 2 {
		return ""
	}
	return fmt.Sprintf(" in route %d", i+1)
}

// say tells the trace what happened.
func (c *Cluster) say(who, format string, args ...any) {
	if c.settings.Trace != nil {
		c.settings.Trace(c.now.Sub(epoch), who, fmt.Sprintf(format, args...))
	}
}
