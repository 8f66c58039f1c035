package sim

import (
	"time"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/traffic"
)

// A release is of v2, which is good, over v1; people may push v3, which is bad. Whatever takes time takes one second, or as
// many as it takes to tell it from what else is waited for: the fewer times there are at which something happens, the fewer
// states differ in nothing but when it did.

func small(wiring string, steps ...rollout.Step) rollout.Spec {
	return rollout.Spec{
		Target: "v1", Replicas: 2, MaxSurge: 1, Wiring: wirings()[wiring], Steps: steps,
		Settle: time.Second, Drain: time.Second, ProgressDeadline: 6 * time.Second, AbortScaleDownDelay: 2 * time.Second,
		HistoryLimit: 1,
	}
}

// half the traffic, then a person looks, then all of it.
func half() []rollout.Step {
	return []rollout.Step{{Kind: rollout.SetWeight, Weight: 50}, {Kind: rollout.Pause}, {Kind: rollout.SetWeight, Weight: 100}}
}

func watched(name string) []analysis.Metric {
	low := 0.99
	return []analysis.Metric{{Name: name, Threshold: analysis.Threshold{Min: &low, Text: ">= 0.99"}, Interval: time.Second}}
}

func release(name string, spec rollout.Spec) Scope {
	return Scope{
		Name: name, Target: "v2",
		Settings: Settings{Installed: true, Routes: 1, Guards: AllGuards(), Spec: spec},
		Quality:  map[rollout.Revision]Quality{"v2": {Startup: time.Second}, "v3": {Startup: time.Second, Values: badValues()}},
		People:   []string{"continue", "push v1", "push v3", "abort", "promote", "promote-full", "retry"},
		Breaks: []string{"crash", "lost answer", "refused write", "frozen leader", "stalled watch", "late",
			"route edited", "service edited", "pod crash", "set scaled"},
	}
}

func canaryScope() Scope { return release("canary", small("routes", half()...)) }

// ruledScope has a rule that leads testers to the canary before it has a share, and one that only mirrors, which stays.
func ruledScope() Scope {
	s := release("canary with rules", small("routes",
		rollout.Step{Kind: rollout.SetRule, Rule: traffic.ManagedRule{Name: "testers"}}, rollout.Step{Kind: rollout.Pause},
		rollout.Step{Kind: rollout.SetRule, Rule: traffic.ManagedRule{Name: "testers"}, Remove: true},
		rollout.Step{Kind: rollout.SetRule, Rule: traffic.ManagedRule{Name: "shadow", Mirror: 100}}, rollout.Step{Kind: rollout.SetWeight, Weight: 50}))
	s.People = []string{"continue", "push v1", "push v3", "abort", "promote", "retry"}
	s.Breaks = []string{"crash", "lost answer", "late", "route edited"}
	return s
}

func pingPongScope() Scope { return release("ping-pong", small("ping-pong", half()...)) }

func dynamicScope() Scope {
	s := release("dynamic stable", small("routes", half()...))
	s.Settings.Spec.DynamicStable = true
	return s
}

// frozenScope: whoever froze may have had the first share of a revision in mind that is given up meanwhile.
func frozenScope() Scope {
	s := release("frozen leader", small("routes", half()...))
	s.People, s.Breaks = []string{"push v3", "abort"}, []string{"frozen leader"}
	return s.with(1, 1)
}

// measuredScope is a canary that metrics look at. What others do to objects is left to the scopes without.
func measuredScope() Scope {
	s := release("measured canary", small("routes", half()...))
	s.Settings.Spec.Metrics = watched("success-rate")
	s.Breaks = []string{"crash", "lost answer", "refused write", "frozen leader", "stalled watch", "late", "odd measurement"}
	return s
}

// gatedScope is a canary that others have a say in: before it begins, and before each larger share for a time that ends in a
// search.
func gatedScope() Scope {
	s := release("gated canary", small("routes", rollout.Step{Kind: rollout.SetWeight, Weight: 50}))
	s.Settings.Spec.Gates = []rollout.Gate{
		{Name: "window", At: rollout.BeforeRelease, Interval: time.Second, Deadline: 3 * time.Second, OnDeadline: rollout.Hold},
		{Name: "load", At: rollout.BeforeIncrease, Interval: time.Second, Deadline: 3 * time.Second, OnDeadline: rollout.Continue},
	}
	s.People = []string{"push v1", "push v3", "abort", "promote", "retry"}
	s.Breaks = []string{"crash", "lost answer", "refused write", "frozen leader", "stalled watch", "late", "odd measurement"}
	return s
}

// podsScope: controllers only take turns where no router splits the traffic; see the package comment.
func podsScope() Scope {
	spec := small("pods", rollout.Step{Kind: rollout.SetWeight, Weight: 34}, rollout.Step{Kind: rollout.Pause}, rollout.Step{Kind: rollout.SetWeight, Weight: 67})
	spec.Replicas = 3
	s := release("by pods", spec)
	s.Breaks = []string{"crash", "lost answer", "refused write", "stalled watch", "late", "pod crash", "set scaled"}
	return s
}

func blueGreenScope() Scope {
	s := release("blue-green", small("selector", rollout.Step{Kind: rollout.Pause}))
	s.Settings.Spec.PostMetrics, s.Settings.Spec.ScaleDownDelay = watched("smoke-test"), 2*time.Second
	s.Breaks = append(s.Breaks, "odd measurement")
	return s
}

// installScope is the first installation.
func installScope() Scope {
	s := release("first installation", small("routes", half()...))
	s.Settings.Installed, s.Target = false, ""
	s.People = []string{"continue", "push v2", "push v3", "scale", "spec.paused"}
	return s
}

// operatedScope is what people may ask of a release besides.
func operatedScope() Scope {
	s := release("operated canary", small("routes", half()...))
	s.People = []string{"continue", "undo", "scale", "spec.paused", "pause", "resume", "restart", "delete"}
	return s
}

func rewiredScope() Scope {
	s := release("rewired", small("routes", half()...))
	s.People = []string{"continue", "rewire", "push v3"}
	s.Breaks = []string{"crash", "lost answer", "stalled watch", "late"}
	return s
}

// clockScope: in the others no clock is wrong. The data plane follows at once; see the package comment.
func clockScope() Scope {
	s := release("wrong clock", small("routes", half()...))
	s.Settings.Instant = true
	s.Breaks = []string{"clock jump"}
	return s
}

func (s Scope) with(deeds, faults int) Scope {
	s.Deeds, s.Faults = deeds, faults
	return s
}
