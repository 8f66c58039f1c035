package rollout

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/rollout-dev/rollout/analysis"
)

// Occasion is when a gate is asked.
type Occasion string

// The occasions.
const (
	// BeforeRelease: before the revision has any pod.
	BeforeRelease Occasion = "BeforeRelease"
	// BeforeTraffic: its pods are ready, and no user has reached it.
	BeforeTraffic Occasion = "BeforeTraffic"
	// BeforeIncrease: before every larger share, also the first and the last.
	BeforeIncrease Occasion = "BeforeIncrease"
	// AfterStep: the step is done; before the next begins.
	AfterStep Occasion = "AfterStep"
	// BeforePromotion: before the revision gets all traffic.
	BeforePromotion Occasion = "BeforePromotion"
	// AfterPromotion: it has all traffic; before it becomes stable.
	AfterPromotion Occasion = "AfterPromotion"
	// Rollback: at any time. Here a pass takes the release back, and nothing waits.
	Rollback Occasion = "Rollback"
	// AfterAbort: the revision was taken back. Nothing waits.
	AfterAbort Occasion = "AfterAbort"
)

// Default is what becomes of a release when a gate hasn't answered in time.
type Default string

// The defaults.
const (
	// Hold: it waits for the gate, or for a person.
	Hold Default = "Hold"
	// Continue: it goes on without.
	Continue Default = "Continue"
	// GiveUp: it is taken back.
	GiveUp Default = "Abort"
)

// Gate is somebody who is asked whether a release may go on. Nobody is asked before a revision is taken back.
type Gate struct {
	Name string
	At   Occasion
	// Source answers with analysis.Permit.
	Source analysis.Source
	// Timeout of one question, Interval between two of them, Deadline of the answer.
	Timeout, Interval, Deadline time.Duration
	// OnDeadline says what happens without an answer.
	OnDeadline Default
}

// GateRecord is what a gate said at a step.
type GateRecord struct {
	Name string
	// Since is when its answer was first waited for, At when it was last asked.
	Since, At time.Time
	// Verdict is its last answer: pass, fail, inconclusive for not yet, or error. Message is why.
	Verdict analysis.Verdict
	Message string
	// Waived: the release goes on without its answer.
	Waived bool
}

// GateCall is what a gate is told when it is asked.
type GateCall struct {
	Gate     string   `json:"gate"`
	At       Occasion `json:"at"`
	Revision Revision `json:"revision"`
	Stable   Revision `json:"stableRevision"`
	Run      int64    `json:"run"`
	// Step counts from 1; it is one more than there are steps once all of them are done.
	Step int `json:"step"`
	// Weight is what the step gives the revision, or 100 for a promotion.
	Weight int `json:"weight"`
}

// gatePrefix keeps the answers of gates apart from what metrics measure, which have no slash in their names.
const gatePrefix = "gate/"

func (r GateRecord) decided() bool {
	return r.Waived || r.Verdict == analysis.Pass || r.Verdict == analysis.Fail
}

// ask makes sure that the gates of some occasions are asked at this step, each once.
func (d *decision) ask(occasions ...Occasion) {
	release := d.next.Release
	for _, gate := range d.o.Spec.Gates {
		if slices.Contains(occasions, gate.At) && !slices.ContainsFunc(release.Gates, gate.wrote) {
			release.Gates = append(release.Gates, GateRecord{Name: gate.Name, Since: d.o.Now})
		}
	}
}

func (g Gate) wrote(r GateRecord) bool { return r.Name == g.Name }

func (d *decision) gate(name string) (Gate, bool) {
	at := slices.IndexFunc(d.o.Spec.Gates, func(g Gate) bool { return g.Name == name })
	if at < 0 {
		return Gate{}, false
	}
	return d.o.Spec.Gates[at], true
}

// askForRollback asks those who may want the release taken back.
func (d *decision) askForRollback() {
	if !d.unguarded() {
		d.ask(Rollback)
	}
}

