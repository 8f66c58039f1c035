package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPodsByWeightComeClosestToTheWeight(t *testing.T) {
	for _, c := range []struct{ weight, replicas, surge, canary, stable int }{
		{0, 4, 1, 0, 4},
		{25, 4, 1, 1, 3},
		{50, 4, 1, 2, 2},
		{100, 4, 1, 4, 0},
		{10, 10, 0, 1, 9},
		{14, 10, 0, 1, 9},
		{15, 10, 0, 2, 8},
		// Some traffic is never no pod, and not all of it never all of them.
		{1, 4, 0, 1, 3},
		{99, 4, 0, 3, 1},
		// One pod more comes closer, where the surge allows it.
		{50, 3, 1, 2, 2},
		{50, 3, 0, 2, 1},
		{20, 4, 1, 1, 4},
		{25, 4, 1, 1, 3},
		{1, 4, 1, 1, 4},
		{99, 4, 1, 4, 1},
		{1, 2, 0, 1, 1},
		{99, 2, 0, 1, 1},
		// A single replica is accompanied by a second one, if that is allowed.
		{1, 1, 1, 1, 1},
		{99, 1, 1, 1, 1},
		{1, 1, 0, 1, 0},
		{0, 1, 1, 0, 1},
		{50, 0, 1, 0, 0},
	} {
		canary, stable := podsByWeight(c.weight, c.replicas, c.surge)
		require.Equal(t, []int{c.canary, c.stable}, []int{canary, stable}, "weight %d of %d replicas, surge %d", c.weight, c.replicas, c.surge)
	}
}

func TestPodsByWeightForEveryWeight(t *testing.T) {
	for replicas := range 40 {
		for surge := range 2 {
			before := 0
			for weight := range 101 {
				canary, stable := podsByWeight(weight, replicas, surge)
				message := []any{"weight %d of %d replicas, surge %d", weight, replicas, surge}
				require.LessOrEqual(t, canary+stable, replicas+surge, message...)
				require.GreaterOrEqual(t, canary+stable, replicas, message...)
				require.GreaterOrEqual(t, canary, before, message...)
				if replicas > 0 && weight > 0 {
					require.Positive(t, canary, message...)
				}
				if replicas > 1 && weight < 100 {
					require.Positive(t, stable, message...)
				}
				before = canary
			}
		}
	}
}

func TestPodsForAShareAreNeverTooFew(t *testing.T) {
	for replicas := range 200 {
		for percent := range 101 {
			pods := podsFor(percent, replicas)
			require.GreaterOrEqual(t, pods*100, percent*replicas)
			require.Less(t, (pods-1)*100, max(percent*replicas, 1))
		}
	}
}

// Whatever there is, one roll after the other ends where it should, and none leaves the bounds.
func TestRollsEndWithinBounds(t *testing.T) {
	for replicas := 1; replicas < 7; replicas++ {
		for surge := range 3 {
			for unavailable := range 3 {
				for there := range 9 {
					if surge+unavailable > 0 {
						rollUntilDone(t, Spec{Wiring: Wiring{Mode: ByPods}, Replicas: replicas, MaxSurge: surge, MaxUnavailable: unavailable}, there)
					}
				}
			}
		}
	}
}

// rollUntilDone replaces the pods of revision a by those of b; pods become available as soon as they are asked for.
func rollUntilDone(t *testing.T, spec Spec, there int) {
	o := Observed{Spec: spec, Workloads: []Workload{{Revision: "a", Replicas: there, Available: there}, {Revision: "b"}}}
	for range 100 {
		d := byPods{&decision{o: o}}
		if d.roll(map[Revision]int{"b": spec.Replicas}, "") {
			return
		}
		plan := Plan{Actions: append(d.plan.Actions, d.shrink...)}
		require.NoError(t, SurgeStaysInBounds(o, plan), "%+v from %d", spec, there)
		require.NotEmpty(t, plan.Actions, "%+v from %d is stuck at %+v", spec, there, o.Workloads)
		before := Moment{Workloads: append([]Workload(nil), o.Workloads...)}
		for _, action := range plan.Actions {
			scale := action.(Scale)
			for i := range o.Workloads {
				if w := &o.Workloads[i]; w.Revision == scale.Revision {
					w.Replicas, w.Available = scale.Replicas, scale.Replicas
				}
			}
			after := Moment{Workloads: append([]Workload(nil), o.Workloads...)}
			require.NoError(t, AvailabilityStaysInBounds(Write{Before: before, After: after, Action: action, Decided: o}), "%+v from %d", spec, there)
			before = after
		}
	}
	require.Fail(t, "it never ends", "%+v from %d", spec, there)
}

func TestAnApplicationScaledToZeroIsInstalledAllTheSame(t *testing.T) {
	o := Observed{Now: time.Unix(1000, 0), Spec: Spec{Target: "v1", Wiring: Wiring{Mode: ByPods}, MaxSurge: 1, ProgressDeadline: time.Minute}}
	for range 4 {
		plan := Decide(o)
		o.Status = plan.Status
		for _, action := range plan.Actions {
			if created, ok := action.(CreateWorkload); ok {
				o.Workloads = append(o.Workloads, Workload{Revision: created.Revision, Number: created.Number, Replicas: created.Replicas})
			}
		}
	}
	require.Equal(t, "v1", o.Status.Stable)
	require.Len(t, o.Workloads, 1)
}
