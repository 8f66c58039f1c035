package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/rollout-dev/rollout/rollout"
)

// Options say how histories are run.
type Options struct {
	Guards Guards
	// TwoLeaders: in some histories two controllers are at work at the same time for a while, as around a lease that
	// changes hands. Otherwise they only take turns.
	TwoLeaders bool
	// Alone: nobody else touches what the engine works with, and pods don't crash.
	Alone bool
	// Steps is the number of random things that happen until the faults stop.
	Steps int
	// Decide is what decides, rollout.Decide if nil.
	Decide func(rollout.Observed) rollout.Plan
	// Trace is told everything that happens; nil for nobody.
	Trace Trace
}

// DefaultOptions are those of the real controller, and of histories that are long enough for several releases.
func DefaultOptions() Options {
	return Options{Guards: AllGuards(), TwoLeaders: true, Steps: 300}
}

// Result is what came of a history.
type Result struct {
	Seed       uint64
	Violations []Violation
	// Seen counts what happened, by name, so that a test can see that histories are worth their time.
	Seen map[string]int
}

// String names the first violation.
func (r Result) String() string {
	if len(r.Violations) == 0 {
		return fmt.Sprintf("seed %d: nothing violated", r.Seed)
	}
	return fmt.Sprintf("seed %d: %s: %v", r.Seed, r.Violations[0].Invariant, r.Violations[0].Err)
}

// history is one history in the making.
type history struct {
	*Cluster
	random   *rand.Rand
	gates    gatekeepers
	analysts analysts
	// jumps: clocks jump; overlap: two controllers may lead at the same time; alone: nobody meddles; rewires: the user may
	// want something else to carry the traffic.
	jumps, overlap, alone, rewires bool
	// next numbers revisions and requests.
	revisions, requests int
}

// History runs the history of a seed, up to its first violation.
func History(seed uint64, o Options) Result {
	h := newHistory(seed, o)
	for range o.Steps {
		h.step()
		if len(h.violations) > 0 {
			return h.result(seed)
		}
	}
	h.rest()
	return h.result(seed)
}

func (h *history) result(seed uint64) Result {
	return Result{Seed: seed, Violations: h.violations, Seen: h.seen()}
}

// seen counts the transitions of the status, and what became of releases by which outcome of the analysis.
func (h *history) seen() map[string]int {
	seen := map[string]int{}
	for i, o := range h.store.rollouts[1:] {
		for _, cell := range cells(h.store.rollouts[i], o) {
			seen[cell]++
		}
		before, after := h.store.rollouts[i].status, o.status
		for what, is := range map[string]bool{
			"promoted":  before.Stable != after.Stable,
			"restarted": !before.Restart.Done && after.Restart.Done,
			"rewired":   before.Wiring.Mode != "" && before.Wiring != after.Wiring,
			"swapped":   before.Swapped != after.Swapped,
			"went back": before.Runs != after.Runs && after.Release != nil && after.Release.Phase == rollout.Promoting,
			"judged":    judged(before.Release, after.Release, o.spec.Steps),
			"confirmed": confirmed(before.Release, after.Release),
		} {
			if is {
				seen[what]++
			}
		}
		if before.Answer.ID != after.Answer.ID && after.Answer.Accepted {
			seen["accepted "+string(after.Answer.Verb)]++
		}
		if phase := entered(before.Release, after.Release); phase != "" {
			seen[phase]++
		}
	}
	return seen
}

// entered is the phase that a release has come to, empty if it is where it was.
func entered(before, after *rollout.Release) string {
	switch {
	case after == nil || before != nil && after.Run == before.Run && after.Phase == before.Phase:
		return ""
	case after.Phase == rollout.Aborting:
		return "aborted by " + string(after.Cause)
	}
	return string(after.Phase)
}

// judged says whether a step that waits for a verdict was passed.
func judged(before, after *rollout.Release, steps []rollout.Step) bool {
	return before != nil && after != nil && before.Run == after.Run && before.Step < after.Step && before.Step < len(steps) &&
		steps[before.Step].Kind == rollout.Judge
}