// unguarded says whether a person took the responsibility for the rest of the release, as with every way back to a revision
// that has served before.
func (d *decision) unguarded() bool {
	return d.next.Release.Phase == Promoting && d.next.Release.Approved
}

// hearGates notes what gates answered, and what becomes of those that didn't in time.
func (d *decision) hearGates() {
	release := d.next.Release
	if release == nil || d.moved || d.unguarded() {
		return
	}
	release.Gates = slices.DeleteFunc(release.Gates, func(r GateRecord) bool { _, known := d.gate(r.Name); return !known })
	for i := range release.Gates {
		r := &release.Gates[i]
		gate, _ := d.gate(r.Name)
		if !r.decided() || gate.At == Rollback {
			r.hear(d.o, *release)
			d.heed(gate, r)
		}
		if d.moved {
			return
		}
	}
}

// hear takes up what was answered since, if it is about this step of this run.
func (r *GateRecord) hear(o Observed, release Release) {
	if r.At.After(o.Now) {
		// A clock was wrong then. Such an answer would be newer than every one to come.
		r.At = time.Time{}
	}
	for _, m := range o.Measurements {
		if m.Metric == gatePrefix+r.Name && m.Run == release.Run && m.Step == release.Step && !m.At.After(o.Now) && m.At.After(r.At) {
			r.At, r.Verdict, r.Message = m.At, m.Verdict, m.Message
		}
	}
}

// heed does what an answer, or the lack of one, leads to. What waits for it goes on by itself.
func (d *decision) heed(gate Gate, r *GateRecord) {
	switch {
	case gate.At == Rollback:
		if r.Verdict == analysis.Pass {
			d.abort(ByGate, "gate %s asks for it%s", r.Name, because(r.Message))
		}
	case gate.At == AfterAbort:
		r.Waived = !r.decided() && d.reached(r.Since.Add(gate.Deadline))
	case r.Verdict == analysis.Pass:
		d.event("GateConfirmed", "%s: gate %s has confirmed%s", d.position(), r.Name, because(r.Message))
	case r.Verdict == analysis.Fail:
		d.abort(ByGate, "gate %s has refused it%s", r.Name, because(r.Message))
	case !d.reached(r.Since.Add(gate.Deadline)):
	case gate.OnDeadline == Continue:
		r.Waived = true
		d.warn("GateWaived", "%s: going on without gate %s, which has not confirmed for %s (onDeadline is Continue)", d.position(), r.Name, short(gate.Deadline))
	case gate.OnDeadline == GiveUp:
		d.abort(ByGate, "gate %s has not confirmed for %s (onDeadline is Abort)%s", r.Name, short(gate.Deadline), r.lately())
	}
}

// gatesRemembered says whether the status knows already what gates said. What they allow is done only then, or a controller
// that dies in between would have it done and ask them once more.
func (d *decision) gatesRemembered() bool {
	if d.next.Release == nil || d.o.Status.Release == nil {
		return true
	}
	for _, r := range d.next.Release.Gates {
		if r.decided() && !slices.ContainsFunc(d.o.Status.Release.Gates, func(b GateRecord) bool { return b.Name == r.Name && b.decided() }) {
			return false
		}
	}
	return true
}

// opened says whether every gate of some occasions has confirmed at this step. Until then it says what is waited for.
func (d *decision) opened(occasions ...Occasion) bool {
	if d.unguarded() {
		return true
	}
	d.ask(occasions...)
	return d.confirmed(occasions...)
}

// confirmed says whether those gates of some occasions have confirmed that were asked at this step.
func (d *decision) confirmed(occasions ...Occasion) bool {
	for _, r := range d.next.Release.Gates {
		if gate, known := d.gate(r.Name); known && slices.Contains(occasions, gate.At) && !r.decided() {
			d.patient = true
			d.reportGate(r)
			return false
		}
	}
	return true
}

