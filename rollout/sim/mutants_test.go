package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout"
)

// mutant is an engine with a mistake, and the invariant that must notice.
type mutant struct {
	name     string
	violates string
	decide   func(rollout.Observed) rollout.Plan
	// among are the histories in which the mistake can show, all of them if nil. Of those that are drawn they may be a few of a thousand.
	among func(*Settings)
}

// believing is an engine that is told something else than what is so.
func believing(lie func(*rollout.Observed)) func(rollout.Observed) rollout.Plan {
	return func(o rollout.Observed) rollout.Plan {
		before := o.Status
		lie(&o)
		p := rollout.Decide(o)
		if p.Status.Equal(o.Status) {
			p.Status = before
		}
		return p
	}
}

// planning is an engine whose plan is changed.
func planning(change func(rollout.Observed, *rollout.Plan)) func(rollout.Observed) rollout.Plan {
	return func(o rollout.Observed) rollout.Plan {
		p := rollout.Decide(o)
		change(o, &p)
		return p
	}
}

func mutants() []mutant {
	return slices.Concat(impatient(), careless(), confused(), hasty(), unruly())
}

// confused mutants do the right thing in the wrong mode or at the wrong time.
func confused() []mutant {
	return []mutant{
		{name: "gives everything back at once to a stable that has given pods back", violates: "CapacityBeforeTraffic", among: givingPodsBack,
			decide: believing(func(o *rollout.Observed) {
				if release := o.Status.Release; release != nil && release.Phase == rollout.Aborting {
					o.Spec.DynamicStable = false
				}
			})},
		{name: "shows the preview to everybody", violates: "PointersMoveDrained", decide: planning(func(o rollout.Observed, p *rollout.Plan) {
			if release := o.Status.Release; release != nil && o.Spec.Wiring.Mode == rollout.BySelector && release.Phase == rollout.Stepping && len(p.Actions) == 0 {
				p.Actions, p.Confirm = []rollout.Action{rollout.Point{Backend: rollout.StableRole, Revision: release.Revision}}, true
			}
		})},
		{name: "lets go of a Service while another revision has pods", violates: "PointersMoveDrained", decide: planning(func(o rollout.Observed, p *rollout.Plan) {
			if o.Spec.Wiring.Mode == rollout.ByRoutes && o.Status.Release != nil && len(p.Actions) == 0 {
				p.Actions, p.Confirm = []rollout.Action{rollout.Widen{Backend: rollout.StableRole}}, true
			}
		})},
	}
}

// unruly mutants don't take a managed route for traffic.
func unruly() []mutant {
	return []mutant{
		{name: "moves on while a managed route leads to the canary", violates: "PointersMoveDrained", decide: believing(func(o *rollout.Observed) {
			o.Routes.Routes = slices.Clone(o.Routes.Routes)
			for i := range o.Routes.Routes {
				o.Routes.Routes[i].Managed, o.Routes.Routes[i].Astray = nil, ""
			}
		})},
		{name: "adds managed routes before there are pods", violates: "CapacityBeforeTraffic", decide: planning(func(o rollout.Observed, p *rollout.Plan) {
			if len(o.Rules()) > 0 && !o.Routes.HasManaged() && len(p.Actions) == 0 && o.Canary.Ready(o.Status.Release.Revision) == 0 {
				p.Actions, p.Confirm = []rollout.Action{rollout.Shift{Percent: o.Routes.Share().High, Rules: true}}, true
			}
		})},
	}
}

// hasty mutants skip what they should wait for.
func hasty() []mutant {
	return []mutant{
		{name: "replaces pods without new ones beside them", violates: "AvailabilityStaysInBounds", decide: planning(func(o rollout.Observed, p *rollout.Plan) {
			if o.Status.Stable != "" && !o.Status.Restart.Done && !o.Status.Restart.Until.IsZero() && len(p.Actions) == 0 {
				p.Actions, p.Confirm = []rollout.Action{rollout.Evict{Revision: o.Status.Stable, Pods: 9, Until: o.Status.Restart.Until}}, true
			}
		})},
		{name: "asks no gate", violates: "GatesHold", decide: believing(func(o *rollout.Observed) { o.Spec.Gates = nil })},
		{name: "takes a step for judged", violates: "OnlyVerdictsPromote", decide: believing(func(o *rollout.Observed) {
			o.Spec.Steps = slices.Clone(o.Spec.Steps)
			for i := range o.Spec.Steps {
				o.Spec.Steps[i].Metrics = nil
			}
		})},
	}
}

