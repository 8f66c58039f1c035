package sim

import (
	"time"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
)

// rollouts are all versions of the Rollout that somebody can still see.
func (e *encoder) rollouts(all log[object]) {
	for i, o := range all {
		e.flag(o.deleted)
		e.flag(o.invalid)
		e.spec(o.spec)
		e.status(o.status)
		e.report(o.report)
		e.request(o.request, o.status.Answer)
		before := all[max(i-1, 0)]
		e.flag(o.request == before.request)
		e.flag(o.status.Answer.ID == before.status.Answer.ID)
	}
	e.end()
}

// spec is what people change of it within a search. Steps only change with the wiring.
func (e *encoder) spec(s rollout.Spec) {
	e.text(s.Target)
	e.number(s.Replicas)
	e.flag(s.Paused)
	e.wiring(s.Wiring)
}

func (e *encoder) wiring(w rollout.Wiring) {
	e.text(string(w.Mode))
	e.text(w.Stable)
	e.text(w.Canary)
	e.flag(w.Alternate)
	e.text(w.SubsetsOf)
}

func (e *encoder) request(r *rollout.Request, answer rollout.Answer) {
	if r == nil || r.ID == answer.ID {
		e.end()
		return
	}
	e.text(string(r.Verb))
	e.text(r.Revision)
	e.number(r.Step)
}

func (e *encoder) status(s rollout.Status) {
	e.text(s.Stable)
	e.number(int(s.Runs - e.runs))
	e.wiring(s.Wiring)
	e.flag(s.Swapped)
	e.flag(s.Held)
	e.text(s.UndoTo)
	for _, former := range s.Former {
		e.text(former)
	}
	e.end()
	e.restart(s.Restart)
	e.ledger(s.Ledger, s.Release != nil)
	if s.Release == nil {
		e.end()
		return
	}
	e.release(*s.Release, s.Ledger.Since)
}

func (e *encoder) restart(r rollout.Restarting) {
	e.flag(r.Done)
	if r.At.IsZero() || r.Done {
		return
	}
	e.flag(r.All)
	e.age(r.At, e.clock, e.due)
	e.until(r.Until)
	e.number(r.Left)
	e.age(r.Progress, e.clock, e.wait)
}

// until is which pods a restart replaces. One that is created at the very time that it ends with is among them.
func (e *encoder) until(t time.Time) {
	e.flag(t.IsZero())
	e.flag(t.Equal(e.now))
	for _, created := range e.created {
		e.flag(!created.After(t))
	}
}

// ledger: a release may wait long after the split has changed; without one, and so after it, handing over may, after the last
// change of all.
func (e *encoder) ledger(l rollout.Ledger, releasing bool) {
	e.number(l.Low)
	e.number(l.High)
	e.flag(l.Accepted)
	e.text(l.Rules)
	e.flag(l.Astray)
	last := l.Since
	for _, p := range []rollout.Pointer{l.Stable, l.Canary} {
		e.text(p.Revision)
		e.age(p.Since, e.clock, e.turn)
		if p.Since.After(last) {
			last = p.Since
		}
	}
	e.age(last, e.clock, e.wait)
	if releasing {
		e.age(l.Since, e.clock, e.wait)
		return
	}
	e.age(l.Since, e.clock, e.turn)
}

// release, with since when the split is what it is.
func (e *encoder) release(r rollout.Release, split time.Time) {
	e.number(int(r.Run - e.runs))
	e.text(r.Revision)
	e.text(string(r.Phase))
	e.number(r.Step)
	e.age(r.StepStarted, e.clock, e.dwell)
	e.flag(r.StepStarted.After(split))
	e.age(r.Deadline, e.clock, e.due)
	e.number(r.ReadyHighWater)
	e.number(r.WeightHighWater)
	for _, c := range []rollout.Capacity{r.Capacity, r.StableCapacity} {
		e.number(c.Endpoints)
		e.age(c.Since, e.clock, e.settle)
	}
	e.flag(r.ExposedAt.IsZero())
	e.flag(r.Approved)
	e.text(string(r.Cause))
	e.sentence(r.CauseMessage)
	e.age(r.AbortedAt, e.clock, e.stay)
	for _, m := range r.Metrics {
		e.record(m, split, r.StepStarted)
	}
	e.end()
	for _, g := range r.Gates {
		e.text(g.Name)
		e.text(string(g.Verdict))
		e.flag(g.Waived)
		e.age(g.Since, e.clock, e.wait)
		e.age(g.At, e.clock, e.wait)
	}
	e.end()
}

// record is what was measured, and whether that was after the split changed, after it had settled, and after the step began.
// Nobody in a search limits anything but failures, or wants several measurements, so the other counts decide nothing.
func (e *encoder) record(m analysis.Record, split, began time.Time) {
	e.text(m.Metric)
	e.text(string(m.Verdict))
	e.number(m.Failures)
	e.age(m.At, e.clock, e.wait)
	e.flag(m.At.Before(split))
	e.flag(m.At.Before(split.Add(e.settle)))
	e.flag(m.At.Before(began))
}

func (e *encoder) report(r rollout.Report) {
	e.text(string(r.State))
	e.text(r.Reason)
	e.sentence(r.Message)
	e.flag(r.Stalled)
	e.text(r.StalledReason)
	e.sentence(r.StalledMessage)
	e.flag(r.Available)
}

// sentence is a text without the times of day in it.
func (e *encoder) sentence(s string) {
	for len(s) > 0 {
		i := 0
		for i < len(s) && !digit(s[i]) {
			i++
		}
		e.buffer = append(e.buffer, s[:i]...)
		s = s[i:]
		colons := 0
		for i = 0; i < len(s) && (digit(s[i]) || s[i] == ':'); i++ {
			if s[i] == ':' {
				colons++
			}
		}
		if colons < 2 {
			e.buffer = append(e.buffer, s[:i]...)
		}
		s = s[i:]
	}
	e.end()
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