func (d *decision) reportGate(r GateRecord) {
	gate, _ := d.gate(r.Name)
	end := r.Since.Add(gate.Deadline)
	if gate.OnDeadline == Hold && !end.After(d.o.Now) {
		d.report(Waiting, "Held", "%s: gate %s has not confirmed since %s%s; rollout promote goes on without it, rollout abort takes the release back",
			d.position(), r.Name, r.Since.UTC().Format("15:04:05 UTC"), r.lately())
		d.stall("Held", "spec.gates: %s", d.plan.Report.Message)
		return
	}
	d.report(Progressing, "WaitingForGate", "%s: waiting for gate %s (%s), until %s%s", d.position(), r.Name, gate.At, end.UTC().Format("15:04:05 UTC"), r.lately())
}

// lately is the last answer, at the end of a sentence.
func (r GateRecord) lately() string {
	switch r.Verdict {
	case analysis.Inconclusive:
		return ": not yet" + because(r.Message)
	case analysis.Error:
		return ": it could not be asked: " + r.Message
	case analysis.Pass, analysis.Fail, analysis.NoData:
	}
	return ""
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// admitted says whether the release may begin. Until then everything stays as it was before. Who is asked has been settled
// when the run began: a gate that is new in the spec takes no release back that has gone on.
func (d *decision) admitted() bool {
	if d.confirmed(BeforeRelease) {
		return true
	}
	d.way().converge()
	return d.confirmed(BeforeRelease) // Its words count, not those about what is kept.
}

// mayExpose says whether the gates before a larger share have confirmed.
func (d *decision) mayExpose(weight int) bool {
	release := d.next.Release
	var occasions []Occasion
	if !planned(d.o.Spec.Steps, release.Step) {
		occasions = append(occasions, BeforeTraffic)
	}
	if weight > d.next.Ledger.High {
		occasions = append(occasions, BeforeIncrease)
	}
	if release.Phase == Promoting {
		occasions = append(occasions, BeforePromotion)
	}
	return d.opened(occasions...)
}

// planned says whether a step before this one led users to the revision. What somebody else did to the routes is no plan.
func planned(steps []Step, step int) bool {
	return slices.ContainsFunc(steps[:min(step, len(steps))], func(s Step) bool {
		return s.Kind == SetWeight && s.Weight > 0 || s.Kind == SetRule && !s.Remove
	})
}

// waiveGates lets the release go on without those gates that it waits for, and says whether there were any.
func (d *decision) waiveGates() bool {
	waived := false
	for i := range d.next.Release.Gates {
		r := &d.next.Release.Gates[i]
		if gate, known := d.gate(r.Name); known && gate.At != Rollback && !r.decided() {
			r.Waived, waived = true, true
		}
	}
	return waived
}

// waitingGates are those to ask, as metrics of which the answer is the verdict.
func (d *decision) waitingGates() []analysis.Metric {
	release := d.next.Release
	if release == nil || d.unguarded() {
		return nil
	}
	var waiting []analysis.Metric
	for _, r := range release.Gates {
		gate, known := d.gate(r.Name)
		if !known || r.decided() && gate.At != Rollback {
			continue
		}
		waiting = append(waiting, analysis.Metric{Name: gatePrefix + gate.Name, Gate: true, Repeated: gate.At == Rollback, Source: gate.Source,
			Query: d.callOf(gate), Interval: gate.Interval, Timeout: gate.Timeout})
	}
	return waiting
}

// callOf is what a gate is told.
func (d *decision) callOf(gate Gate) string {
	release := d.next.Release
	call := GateCall{Gate: gate.Name, At: gate.At, Revision: release.Revision, Stable: d.next.Stable, Run: release.Run, Step: release.Step + 1, Weight: d.weight()}
	if release.Phase == Promoting {
		call.Weight = 100
	}
	text, err := json.Marshal(call)
	if err != nil {
		panic(fmt.Sprintf("texts and numbers are JSON: %v", err))
	}
	return string(text)
}