// impatient mutants don't wait for what has to be waited for.
func impatient() []mutant {
	return []mutant{
		{name: "takes every pod for ready", violates: "CapacityBeforeTraffic", decide: believing(func(o *rollout.Observed) {
			o.Workloads = slices.Clone(o.Workloads)
			for i := range o.Workloads {
				w := &o.Workloads[i]
				w.Ready, w.Available = w.Replicas, w.Replicas
			}
			if o.Canary.Revision != "" {
				o.Canary.Endpoints = map[rollout.Revision]int{o.Canary.Revision: o.Spec.Replicas}
			}
		})},
		{name: "does not wait until endpoints are known", violates: "CapacityBeforeTraffic", decide: believing(func(o *rollout.Observed) { o.Spec.Settle = 0 })},
		{name: "does not drain", violates: "PointersMoveDrained", decide: believing(func(o *rollout.Observed) { o.Spec.Drain, o.Spec.Settle = 0, 0 })},
		{name: "does not wait for a verdict", violates: "OnlyVerdictsPromote", decide: believing(func(o *rollout.Observed) { o.Spec.Metrics = nil })},
		{name: "takes the pods away as soon as the routes say zero", violates: "PodsOutliveTraffic", decide: planning(func(o rollout.Observed, p *rollout.Plan) {
			if release := o.Status.Release; release != nil && release.Phase == rollout.Aborting && o.Routes.Share().High == 0 && len(p.Actions) == 0 {
				p.Actions, p.Confirm = []rollout.Action{rollout.Scale{Revision: release.Revision}}, true
			}
		})},
	}
}

// givingPodsBack leaves a stable as few pods as its share of the traffic needs.
func givingPodsBack(s *Settings) {
	s.Spec.Wiring = rollout.Wiring{Mode: rollout.ByRoutes, Stable: serviceNames[stable], Canary: serviceNames[canary]}
	s.Spec.Steps = []rollout.Step{{Kind: rollout.SetWeight, Weight: 50}, {Kind: rollout.SetWeight, Weight: 90}, {Kind: rollout.Pause}}
	s.Spec.DynamicStable, s.Spec.Replicas, s.Spec.MinPods, s.Spec.Gates = true, 5, 0, nil
}

// careless mutants forget something.
func careless() []mutant {
	return []mutant{
		{name: "surges more than it may", violates: "SurgeStaysInBounds", decide: believing(func(o *rollout.Observed) { o.Spec.MaxSurge += 2 })},
		{name: "makes more unavailable than it may", violates: "AvailabilityStaysInBounds", decide: believing(func(o *rollout.Observed) { o.Spec.MaxUnavailable += 2 })},
		{name: "points the stable backend at what it promotes", violates: "SomebodyServes", decide: planning(func(o rollout.Observed, p *rollout.Plan) {
			if release := o.Status.Release; release != nil && o.Spec.Wiring.Mode == rollout.ByRoutes && release.Phase == rollout.Stepping && len(p.Actions) == 0 {
				p.Actions, p.Confirm = []rollout.Action{rollout.Point{Backend: rollout.StableRole, Revision: release.Revision}}, true
			}
		})},
		{name: "doesn't say when to look again", violates: "EveryWaitEnds", decide: planning(func(_ rollout.Observed, p *rollout.Plan) { p.Wake = time.Time{} })},
		{name: "looks again at once for nothing", violates: "EveryWaitEnds", decide: planning(func(o rollout.Observed, p *rollout.Plan) { p.Wake = o.Now })},
		{name: "leaves a bad revision its traffic while its pods are ready", violates: "AbortProceeds", decide: planning(func(o rollout.Observed, p *rollout.Plan) {
			if release := o.Status.Release; release != nil && release.Phase == rollout.Aborting && o.Canary.Ready(release.Revision) > 0 {
				p.Actions = nil
			}
		})},
		{name: "forgets the request that it answered", violates: "StatusGoesForward", decide: planning(func(o rollout.Observed, p *rollout.Plan) {
			if o.Request == nil && p.Status.Answer.ID != "" || o.Now.Second()%20 == 0 {
				p.Status.Answer = rollout.Answer{}
			}
		})},
		{name: "confirms nothing", violates: "OneRiskPerPlan", decide: planning(func(_ rollout.Observed, p *rollout.Plan) { p.Confirm = false })},
	}
}

func TestMistakesOfTheEngineAreFound(t *testing.T) {
	const most, batch = 1000, 40
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			o := DefaultOptions()
			o.Decide, o.Setting = m.decide, m.among
			played, found := uint64(0), 0
			for ; played < most && found == 0; played += batch {
				result := play(o, played, batch)
				found = result.violated()[m.violates]
			}
			t.Logf("%s is violated by %d of seeds %d to %d", m.violates, found, played-batch, played-1)
			require.Positive(t, found)
		})
	}
}