// Explain runs the history of a seed once more and returns its last lines.
func Explain(seed uint64, o Options, lines int) string {
	var all []string
	o.Trace = func(after time.Duration, who, what string) {
		all = append(all, fmt.Sprintf("%9.3fs  %-8s %s", after.Seconds(), who, what))
	}
	History(seed, o)
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func newHistory(seed uint64, o Options) *history {
	random := rand.New(rand.NewPCG(seed, 0))
	h := &history{random: random, gates: gatekeepers{rand.New(rand.NewPCG(seed, 1))}, analysts: analysts{rand.New(rand.NewPCG(seed, 2))}}
	s := h.drawSettings()
	s.Spec.Gates = h.gates.draw()
	s.Guards, s.Decide, s.Trace = o.Guards, o.Decide, o.Trace
	h.jumps = h.oneIn(8)
	s.Instant = h.jumps
	// Where no router splits the traffic controllers only take turns; see the package comment.
	h.rewires = s.Spec.Wiring.Mode != rollout.ByPods && h.oneIn(3) || h.oneIn(4)
	h.overlap, h.alone = o.TwoLeaders && s.Spec.Wiring.Mode != rollout.ByPods && !h.rewires && h.oneIn(2), o.Alone
	h.Cluster = New(s)
	h.say("history", "seed %d: %s", seed, describe(s))
	return h
}

func describe(s Settings) string {
	spec := s.Spec
	// What is pointed to is written apart, or its address would be in the transcript.
	spec.Metrics, spec.PostMetrics, spec.Steps, spec.Affinity = nil, nil, nil, nil
	return fmt.Sprintf("%d routes, installed %t, instant %t, steps %s, %d and %d metrics, affinity %+v, %+v",
		s.Routes, s.Installed, s.Instant, plan(s.Spec.Steps), len(s.Spec.Metrics), len(s.Spec.PostMetrics), s.Spec.Affinity, spec)
}

// plan writes steps as the golden transcripts do.
func plan(steps []rollout.Step) string {
	var words []string
	for _, s := range steps {
		switch s.Kind {
		case rollout.SetWeight:
			words = append(words, fmt.Sprintf("%d%%", s.Weight))
		case rollout.Pause:
			words = append(words, fmt.Sprintf("pause:%s", s.Duration))
		case rollout.SetScale:
			words = append(words, fmt.Sprintf("pods:%d", s.Pods))
		case rollout.Judge:
			words = append(words, "judge:"+s.Metrics[0].Name)
		case rollout.SetRule:
			words = append(words, fmt.Sprintf("rule:%s:%t", s.Rule.Name, !s.Remove))
		}
	}
	return strings.Join(words, ",")
}

func (h *history) oneIn(n int) bool { return h.random.IntN(n) == 0 }

// step lets some time pass and one thing happen.
func (h *history) step() {
	h.now = h.now.Add(h.pause())
	h.gates.change(h)
	switch n := h.random.IntN(100); {
	case n < 45:
		h.controllerStep()
	case n < 65:
		h.deliver()
	case n < 85:
		h.environmentStep()
	case n < 90:
		h.person()
	case n < 94:
		h.meddle()
	case n < 97:
		h.fault()
	default:
		h.now = h.now.Add(time.Duration(h.random.IntN(20)) * time.Second)
	}
}

// pause is mostly short: what is interesting happens while something else is under way.
func (h *history) pause() time.Duration {
	if h.oneIn(6) {
		return time.Duration(h.random.IntN(4000)) * time.Millisecond
	}
	return time.Duration(h.random.IntN(300)) * time.Millisecond
}

// controllerStep lets a running controller do its next write, or begin a pass.
func (h *history) controllerStep() {
	p := h.processes[h.random.IntN(len(h.processes))]
	if !p.running || p.frozen.After(h.now) {
		p = h.processes[(slices.Index(h.processes, p)+1)%len(h.processes)]
	}
	switch {
	case !p.running || p.frozen.After(h.now):
	case p.pass != nil && h.oneIn(20) && h.awake() > 1:
		p.frozen = h.now.Add(time.Duration(h.random.IntN(60)) * time.Second)
		h.say(p.name, "is frozen for %s", p.frozen.Sub(h.now))
	case p.pass == nil:
		h.begin(p)
	default:
		h.carryOn(p, h.outcome())
	}
}

// awake is how many controllers are running and not frozen.
func (h *history) awake() int {
	n := 0
	for _, p := range h.processes {
		if p.running && !p.frozen.After(h.now) {
			n++
		}
	}
	return n
}

func (h *history) outcome() outcome {
	switch h.random.IntN(50) {
	case 0:
		return refused
	case 1:
		if !h.alone {
			return lost
		}
	}
	return applied
}

// deliver shows a controller more of what happened, of one kind or of all.
func (h *history) deliver() {
	head := h.store.head()
	for _, p := range h.processes {
		for k := range kinds {
			if h.oneIn(2) {
				p.view[k] += h.random.IntN(head[k] - p.view[k] + 1)
			}
		}
		if h.oneIn(3) {
			p.view = head
		}
	}
}

// busy says whether a plan is being carried out that isn't too old for it.
func (h *history) busy() bool {
	for _, p := range h.processes {
		if p.running && p.pass != nil && !h.expired(p.pass) {
			return true
		}
	}
	return false
}

// environmentStep lets something else in the cluster do its work. What makes pods go on their own is not held against a
// plan that has been decided.
func (h *history) environmentStep() {
	switch n := h.random.IntN(10); {
	case n < 3 && !h.busy():
		h.tickSets()
	case n < 6 && !h.busy():
		h.tickSlices()
	case n < 8:
		for i := range h.store.routes.last() {
			if h.oneIn(2) {
				h.accept(i)
			}
		}
	default:
		for _, p := range h.processes {
			if p.running {
				h.measureDue(p)
			}
		}
	}
}
