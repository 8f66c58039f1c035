package sim

import (
	"encoding/binary"
	"hash/fnv"
	"slices"
	"time"

	"github.com/rollout-dev/rollout/rollout"
)

// encoder writes down what a state is, so that two states with the same text behave the same:
//
//   - A time is how long ago it was, or how long it takes until then. What was longer ago than anybody waits after it is long
//     ago. Where two times are compared with each other it is written down which of them is the later one.
//   - Versions matter only in that two are the same, runs only in how they lie to each other, and a request only until it
//     is answered.
//   - Left out is what only people are told: when a release started, how often a metric passed, and times within sentences.
//     Sentences themselves are kept, because a new one makes a status worth writing.
//   - Left out is, too, what doesn't change in a search: most of the spec, and what revisions are like.
//
// What is compared is a hash of 64 bits. That any two of ten million states have the same one has a chance of one in three
// hundred thousand, and then a state is overlooked.
type encoder struct {
	buffer []byte
	// now is the true time, clock what the leader takes for it, and runs those of the status in force.
	now, clock time.Time
	runs       int64
	// wait is the longest time that anybody waits after the split has changed, turn after a Service was pointed elsewhere,
	// dwell after a step began, and stay after a release was taken back.
	wait, turn, dwell, stay time.Duration
	settle, drain           time.Duration
	// due is how far back it matters since when something has been due: only where a clock may go back.
	due time.Duration
}

func newEncoder(s Settings) *encoder {
	e := &encoder{settle: s.Spec.Settle, drain: s.drain(), stay: s.Spec.AbortScaleDownDelay}
	e.turn = max(s.Spec.Settle+s.Spec.Drain, s.Spec.ScaleDownDelay)
	e.wait = max(e.turn, s.Spec.ProgressDeadline)
	judged := len(s.Spec.PostMetrics) > 0
	for _, step := range s.Spec.Steps {
		e.dwell = max(e.dwell, step.Duration)
		judged = judged || len(step.Metrics) > 0
	}
	if judged {
		e.dwell = max(e.dwell, s.Spec.ProgressDeadline)
	}
	if s.Instant {
		// Only then do clocks jump, and back.
		for _, longest := range []*time.Duration{&e.wait, &e.turn, &e.dwell, &e.stay, &e.settle, &e.due} {
			*longest += 2 * jump
		}
	}
	return e
}

// hash of a state, whatever may still happen to it. It is never zero.
func (e *encoder) hash(s *state) uint64 {
	e.state(s)
	h := fnv.New64a()
	_, _ = h.Write(e.buffer) // a hash always takes what it is given
	return max(h.Sum64(), 1)
}

func (e *encoder) state(s *state) {
	p := s.leader()
	e.buffer, e.now, e.clock, e.runs = e.buffer[:0], s.now, p.now(s.Cluster), s.Status().Runs
	e.number(int(s.stalled))
	e.number(int(s.late))
	e.number(int(p.offset / time.Second))
	e.store(s)
	e.pods(s)
	e.dataPlane(s.data)
	e.evidence(s.evidence)
	e.mind(p)
	for _, p := range s.processes {
		e.pass(p)
	}
}

func (e *encoder) number(n int) { e.buffer = binary.AppendVarint(e.buffer, int64(n)) }

func (e *encoder) flag(is bool) {
	if is {
		e.buffer = append(e.buffer, 1)
		return
	}
	e.buffer = append(e.buffer, 0)
}

func (e *encoder) text(s string) {
	e.number(len(s))
	e.buffer = append(e.buffer, s...)
}

// end of a list.
func (e *encoder) end() { e.number(-1) }

// age is how long ago something was by a clock, up to the longest time that matters; negative if it is to come.
func (e *encoder) age(t, clock time.Time, longest time.Duration) {
	if t.IsZero() {
		e.number(-1 << 48)
		return
	}
	e.number(int(min(clock.Sub(t), longest) / time.Microsecond))
}

// store is what the API server has, and as much of what it had as somebody can still see.
func (e *encoder) store(s *state) {
	head := s.store.head()
	for k := range kinds {
		e.number(head[k])
		e.flag(s.known[k] < head[k])
	}
	e.rollouts(s.store.rollouts)
	for i, sets := range s.store.sets {
		for _, set := range sets {
			e.workload(set.Workload)
			before := find(s.store.sets[max(i-1, 0)], set.Revision)
			e.flag(before != nil && before.version == set.version)
		}
		e.end()
	}
	for i, services := range s.store.services {
		for b, service := range services {
			e.flag(service.missing)
			e.text(service.revision)
			e.flag(s.store.services[max(i-1, 0)][b].version == service.version)
		}
	}
	for _, backends := range s.store.slices {
		for _, ready := range backends {
			e.endpoints(ready)
		}
	}
	for i, routes := range s.store.routes {
		for j, r := range routes {
			e.flag(r.missing)
			e.number(r.share)
			e.text(r.rules)
			e.number(r.ruled)
			e.flag(r.accepted == r.generation)
			e.flag(s.store.routes[max(i-1, 0)][j].version == r.version)
		}
	}
}

