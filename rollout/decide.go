package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/rollout-dev/rollout/analysis"
)

// Decide says what to do about what was observed. The same observation always gives the same plan.
func Decide(o Observed) Plan {
	d := &decision{o: o, next: o.Status.clone()}
	d.next.Wiring = o.wiring()
	d.next.Ledger = o.Status.Ledger.observe(o)
	d.noteExposure()
	d.noteRestart()
	if d.next.UndoTo != o.Spec.Target {
		d.next.UndoTo = ""
	}
	d.answer()
	d.fold()
	d.hearGates()
	d.checkProgress()
	if !d.moved {
		d.phase()
	}
	return d.finish()
}

// decision is a plan in the making.
type decision struct {
	o    Observed
	next Status
	plan Plan
	// moved: the phase, the step or what is stable changes with this plan.
	moved bool
	// patient: the release waits for a clock, a verdict or a person, so the progress deadline stands still.
	patient bool
	// judging: the metrics of the current step have something to look at.
	judging bool
	// shrink and remove are kept apart from the other actions: a plan never moves traffic and removes capacity.
	shrink, remove []Action
}

// phase carries on with whatever is under way.
func (d *decision) phase() {
	release := d.next.Release
	switch {
	case release == nil && d.next.Stable == "":
		d.install()
	case release == nil:
		d.idle()
	case release.Phase == Installing:
		d.installing()
	case release.Phase == Stepping:
		d.askForRollback()
		d.stepping()
	case release.Phase == Promoting:
		d.askForRollback()
		d.promoting()
	case release.Phase == Aborting:
		d.aborting()
	default:
		d.aborted()
	}
}

// enter begins a phase of the release.
func (d *decision) enter(phase Phase) {
	release := d.next.Release
	release.Phase, release.StepStarted = phase, d.o.Now
	release.Capacity, release.StableCapacity, release.Approved = Capacity{}, Capacity{}, false
	if phase == Stepping || phase == Promoting {
		d.startJudging()
	}
	release.Gates = nil
	if steps := d.o.Spec.Steps; phase == Stepping && len(steps) > 0 && steps[0].Kind == Pause {
		// There is nothing to look at before the pods are there.
		release.StepStarted = time.Time{}
	}
	d.extendDeadline()
	d.moved = true
}

// begin starts a run for a revision.
func (d *decision) begin(revision Revision, phase Phase) {
	d.next.Runs++
	d.next.Release = &Release{Run: d.next.Runs, Revision: revision, Started: d.o.Now}
	for _, m := range d.o.Spec.Metrics {
		d.next.Release.Metrics = append(d.next.Release.Metrics, analysis.Record{Metric: m.Name, Threshold: m.Wanted(), DryRun: m.DryRun})
	}
	d.enter(phase)
	if phase == Stepping {
		d.ask(BeforeRelease)
	}
}

// end forgets the release: from now on stable is all there is.
func (d *decision) end() {
	d.next.Release = nil
	d.moved = true
}

// abort takes the release back.
func (d *decision) abort(cause Cause, format string, args ...any) {
	release := d.next.Release
	release.Cause, release.CauseMessage = cause, fmt.Sprintf(format, args...)
	d.concludeOwn("the release was taken back: " + release.CauseMessage)
	d.concludeBackground("the release was taken back: " + release.CauseMessage)
	d.enter(Aborting)
	d.report(Progressing, "Aborting", "taking revision %s back: %s", release.Revision, release.CauseMessage)
	if cause == BySuperseded {
		d.event("ReleaseSuperseded", "revision %s is taken back before the next one: %s", release.Revision, release.CauseMessage)
		return
	}
	d.warn("ReleaseAborted", "revision %s is taken back: %s", release.Revision, release.CauseMessage)
}

// finish puts the plan together.
func (d *decision) finish() Plan {
	d.setDeadline()
	d.plan.Status = d.next
	if !d.moved {
		d.keepSource()
		d.dress()
	}
	if d.moved {
		// What the new phase asks for is decided by the next pass, from a status that says so.
		d.plan.Actions, d.shrink, d.remove = nil, nil, nil
		d.wakeAt(d.o.Now)
	}
	if len(d.plan.Actions) > 0 && !d.remembered() {
		d.plan.Actions, d.shrink, d.remove = nil, nil, nil
		d.wakeAt(d.o.Now)
	}
	if !d.movesTraffic() {
		d.plan.Actions = append(append(d.plan.Actions, d.shrink...), d.remove...)
	}
	// A request is answered for good, so what it is about must be what the API server has.
	d.plan.Confirm = d.plan.phaseChanged(d.o.Status) || d.next.Answer != d.o.Status.Answer || d.movesTraffic() || slices.ContainsFunc(d.plan.Actions, d.o.removes)
	d.plan.Measure = d.measure()
	d.reportProblems()
	return d.plan
}

