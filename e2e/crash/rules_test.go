//go:build integration

package crash

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// halfWayThrough is the middle of a release of v2 with two replicas that has been so for long.
func halfWayThrough() world {
	return world{
		at: time.Unix(1000, 0), replicas: 2, stable: "v1", runs: 2, routed: true,
		release:   &v1alpha1.Release{Revision: "v2", Phase: "Stepping"},
		sets:      map[string]set{"v1": {asked: 2, available: 2}, "v2": {asked: 1, available: 1}},
		points:    map[string]string{"stable": "v1", "canary": "v2"},
		endpoints: map[string]map[string]int{"stable": {"v1": 2}, "canary": {"v2": 1}},
		shares:    map[string]int{"stable": 50, "canary": 50},
	}
}

// with is a world after a change, at a time after the one before.
func (w world) with(later time.Duration, change func(*world)) world {
	w.at = w.at.Add(later)
	w.sets, w.points, w.shares = maps.Clone(w.sets), maps.Clone(w.points), maps.Clone(w.shares)
	w.endpoints = maps.Clone(w.endpoints)
	change(&w)
	return w
}

func TestSafetyNoticesWhatMustNeverBe(t *testing.T) {
	t.Parallel()
	long, soon := time.Minute, settle+drain-time.Millisecond
	same := func(*world) {}
	ready := func(w *world) {
		w.sets["v2"], w.endpoints["canary"] = set{asked: 2, available: 2}, map[string]int{"v2": 2}
	}
	all := func(w *world) { w.shares["stable"], w.shares["canary"] = 0, 100 }
	none := func(w *world) { w.shares["stable"], w.shares["canary"] = 100, 0 }
	cases := map[string]struct {
		// past are the changes that led to the write, each as long after the one before as after says; then comes the write.
		past  []func(*world)
		after time.Duration
		write func(*world)
		wrong string
	}{
		"enough pods for all traffic":         {[]func(*world){ready}, long, all, ""},
		"too few pods for all traffic":        {nil, long, all, "gets 100% with 1 of 2 ready endpoints"},
		"one pod for all traffic of stable":   {[]func(*world){func(w *world) { w.endpoints["stable"] = map[string]int{"v1": 1} }}, long, none, ""},
		"no pod for all traffic of stable":    {[]func(*world){func(w *world) { w.endpoints["stable"] = nil }}, long, none, "gets 100% with 0 of 1"},
		"traffic for what was just pointed":   {[]func(*world){none, func(w *world) { w.points["canary"] = "v3"; w.endpoints["canary"] = map[string]int{"v3": 2} }}, time.Second, all, "after it was pointed at revision v3"},
		"a Service with traffic moves":        {nil, long, func(w *world) { w.points["canary"] = "v1" }, "pointed from revision v2 to v1; it has had 50%"},
		"a drained Service moves":             {[]func(*world){none, same}, long, func(w *world) { w.points["canary"] = "v1" }, ""},
		"a Service moves before it drained":   {[]func(*world){none}, soon, func(w *world) { w.points["canary"] = "v1" }, "it has had 50%"},
		"pods with traffic go":                {nil, long, func(w *world) { w.sets["v2"] = set{} }, "revision v2 goes from 1 to 0 pods"},
		"pods that drained go":                {[]func(*world){none, same}, long, func(w *world) { delete(w.sets, "v2") }, ""},
		"pods go before they drained":         {[]func(*world){none}, soon, func(w *world) { delete(w.sets, "v2") }, "it has had 50%"},
		"a release makes its revision stable": {[]func(*world){func(w *world) { w.release = &v1alpha1.Release{Revision: "v2", Phase: "Promoting"} }}, long, func(w *world) { w.stable = "v2" }, ""},
		"half a release makes it stable":      {nil, long, func(w *world) { w.stable = "v2" }, "revision v2 becomes stable from a release of revision v2 in phase Stepping"},
		"a run is forgotten":                  {nil, long, func(w *world) { w.runs = 1 }, "run 2 becomes run 1"},
		"a switch to enough pods": {[]func(*world){ready, func(w *world) { w.active, w.shares = "stable", map[string]int{"stable": 100} }}, long,
			func(w *world) { w.points["stable"] = "v2" }, ""},
		"a switch to too few pods": {[]func(*world){func(w *world) { w.active, w.shares = "stable", map[string]int{"stable": 100} }}, long,
			func(w *world) { w.points["stable"] = "v2" }, "of which 1 of 2 pods are available"},
		"too many pods by replica count": {[]func(*world){func(w *world) { w.routed, w.shares = false, nil }}, long,
			func(w *world) { w.sets["v2"] = set{asked: 2, available: 1} }, "4 pods are asked for, more than 3"},
		"too few pods by replica count": {[]func(*world){func(w *world) { w.routed, w.shares = false, nil }}, long,
			func(w *world) { w.sets["v1"] = set{asked: 0, available: 2} }, "1 of 3 available pods remain, less than 2"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			past := []world{halfWayThrough()}
			for i, change := range c.past {
				later := long
				if i > 0 {
					later = c.after
				}
				past = append(past, past[len(past)-1].with(later, change))
			}
			after := past[len(past)-1].with(c.after, c.write)
			wrong := judge(past, after)
			if c.wrong == "" {
				require.Empty(t, wrong)
				return
			}
			require.Contains(t, wrong, c.wrong)
		})
	}
}