func (e *encoder) workload(w rollout.Workload) {
	e.text(w.Revision)
	e.number(int(w.Number))
	e.number(w.Replicas)
	e.number(w.Ready)
	e.number(w.Available)
	e.text(w.Look)
}

func (e *encoder) endpoints(ready map[rollout.Revision]int) {
	var few [4]rollout.Revision
	revisions := few[:0]
	for revision := range ready {
		revisions = append(revisions, revision)
	}
	slices.Sort(revisions)
	for _, revision := range revisions {
		e.text(revision)
		e.number(ready[revision])
	}
	e.end()
}

// pods are as far from being ready, and from being known to gateways, as they are. When they were made matters while pods
// are being replaced.
func (e *encoder) pods(s *state) {
	sets, restart := s.store.sets.last(), s.Status().Restart
	for _, set := range s.pods {
		e.text(set.revision)
		of := find(sets, set.revision)
		e.flag(of != nil && of.uid == set.uid)
		for _, p := range set.pods {
			// The last that was ready is the first to go, and another one may be ready this moment.
			e.age(p.ready, e.now, s.settings.MinReady+time.Microsecond)
			earlier := 0
			for _, other := range set.pods {
				if other.ready.Before(p.ready) {
					earlier++
				}
			}
			e.number(earlier)
			for _, listed := range p.listed {
				e.age(listed, e.now, e.settle)
			}
			if !restart.At.IsZero() && !restart.Done {
				e.age(p.created, e.now, never)
			}
		}
		e.end()
	}
	e.end()
}

// dataPlane is what gateways may be doing, or have been doing within the drain time.
func (e *encoder) dataPlane(d dataPlane) {
	for _, shares := range d.shares {
		for _, p := range shares {
			if !e.over(p.until) {
				e.number(p.share)
				e.number(p.ruled)
				e.flag(p.gone)
				e.age(p.until, e.now, never)
			}
		}
		e.end()
	}
	for _, pointers := range d.pointers {
		for _, p := range pointers {
			if !e.over(p.until) {
				e.text(p.revision)
				e.age(p.until, e.now, never)
			}
		}
		e.end()
	}
}

// over says whether something ended longer ago than requests take.
func (e *encoder) over(until time.Time) bool {
	return !until.IsZero() && !until.Add(e.drain).After(e.now)
}

// evidence is what speaks for the run under way; see evidence.forget.
func (e *encoder) evidence(ev evidence) {
	var facts []string
	fact := func(at place, name string) {
		facts = append(facts, string([]byte{byte(at.run - e.runs), byte(at.step)})+name)
	}
	for run, names := range ev.passed {
		for _, name := range names {
			fact(place{run: run, step: -1}, name)
		}
	}
	for run := range ev.approved {
		fact(place{run: run, step: -1}, "")
	}
	for at, names := range ev.stepPassed {
		for _, name := range names {
			fact(at, name)
		}
	}
	for at := range ev.stepApproved {
		fact(at, "")
	}
	slices.Sort(facts)
	for _, f := range facts {
		e.text(f)
	}
	e.end()
}

// mind is what a controller has in mind between two passes.
func (e *encoder) mind(p *process) {
	for k := range kinds {
		e.number(p.view[k])
		e.number(max(p.own[k]-p.view[k], 0))
	}
	e.flag(p.fresh)
	e.age(p.wake, e.clock, e.due)
	for _, m := range p.results {
		e.number(int(m.Run - e.runs))
		e.number(m.Step)
		e.text(m.Metric)
		e.text(string(m.Verdict))
		e.age(m.At, e.clock, never)
	}
	e.end()
	if p.measure == nil {
		return
	}
	e.number(int(p.measure.Run - e.runs))
	e.number(p.measure.Step)
	for _, metric := range p.measure.Metrics {
		e.text(metric.Name)
		e.age(p.due(metric), e.clock, e.due)
	}
}

// pass is a plan on its way. What it was made of is still in the store; see state.forget.
func (e *encoder) pass(p *process) {
	if p.pass == nil {
		e.end()
		return
	}
	for k := range kinds {
		e.number(p.pass.read[k])
	}
	e.age(p.pass.began, e.now, e.settle)
	for _, w := range p.pass.writes {
		e.number(w.route)
		if w.action != nil {
			e.sentence(w.action.String())
		}
	}
	e.end()
	e.status(p.pass.plan.Status)
	e.report(p.pass.plan.Report)
}
