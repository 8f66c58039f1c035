package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/traffic"
)

// Guards are what the controller does against the faults of its surroundings. Each can be switched off, to see that it
// is needed.
type Guards struct {
	// Preconditions: a write fails unless the object is the one that was read.
	Preconditions bool
	// OwnWrites: no pass until the caches show what was written before, and what was read live: a pass that goes back
	// behind it would persist the past.
	OwnWrites bool
	// ConsistentRestart: after a start the caches begin with what the API server has, not with what one of its
	// replicas happens to remember.
	ConsistentRestart bool
	// LiveConfirm: what can't be taken back is decided again on live reads, and done only if that leads to the same plan.
	LiveConfirm bool
	// Expiry: a plan is carried out within the settle time, or not at all.
	Expiry bool
}

// AllGuards are the guards of the real controller.
func AllGuards() Guards {
	return Guards{Preconditions: true, OwnWrites: true, ConsistentRestart: true, LiveConfirm: true, Expiry: true}
}

// process is a controller: what the real one does in rollout/controller, in miniature.
type process struct {
	name    string
	running bool
	// offset is how far its clock is ahead of the truth.
	offset time.Duration
	// frozen: it does nothing until then, and doesn't know.
	frozen time.Time
	// view is what the caches show, own what was last written or read live.
	view, own positions
	// pass is the plan that is being carried out, nil between two passes.
	pass *pass
	// measure is what is being measured, results what came out and isn't persisted yet.
	measure *rollout.Measure
	results []analysis.Measurement
	// wake is when the last plan wanted to look again, fresh whether nothing has happened since it was made.
	wake  time.Time
	fresh bool
	// report of the last plan.
	report rollout.Report
}

// pass is a plan on its way.
type pass struct {
	read   positions
	seen   rollout.Observed
	plan   rollout.Plan
	began  time.Time
	writes []write
}

// write is one write of a plan: an action, one route of a Shift, or the status if action is nil.
type write struct {
	action rollout.Action
	route  int
}

func newProcess(name string, view positions) *process { return &process{name: name, view: view} }

// restart forgets everything but the clock.
func (p *process) restart(view positions) {
	*p = process{name: p.name, offset: p.offset, running: true, view: view}
}

func (p *process) now(c *Cluster) time.Time { return c.now.Add(p.offset) }

// observe reads what the caches, or the API server, show of every kind.
func (c *Cluster) observe(p *process, at positions) rollout.Observed {
	object := c.store.rollouts[at[rolloutKind]]
	p.forgetPersisted(object.status)
	o := rollout.Observed{
		Now: p.now(c), Spec: object.spec, Status: object.status, Request: object.request,
		Measurements: slices.Clone(p.results),
	}
	if c.settings.Received != nil {
		o.Received = &rollout.Received{Percent: *c.settings.Received, Since: object.status.Ledger.Since}
	}
	for _, set := range c.store.sets[at[setKind]] {
		o.Workloads = append(o.Workloads, c.withOutdated(set.Workload, object.status.Restart))
	}
	if object.invalid {
		o.Problems = append(o.Problems, rollout.Problem{Reason: "InvalidTemplate", Message: "the API server refuses spec.template"})
	}
	services, routes := c.store.services[at[serviceKind]], c.store.routes[at[routeKind]]
	o.Stable = c.backend(at, object.service(rollout.StableRole))
	o.Canary = c.backend(at, object.service(rollout.CanaryRole))
	o.Stable.SubsetOf, o.Canary.SubsetOf = object.wiring().SubsetsOf, object.wiring().SubsetsOf
	if object.wiring().Mode == rollout.ByRoutes {
		for i, r := range routes {
			o.Routes.Routes = append(o.Routes.Routes, observeRoute(i, r, object, ruleNames(o.Rules())))
		}
	}
	o.Problems = append(o.Problems, missing(object.spec.Wiring, services, routes)...)
	return o
}

