//go:build e2e

package release

import (
	"time"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// unsure is an analysis that never has anything to judge.
const unsure = `{metrics: [{name: verdict, query: vector(1) > 1, interval: 1s, threshold: {min: "1"}}]}`

// onlyBySwitch are transitions of blue-green releases.
func onlyBySwitch(f family) []transition {
	// After the switch clients do meet what is tried.
	seen := f
	seen.hidden = false
	return []transition{
		{name: "aborted by analysis after the switch", family: seen, strategy: with(f.flowing, "postPromotionAnalysis: "+unsure),
			tried: []string{"v2"}, served: []string{"v1"}, phase: v1alpha1.PhaseDegraded, play: func(s *stage) {
				s.push("v2")
				s.untilMet("v2")
				s.strategy = with(f.flowing, "postPromotionAnalysis: "+failing)
				s.push("v2")
				s.untilTakenBack("Analysis")
			}},
		{name: "aborted by request after the switch", family: seen, strategy: with(f.flowing, "postPromotionAnalysis: "+unsure),
			tried: []string{"v2"}, served: []string{"v1"}, phase: v1alpha1.PhaseDegraded, play: func(s *stage) {
				s.push("v2")
				s.untilMet("v2")
				s.ask("abort")
				s.untilTakenBack("Request")
			}},
		{name: "undone while the old pods still run", family: f, strategy: with(f.flowing, "scaleDownDelaySeconds: 15"),
			served: []string{"v1", "v2", "v1"}, play: func(s *stage) {
				s.push("v2")
				s.untilServed("v2")
				s.ask("undo")
			}},
		{name: "previewReplicaCount", family: f, strategy: with(f.held, "previewReplicaCount: 1"), served: []string{"v1", "v2"}, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.untilReady("v2", 1)
			s.ask("promote")
		}},
		{name: "selectors edited in the middle", family: seen, strategy: f.held, served: []string{"v1", "v2"}, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.widen("active")
			s.widen("preview")
			s.serveFor(time.Second)
			s.ask("promote")
			s.untilPromoted()
			s.widen("active")
		}},
	}
}

// rewired are Rollouts that change how they release.
func rewired() []transition {
	gateway, replicas := byGateway(), byReplicas()
	steps := with(`canary: {maxSurge: 1, maxUnavailable: 0}`, flowingSteps)
	blueGreen := with(`blueGreen: {activeService: stable, previewService: canary, settleSeconds: 1, drainSeconds: 2, scaleDownDelaySeconds: 3}`,
		"autoPromotionSeconds: 1")
	mixed := gateway
	mixed.name, mixed.env = "strategy changed", replicas.env
	return []transition{
		{name: "replicas, gateway, blue-green, replicas", family: mixed, strategy: steps, served: []string{"v1", "v2", "v3", "v4"}, play: func(s *stage) {
			s.strategy = gateway.flowing
			s.push("v2")
			s.untilServed("v2")
			s.strategy = blueGreen
			s.push("v3")
			s.untilServed("v3")
			s.strategy = steps
			s.push("v4")
		}},
		{name: "gateway to blue-green in the middle", family: mixed, strategy: gateway.held, served: []string{"v1", "v2"}, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.strategy = blueGreen
			s.push("v2")
		}},
		{name: "blue-green to gateway in the middle", family: mixed, strategy: with(blueGreen, "{autoPromotionEnabled: false, autoPromotionSeconds: null}"),
			served: []string{"v1", "v2"}, play: func(s *stage) {
				s.push("v2")
				s.untilHeld("v2")
				s.strategy = gateway.flowing
				s.push("v2")
			}},
		{name: "replicas to gateway in the middle", family: mixed, strategy: with(steps, heldSteps), served: []string{"v1", "v2"}, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.strategy = gateway.flowing
			s.push("v2")
		}},
	}
}
