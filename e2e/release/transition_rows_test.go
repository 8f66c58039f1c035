//go:build e2e

package release

import (
	"time"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// transitions are all of them.
func transitions() []transition {
	var rows []transition
	for _, f := range []family{byGateway(), byReplicas(), bySwitch()} {
		rows = append(rows, releases(f)...)
		rows = append(rows, takenBack(f)...)
		rows = append(rows, pushes(f)...)
		rows = append(rows, disturbed(f)...)
		rows = append(rows, adopted(f)...)
		rows = append(rows, borrowed(f)...)
	}
	rows = append(rows, onlyByGateway(byGateway())...)
	rows = append(rows, onlyBySteps(byReplicas())...)
	rows = append(rows, onlyBySwitch(bySwitch())...)
	rows = append(rows, rewired()...)
	return rows
}

// releases end well.
func releases(f family) []transition {
	rows := []transition{
		{name: "good release", strategy: f.flowing, play: func(s *stage) { s.push("v2") }},
		{name: "promoted", strategy: f.held, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.ask("promote")
		}},
		{name: "promoted in full", strategy: f.held, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.ask("promote", "--full")
		}},
		{name: "paused and resumed", strategy: f.slow, play: func(s *stage) {
			s.push("v2")
			s.untilIn("v2", "Stepping")
			s.ask("pause")
			s.untilHeld("v2")
			s.serveFor(2 * time.Second)
			s.ask("resume")
		}},
		{name: "retried", strategy: f.held, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.ask("abort")
			s.untilTakenBack("Request")
			s.ask("retry")
			s.untilHeld("v2")
			s.ask("promote")
		}},
		{name: "undone to the revision before", strategy: f.flowing, served: []string{"v1", "v2", "v1"}, play: func(s *stage) {
			s.push("v2")
			s.untilServed("v2")
			s.ask("undo")
		}},
	}
	for i := range rows {
		rows[i].family = f
		if rows[i].served == nil {
			rows[i].served = []string{"v1", "v2"}
		}
	}
	return rows
}

// takenBack end with the version that was there before.
func takenBack(f family) []transition {
	rows := []transition{
		{name: "aborted by request", strategy: f.held, phase: v1alpha1.PhaseDegraded, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.ask("abort")
			s.untilTakenBack("Request")
		}},
		{name: "aborted by analysis", strategy: f.held, phase: v1alpha1.PhaseDegraded, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.strategy = f.judged
			s.push("v2")
			s.untilTakenBack("Analysis")
		}},
		{name: "aborted by deadline", strategy: f.flowing, deadline: 10 * time.Second, phase: v1alpha1.PhaseDegraded, play: func(s *stage) {
			s.release(version{name: "v2", alone: true})
			s.untilTakenBack("Deadline")
		}},
		{name: "back to stable by its old template", strategy: f.held, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.push("v1")
		}},
	}
	for i := range rows {
		rows[i].family, rows[i].tried, rows[i].served = f, []string{"v2"}, []string{"v1"}
	}
	return rows
}

// pushes are new versions in the middle of a release.
func pushes(f family) []transition {
	rows := []transition{
		{name: "new push in the middle of the steps", tried: []string{"v2"}, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
		}},
		{name: "new push in the middle of a promotion", served: []string{"v1", "v2", "v3"}, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.ask("promote", "--full")
			s.untilPromoted("Promoting")
			s.untilMet("v2")
		}},
		{name: "new push in the middle of handing over", served: []string{"v1", "v2", "v3"}, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.ask("promote", "--full")
			s.untilPromoted()
		}},
		{name: "new push in the middle of an abort", tried: []string{"v2"}, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.ask("abort")
			s.untilIn("v2", "Aborting", "Aborted")
		}},
	}
	for i := range rows {
		begin := rows[i].play
		rows[i].family, rows[i].strategy = f, f.held
		rows[i].play = func(s *stage) {
			begin(s)
			s.push("v3")
			s.untilHeld("v3")
			s.ask("promote")
		}
		if rows[i].served == nil {
			rows[i].served = []string{"v1", "v3"}
		}
	}
	return rows
}

// disturbed are releases during which somebody changes something else, and what happens without any release.
func disturbed(f family) []transition {
	return []transition{
		{name: "scaled up and down in the middle", family: f, strategy: f.held, served: []string{"v1", "v2"}, play: func(s *stage) {
			before := s.replicas
			s.push("v2")
			s.untilHeld("v2")
			s.resize(before + 2)
			s.serveFor(3 * time.Second)
			s.resize(before)
			s.serveFor(2 * time.Second)
			s.untilHeld("v2")
			s.ask("promote")
		}},
		{name: "deleted without its pods in the middle, and back", family: f, strategy: f.held, served: []string{"v1", "v2"}, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.orphan()
			s.serveFor(2 * time.Second)
			s.push("v2")
		}},
		{name: "restarted", family: f, strategy: f.flowing, brief: true, served: []string{"v1"}, play: func(s *stage) { s.restart() }},
		{name: "restarted with one replica", family: f, strategy: f.flowing, replicas: 1, brief: true, served: []string{"v1"}, play: func(s *stage) { s.restart() }},
	}
}

// adopted is the first release of an application that runs already.
func adopted(f family) []transition {
	return []transition{{
		name: "first install, from a Deployment", family: f, strategy: f.flowing, brief: true, served: []string{"v0", "v1"},
		begin: func(s *stage) { s.deploy("legacy", "v0") },
		play: func(s *stage) {
			s.push("v1")
			s.untilServed("v1")
			s.removeDeployment("legacy")
		},
	}}
}