// remembered says whether the status knows already what a plan is about to change. If somebody gave the canary a share, and
// the engine took it away and crashed before it wrote the status, nothing would tell the next pass that the canary ever had
// one: it would count as drained since long ago, while gateways still send requests to it. The same goes for pods that
// were lost: as soon as they are back it would look as if they had been there all the time.
func (d *decision) remembered() bool {
	if !d.gatesRemembered() {
		return false
	}
	before, after := d.o.Status.Release, d.next.Release
	lost := before != nil && after != nil && !before.Capacity.Since.IsZero() && after.Capacity.Since.IsZero()
	if before != nil && after != nil && !before.StableCapacity.Since.IsZero() && after.StableCapacity.Since.IsZero() {
		lost = true
	}
	return d.o.mode() == ByPods || !lost && d.next.Ledger.sees(d.o.Status.Ledger) && d.o.Status.Wiring == d.next.Wiring
}

// movesTraffic says whether the plan changes a share or what a backend points at.
func (d *decision) movesTraffic() bool { return slices.ContainsFunc(d.plan.Actions, moves) }

func moves(action Action) bool {
	switch action.(type) {
	case Shift, Point, Widen:
		return true
	}
	return false
}

// phaseChanged says whether a one-way door is opened.
func (p Plan) phaseChanged(before Status) bool {
	after := p.Status
	if before.Stable != after.Stable || (before.Release == nil) != (after.Release == nil) {
		return true
	}
	if before.Wiring.Mode != "" && before.Wiring != after.Wiring {
		return true
	}
	return after.Release != nil &&
		(before.Release.Phase != after.Release.Phase || before.Release.Run != after.Release.Run)
}

func (d *decision) act(action Action) { d.plan.Actions = append(d.plan.Actions, action) }

// point makes the backend of a role reach a revision.
func (d *decision) point(role Role, revision Revision, why string) {
	b := d.o.Stable
	if role == CanaryRole {
		b = d.o.Canary
	}
	d.act(Point{Backend: role, Service: b.Name, SubsetOf: b.SubsetOf, Revision: revision, Why: why})
}

func (d *decision) event(reason, format string, args ...any) {
	d.plan.Events = append(d.plan.Events, Event{Reason: reason, Message: fmt.Sprintf(format, args...)})
}

func (d *decision) warn(reason, format string, args ...any) {
	d.plan.Events = append(d.plan.Events, Event{Warning: true, Reason: reason, Message: fmt.Sprintf(format, args...)})
}

func (d *decision) report(state State, reason, format string, args ...any) {
	d.plan.Report.State, d.plan.Report.Reason = state, reason
	d.plan.Report.Message = fmt.Sprintf(format, args...)
}

// clone copies what a decision may change.
func (s Status) clone() Status {
	if s.Release != nil {
		release := *s.Release
		release.Metrics = append([]analysis.Record(nil), release.Metrics...)
		release.Gates = slices.Clone(release.Gates)
		s.Release = &release
	}
	s.Former = slices.Clone(s.Former)
	return s
}

// workload finds the ReplicaSet of a revision; it is zero, without a revision, if there is none.
func (o Observed) workload(revision Revision) Workload {
	for _, w := range o.Workloads {
		if w.Revision == revision {
			return w
		}
	}
	return Workload{}
}

// blocking is the first problem that keeps a new revision from starting. Without references only those count that lie in
// the spec itself.
func (o Observed) blocking(references bool) *Problem {
	for i, p := range o.Problems {
		if references || !p.Reference {
			return &o.Problems[i]
		}
	}
	return nil
}

// noteExposure remembers since when this run has had users: a share, or a rule that leads some of them to it.
func (d *decision) noteExposure() {
	release := d.next.Release
	if release != nil && release.ExposedAt.IsZero() && (d.next.Ledger.High > 0 || d.o.exposedByRule()) && release.Phase != Installing {
		release.ExposedAt = d.o.Now
	}
}

// short writes a duration without fractions that nobody reads.
func short(t time.Duration) string { return t.Round(time.Second).String() }
