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
		{"gives everything back at once to a stable that has given pods back", "CapacityBeforeTraffic", believing(func(o *rollout.Observed) {
			if release := o.Status.Release; release != nil && release.Phase == rollout.Aborting {
				o.Spec.DynamicStable = false
			}
		})},
		{"shows the preview to everybody", "PointersMoveDrained", planning(func(o rollout.Observed, p *rollout.Plan) {
			if release := o.Status.Release; release != nil && o.Spec.Wiring.Mode == rollout.BySelector && release.Phase == rollout.Stepping && len(p.Actions) == 0 {
				p.Actions, p.Confirm = []rollout.Action{rollout.Point{Backend: rollout.StableRole, Revision: release.Revision}}, true
			}
		})},
		{"lets go of a Service while another revision has pods", "PointersMoveDrained", planning(func(o rollout.Observed, p *rollout.Plan) {
			if o.Spec.Wiring.Mode == rollout.ByRoutes && o.Status.Release != nil && len(p.Actions) == 0 {
				p.Actions, p.Confirm = []rollout.Action{rollout.Widen{Backend: rollout.StableRole}}, true
			}
		})},
	}
}

// unruly mutants don't take a managed route for traffic.
func unruly() []mutant {
	return []mutant{
		{"moves on while a managed route leads to the canary", "PointersMoveDrained", believing(func(o *rollout.Observed) {
			o.Routes.Routes = slices.Clone(o.Routes.Routes)
			for i := range o.Routes.Routes {
				o.Routes.Routes[i].Managed, o.Routes.Routes[i].Astray = nil, ""
			}
		})},
		{"adds managed routes before there are pods", "CapacityBeforeTraffic", planning(func(o rollout.Observed, p *rollout.Plan) {
			if len(o.Rules()) > 0 && !o.Routes.HasManaged() && len(p.Actions) == 0 && o.Canary.Ready(o.Status.Release.Revision) == 0 {
				p.Actions, p.Confirm = []rollout.Action{rollout.Shift{Percent: o.Routes.Share().High, Rules: true}}, true
			}
		})},
	}
}

// hasty mutants skip what they should wait for.
func hasty() []mutant {
	return []mutant{
		{"replaces pods without new ones beside them", "AvailabilityStaysInBounds", planning(func(o rollout.Observed, p *rollout.Plan) {
			if o.Status.Stable != "" && !o.Status.Restart.Done && !o.Status.Restart.Until.IsZero() && len(p.Actions) == 0 {
				p.Actions, p.Confirm = []rollout.Action{rollout.Evict{Revision: o.Status.Stable, Pods: 9, Until: o.Status.Restart.Until}}, true
			}
		})},
		{"asks no gate", "GatesHold", believing(func(o *rollout.Observed) { o.Spec.Gates = nil })},
		{"takes a step for judged", "OnlyVerdictsPromote", believing(func(o *rollout.Observed) {
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
		{"takes every pod for ready", "CapacityBeforeTraffic", believing(func(o *rollout.Observed) {
			o.Workloads = slices.Clone(o.Workloads)
			for i := range o.Workloads {
				w := &o.Workloads[i]
				w.Ready, w.Available = w.Replicas, w.Replicas
			}
			if o.Canary.Revision != "" {
				o.Canary.Endpoints = map[rollout.Revision]int{o.Canary.Revision: o.Spec.Replicas}
			}
		})},
		{"does not wait until endpoints are known", "CapacityBeforeTraffic", believing(func(o *rollout.Observed) { o.Spec.Settle = 0 })},
		{"does not drain", "PointersMoveDrained", believing(func(o *rollout.Observed) { o.Spec.Drain, o.Spec.Settle = 0, 0 })},
		{"does not wait for a verdict", "OnlyVerdictsPromote", believing(func(o *rollout.Observed) { o.Spec.Metrics = nil })},
		{"takes the pods away as soon as the routes say zero", "PodsOutliveTraffic", planning(func(o rollout.Observed, p *rollout.Plan) {
			if release := o.Status.Release; release != nil && release.Phase == rollout.Aborting && o.Routes.Share().High == 0 && len(p.Actions) == 0 {
				p.Actions, p.Confirm = []rollout.Action{rollout.Scale{Revision: release.Revision}}, true
			}
		})},
	}
}

// careless mutants forget something.
func careless() []mutant {
	return []mutant{
		{"surges more than it may", "SurgeStaysInBounds", believing(func(o *rollout.Observed) { o.Spec.MaxSurge += 2 })},
		{"makes more unavailable than it may", "AvailabilityStaysInBounds", believing(func(o *rollout.Observed) { o.Spec.MaxUnavailable += 2 })},
		{"points the stable backend at what it promotes", "SomebodyServes", planning(func(o rollout.Observed, p *rollout.Plan) {
			if release := o.Status.Release; release != nil && o.Spec.Wiring.Mode == rollout.ByRoutes && release.Phase == rollout.Stepping && len(p.Actions) == 0 {
				p.Actions, p.Confirm = []rollout.Action{rollout.Point{Backend: rollout.StableRole, Revision: release.Revision}}, true
			}
		})},
		{"doesn't say when to look again", "EveryWaitEnds", planning(func(_ rollout.Observed, p *rollout.Plan) { p.Wake = time.Time{} })},
		{"looks again at once for nothing", "EveryWaitEnds", planning(func(o rollout.Observed, p *rollout.Plan) { p.Wake = o.Now })},
		{"leaves a bad revision its traffic while its pods are ready", "AbortProceeds", planning(func(o rollout.Observed, p *rollout.Plan) {
			if release := o.Status.Release; release != nil && release.Phase == rollout.Aborting && o.Canary.Ready(release.Revision) > 0 {
				p.Actions = nil
			}
		})},
		{"forgets the request that it answered", "StatusGoesForward", planning(func(o rollout.Observed, p *rollout.Plan) {
			if o.Request == nil && p.Status.Answer.ID != "" || o.Now.Second()%20 == 0 {
				p.Status.Answer = rollout.Answer{}
			}
		})},
		{"confirms nothing", "OneRiskPerPlan", planning(func(_ rollout.Observed, p *rollout.Plan) { p.Confirm = false })},
	}
}

func TestMistakesOfTheEngineAreFound(t *testing.T) {
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			o := DefaultOptions()
			o.Decide = m.decide
			result := play(o, 0, 1000)
			t.Log(result.violated())
			require.Positive(t, result.violated()[m.violates])
		})
	}
}