// withOutdated adds, while pods are being replaced, what a list of the pods shows.
func (c *Cluster) withOutdated(w rollout.Workload, r rollout.Restarting) rollout.Workload {
	if r.At.IsZero() || r.Done {
		return w
	}
	for _, set := range c.pods {
		if set.revision != w.Revision {
			continue
		}
		for _, p := range set.pods {
			if !p.created.After(r.Until) {
				w.Outdated++
			}
			if p.created.After(w.Youngest) {
				w.Youngest = p.created
			}
		}
		w.Listed = set.count(c.now, c.settings.MinReady)
	}
	return w
}

// backend is what the caches, or the API server, show of a Service.
func (c *Cluster) backend(at positions, i int) rollout.Backend {
	if i < 0 {
		return rollout.Backend{}
	}
	s := c.store.services[at[serviceKind]][i]
	b := rollout.Backend{Name: serviceNames[i], Missing: s.missing}
	if !s.missing {
		b.Revision, b.Endpoints = s.revision, c.store.slices[at[sliceKind]][i]
	}
	return b
}

// ruleNames are the names of rules as a route has them.
func ruleNames(rules []traffic.ManagedRule) string {
	var names []string
	for _, r := range rules {
		names = append(names, r.Name)
	}
	return strings.Join(names, ",")
}

func observeRoute(i int, r route, object object, wanted string) traffic.RouteObservation {
	o := traffic.RouteObservation{RouteName: traffic.RouteName{Kind: "HTTPRoute", Name: routeNames[i]}, Missing: r.missing}
	if r.missing {
		return o
	}
	share := object.share(r.share)
	o.Share = traffic.Range{Low: share, High: share}
	if r.rules != "" {
		o.Managed = strings.Split(r.rules, ",")
	}
	if r.rules != wanted {
		o.Astray = fmt.Sprintf("it has the managed routes %q, not %q", r.rules, wanted)
	}
	o.Accepted = r.accepted == r.generation
	if !o.Accepted {
		o.Waiting = "HTTPRoute " + routeNames[i] + " is not accepted yet"
	}
	return o
}

var routeNames = [...]string{"app", "app-internal"}

// missing are the problems of what the spec names and isn't there.
func missing(w rollout.Wiring, services [backends]service, routes []route) []rollout.Problem {
	var problems []rollout.Problem
	for i, s := range services {
		if s.missing && (serviceNames[i] == w.Stable || serviceNames[i] == w.Canary) {
			problems = append(problems, rollout.Problem{Reason: "MissingService", Message: "there is no Service " + serviceNames[i], Reference: true})
		}
	}
	for i, r := range routes {
		if r.missing && w.Mode == rollout.ByRoutes {
			problems = append(problems, rollout.Problem{Reason: "MissingRoute", Message: "there is no HTTPRoute " + routeNames[i], Reference: true})
		}
	}
	return problems
}

// begin does a pass up to the point where something is written. It says whether there was one.
func (c *Cluster) begin(p *process) bool {
	if c.settings.Guards.OwnWrites && p.behind() {
		return false
	}
	read := p.view
	p.fresh = true
	if c.store.rollouts[read[rolloutKind]].deleted {
		return false
	}
	o := c.observe(p, read)
	plan := c.settings.Decide(o)
	if plan.Confirm && c.settings.Guards.LiveConfirm {
		read = c.store.head()
		p.own = later(p.own, read)
		if c.store.rollouts[read[rolloutKind]].deleted {
			return false
		}
		o = c.observe(p, read)
		again := c.settings.Decide(o)
		if !plan.Agrees(again) {
			c.say(p.name, "the caches and the API server lead to different plans")
			p.wake = p.now(c).Add(disagreementPause)
			return false
		}
		plan = again
	}
	c.checkPlan(o, plan)
	p.wake, p.measure, p.report = plan.Wake, plan.Measure, plan.Report
	p.pass = &pass{read: read, seen: o, plan: plan, began: c.now, writes: c.writes(o, c.store.rollouts[read[rolloutKind]].report, plan)}
	if len(p.pass.writes) == 0 {
		c.end(p)
	}
	return true
}

