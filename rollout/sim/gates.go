package sim

import (
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
)

// Reply is what a gate answers. The empty one lets a release go on.
type Reply string

// The replies.
const (
	// Waits: not yet.
	Waits Reply = "waits"
	// Refuses: no, or where it is asked for a rollback: take it back.
	Refuses Reply = "refuses"
	// Unreachable: it can't be asked.
	Unreachable Reply = "unreachable"
)

// SetReply changes what a gate answers.
func (c *Cluster) SetReply(gate string, r Reply) {
	if c.replies == nil {
		c.replies = map[string]Reply{}
	}
	c.replies[gate] = r
}

// reply is what a gate says, and that it does.
func (c *Cluster) reply(measure *rollout.Measure, metric analysis.Metric) analysis.Measurement {
	_, name, _ := strings.Cut(metric.Name, "/")
	var e analysis.Evidence
	switch r := c.replies[name]; {
	case r == Unreachable, c.outage == Down:
		e.Err = errors.New("the gate is down")
	case metric.Repeated && r == Refuses:
		e.Sample = analysis.Permit(analysis.Pass, "too many complaints")
	case metric.Repeated, r == Waits, c.outage == Silent:
		e.Sample = analysis.Permit(analysis.Inconclusive, "")
	case r == Refuses:
		e.Sample = analysis.Permit(analysis.Fail, "not on a Friday")
	default:
		e.Sample = analysis.Permit(analysis.Pass, "")
	}
	m := analysis.Measurement{Run: measure.Run, Step: measure.Step, Metric: metric.Name, Judgement: analysis.Judge(metric, e)}
	c.say("gate", "%s of run %d at step %d: %s %s", name, m.Run, m.Step+1, m.Verdict, m.Message)
	return m
}

// gatekeepers are the gates of a history. They draw from numbers of their own, so that a history without gates is as it was
// before there were any.
type gatekeepers struct{ *rand.Rand }

// draw says who is asked in a history; nobody in most.
func (g gatekeepers) draw() []rollout.Gate {
	occasions := []rollout.Occasion{rollout.BeforeRelease, rollout.BeforeTraffic, rollout.BeforeIncrease, rollout.AfterStep,
		rollout.BeforePromotion, rollout.AfterPromotion, rollout.Rollback, rollout.AfterAbort}
	defaults := []rollout.Default{rollout.Hold, rollout.Continue, rollout.GiveUp}
	if g.IntN(3) > 0 {
		return nil
	}
	var gates []rollout.Gate
	for _, i := range g.Perm(len(occasions))[:1+g.IntN(3)] {
		gates = append(gates, rollout.Gate{Name: strings.ToLower(string(occasions[i])), At: occasions[i], Interval: 2 * time.Second,
			Deadline: time.Duration(5+g.IntN(60)) * time.Second, OnDeadline: defaults[g.IntN(len(defaults))]})
	}
	return gates
}

// confirmed says whether a gate let a release go on.
func confirmed(before, after *rollout.Release) bool {
	count := func(r *rollout.Release) (n int) {
		if r != nil {
			for _, g := range r.Gates {
				if g.Verdict == analysis.Pass {
					n++
				}
			}
		}
		return n
	}
	return count(after) > count(before)
}

// change lets one of them answer something else now and then.
func (g gatekeepers) change(h *history) {
	gates := h.settings.Spec.Gates
	if len(gates) == 0 || g.IntN(15) > 0 {
		return
	}
	gate, replies := gates[g.IntN(len(gates))], []Reply{"", "", Waits, Waits, Refuses, Unreachable}
	h.SetReply(gate.Name, replies[g.IntN(len(replies))])
	h.say("gate", "%s now says %q", gate.Name, h.replies[gate.Name])
}
