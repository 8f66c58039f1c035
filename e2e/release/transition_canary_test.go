//go:build e2e

package release

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

const (
	dynamicStable = `dynamicStableScale: true`
	alternating   = `{pingPong: {pingService: stable, pongService: canary}, stableService: null, canaryService: null}`
	scaledSteps   = `steps: [{setCanaryScale: {replicas: 2}}, {setWeight: 50}, {pause: {}},
		{setCanaryScale: {matchTrafficWeight: true}}, {setWeight: 75}, {pause: {duration: 1s}}]`
	otherSteps = `steps: [{setWeight: 25}, {pause: {duration: 1s}}, {setWeight: 75}, {pause: {duration: 1s}}]`
)

// onlyBySteps are transitions of canaries.
func onlyBySteps(f family) []transition {
	return []transition{{
		name: "steps edited in the middle", family: f, strategy: f.held, served: []string{"v1", "v2"},
		play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.strategy = with(s.strategy, otherSteps)
			s.push("v2")
		},
	}}
}

// onlyByGateway are transitions of canaries whose traffic is split by a route.
func onlyByGateway(f family) []transition {
	rows := []transition{
		{name: "routes reverted by a GitOps tool", strategy: f.held, served: []string{"v1", "v2"}, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.revertRoute()
			s.untilWeights(50, 50)
			s.ask("promote", "--full")
			s.untilPromoted("Promoting")
			s.revertRoute()
		}},
		{name: "selectors edited in the middle", strategy: f.held, served: []string{"v1", "v2"}, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.widen("stable")
			s.widen("canary")
			s.ask("promote")
			s.untilPromoted("Promoting")
			s.widen("stable")
		}},
		// The restart waits until the release is over.
		{name: "restarted in the middle", strategy: f.held, served: []string{"v1", "v2"}, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			asked := time.Now()
			s.ask("restart")
			s.ask("promote")
			s.untilRestarted(asked)
		}},
		{name: "undone in the middle of the steps", strategy: f.held, tried: []string{"v2"}, served: []string{"v1"}, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.ask("undo")
		}},
		{name: "dynamicStableScale, good release", strategy: with(f.held, dynamicStable), replicas: 4, served: []string{"v1", "v2"}, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.untilReady("v1", 2)
			s.ask("promote")
		}},
		{name: "dynamicStableScale, aborted", strategy: with(f.held, dynamicStable), replicas: 4, phase: v1alpha1.PhaseDegraded,
			tried: []string{"v2"}, served: []string{"v1"}, play: func(s *stage) {
				s.push("v2")
				s.untilHeld("v2")
				s.untilReady("v1", 2)
				s.ask("abort")
				s.untilTakenBack("Request")
			}},
		{name: "setCanaryScale", strategy: with(f.held, scaledSteps), served: []string{"v1", "v2"}, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.untilReady("v2", 2)
			s.ask("promote")
		}},
		{name: "pingPong, two releases", strategy: with(f.held, alternating), served: []string{"v1", "v2", "v3"}, play: func(s *stage) {
			s.push("v2")
			s.untilHeld("v2")
			s.ask("promote")
			s.untilServed("v2")
			s.push("v3")
			s.untilHeld("v3")
			s.ask("promote")
		}},
		{name: "pingPong, aborted", strategy: with(f.held, alternating), phase: v1alpha1.PhaseDegraded,
			tried: []string{"v3"}, served: []string{"v1", "v2"}, play: func(s *stage) {
				s.push("v2")
				s.untilHeld("v2")
				s.ask("promote")
				s.untilServed("v2")
				s.push("v3")
				s.untilHeld("v3")
				s.ask("abort")
				s.untilTakenBack("Request")
			}},
	}
	for i := range rows {
		rows[i].family = f
	}
	return append(rows, onlyBySteps(f)...)
}

// revertRoute gives stable everything, as in the route's manifest.
func (s *stage) revertRoute() {
	s.t.Helper()
	s.journal.note("the route is reverted")
	s.patchRoute(`[{"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": 100},
		{"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 0}]`)
}

// untilWeights waits until the route has weights again.
func (s *stage) untilWeights(stable, canary int32) {
	s.t.Helper()
	s.until("weights again", func() bool { return s.weights() == [2]int32{stable, canary} })
}

// widen takes the engine's key from the selector of a Service, and waits until it is back.
func (s *stage) widen(service string) {
	s.t.Helper()
	s.journal.note("the selector of %s is edited", service)
	s.patchService(service, `{"spec":{"selector":{"pod-template-hash":null}}}`)
	s.until("the selector of "+service+" again", func() bool { return s.pointsTo(service) != "" })
}

// restart replaces all pods, and requires that it did.
func (s *stage) restart() {
	s.t.Helper()
	before := s.uids()
	asked := time.Now()
	s.ask("restart")
	s.untilRestarted(asked)
	for _, uid := range s.uids() {
		require.NotContains(s.t, before, uid)
	}
}

// untilRestarted waits until a restart that was asked for at a time is done.
func (s *stage) untilRestarted(asked time.Time) {
	s.t.Helper()
	s.await("restarted", func(r *v1alpha1.Rollout) bool {
		return r.Status.Restart != nil && r.Status.Restart.Done && !r.Status.Restart.At.Time.Before(asked.Truncate(time.Second))
	})
}