// disagreementPause is when to look again after the caches and the API server led to different plans.
const disagreementPause = 250 * time.Millisecond

func (p *process) behind() bool {
	for k := range kinds {
		if p.view[k] < p.own[k] {
			return true
		}
	}
	return false
}

// later is the later of two positions of each kind.
func later(a, b positions) positions {
	for k := range kinds {
		a[k] = max(a[k], b[k])
	}
	return a
}

// writes lists what has to be written, the status last.
func (c *Cluster) writes(o rollout.Observed, reported rollout.Report, plan rollout.Plan) []write {
	var writes []write
	for _, action := range plan.Actions {
		shift, ok := action.(rollout.Shift)
		if !ok {
			writes = append(writes, write{action: action})
			continue
		}
		for i, r := range o.Routes.Routes {
			rules := ""
			if shift.Rules {
				rules = ruleNames(o.Rules())
			}
			if !r.Missing && (!r.Share.Exactly(shift.Percent) || strings.Join(r.Managed, ",") != rules) {
				writes = append(writes, write{action: action, route: i})
			}
		}
	}
	if !plan.Status.Equal(o.Status) || plan.Report != reported {
		writes = append(writes, write{})
	}
	return writes
}

// outcome is what becomes of a write.
type outcome int

const (
	applied outcome = iota
	// refused: it wasn't applied, and the controller knows.
	refused
	// lost: it was applied, and the controller doesn't know.
	lost
)

// carryOn does the next write of a pass.
func (c *Cluster) carryOn(p *process, result outcome) {
	pass := p.pass
	w := pass.writes[0]
	if c.settings.Guards.Expiry && c.expired(pass) {
		c.say(p.name, "gives up a plan that is %s old", c.now.Sub(pass.began))
		p.fail()
		return
	}
	if result == refused {
		c.say(p.name, "an error answers: %s", w)
		p.fail()
		return
	}
	before := c.moment(pass.seen.Spec)
	kind, ok := c.apply(p, w)
	if !ok {
		c.say(p.name, "somebody was faster: %s", w)
		p.fail()
		return
	}
	if w.action == nil {
		r := pass.plan.Report
		c.say("status", "%s, %s: %s%s", r.State, r.Reason, r.Message, stalled(r))
	} else {
		c.say(p.name, "%s", w.action)
	}
	c.checkWrite(rollout.Write{Before: before, After: c.moment(pass.seen.Spec), Action: w.action, Decided: pass.seen})
	if result == lost {
		c.say(p.name, "the answer is lost")
		p.fail()
		return
	}
	p.own[kind] = c.store.head()[kind]
	pass.writes = pass.writes[1:]
	if len(pass.writes) == 0 {
		for _, e := range pass.plan.Events {
			c.say("event", "%s: %s", e.Reason, e.Message)
		}
		c.end(p)
	}
}

// expired says whether a plan is too old. Nothing that another controller decides meanwhile can have come as far as
// traffic on it: that takes the settle time.
func (c *Cluster) expired(p *pass) bool {
	return c.now.Sub(p.began) >= c.settings.Spec.Settle
}

// end is the end of a pass that was carried out: what it saw is known from now on.
func (c *Cluster) end(p *process) {
	c.known = later(c.known, p.pass.read)
	p.pass = nil
}

// stalled is the end of a sentence that says what takes a person.
func stalled(r rollout.Report) string {
	if !r.Stalled || r.StalledMessage == r.Message {
		return ""
	}
	return " [" + r.StalledReason + ": " + r.StalledMessage + "]"
}

// fail ends a pass that could not be carried out; it is tried again soon.
func (p *process) fail() { p.pass, p.fresh = nil, false }

// String is the write in words.
func (w write) String() string {
	if w.action == nil {
		return "write the status"
	}
	return w.action.String()
}
