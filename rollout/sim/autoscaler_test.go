package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout"
)

func wirings() map[string]rollout.Wiring {
	return map[string]rollout.Wiring{
		"routes":    {Mode: rollout.ByRoutes, Stable: serviceNames[stable], Canary: serviceNames[canary]},
		"ping-pong": {Mode: rollout.ByRoutes, Stable: serviceNames[stable], Canary: serviceNames[canary], Alternate: true},
		"pods":      {Mode: rollout.ByPods},
		"selector":  {Mode: rollout.BySelector, Stable: serviceNames[active], Canary: serviceNames[preview]},
	}
}

// released runs a whole release of an application whose autoscaler looks at it every second, and returns every number of
// replicas that was ever asked for. The load changes in the middle.
func released(t *testing.T, w rollout.Wiring, dynamic bool, a Autoscaler, later float64) []int {
	steps := []rollout.Step{{Kind: rollout.SetWeight, Weight: 20}, {Kind: rollout.Pause, Duration: time.Minute}, {Kind: rollout.SetWeight, Weight: 60}, {Kind: rollout.Pause, Duration: time.Minute}}
	if w.Mode == rollout.BySelector {
		steps = []rollout.Step{{Kind: rollout.Pause, Duration: time.Minute}}
	}
	c := New(Settings{Installed: true, Routes: 1, Guards: AllGuards(), Spec: rollout.Spec{
		Target: "v1", Replicas: 10, MaxSurge: 3, MaxUnavailable: 0, Wiring: w, Steps: steps, DynamicStable: dynamic,
		Settle: time.Second, Drain: 2 * time.Second, ProgressDeadline: 5 * time.Minute, ScaleDownDelay: 20 * time.Second,
	}})
	c.SetQuality("v2", Quality{Startup: 3 * time.Second})
	c.Edit(func(s *rollout.Spec) { s.Target = "v2" })
	var asked []int
	for second := range 400 {
		if second == 40 {
			a.Load = later
		}
		if n := a.Scale(c); len(asked) == 0 || asked[len(asked)-1] != n {
			asked = append(asked, n)
		}
		c.Run(time.Second, func() bool { return false })
	}
	require.Empty(t, c.Violations())
	require.Equal(t, rollout.Revision("v2"), c.Status().Stable, c.Report().Message)
	return asked
}

func TestAnAutoscalerNeitherOscillatesNorDoublesDuringARelease(t *testing.T) {
	for name, w := range wirings() {
		for _, external := range []bool{true, false} {
			for _, dynamic := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, external %t, dynamicStableScale %t", name, external, dynamic), func(t *testing.T) {
					a := Autoscaler{External: external, Load: 9.8, Idle: 0.005}
					require.Equal(t, []int{10}, released(t, w, dynamic, a, 9.8), "the load never changes")
					require.Equal(t, []int{10, 20}, released(t, w, dynamic, a, 19.6), "the load doubles in the middle")
					require.Equal(t, []int{10, 5}, released(t, w, dynamic, a, 4.9), "the load halves in the middle")
				})
			}
		}
	}
}
