package rollout

import "fmt"

// stepping carries out the steps one after the other. A step's weight is the last setWeight up to it, so that whatever
// skips or repeats a step can't lose a share.
func (d *decision) stepping() {
	release, steps := d.next.Release, d.o.Spec.Steps
	if d.superseded() {
		return
	}
	if release.Step == 0 && !d.admitted() {
		return
	}
	if release.Step >= len(steps) {
		d.enter(Promoting)
		d.report(Progressing, "Promoting", "all steps of revision %s are done", release.Revision)
		return
	}
	weight := d.weight()
	d.report(Progressing, "Releasing", "%s: %s", d.position(), d.aim(weight))
	there := d.way().give(weight)
	if d.moved {
		return
	}
	step := steps[release.Step]
	if there && release.StepStarted.IsZero() {
		release.StepStarted = d.o.Now
	}
	switch {
	case d.paused():
		d.patient = true
		d.report(Waiting, "Paused", "%s: the release stays at step %d of %d", d.pausedBy(), release.Step+1, len(steps))
	case there:
		d.takeStep(step, weight)
	}
}

// takeStep does what a step asks for besides its weight, which is there.
func (d *decision) takeStep(step Step, weight int) {
	switch step.Kind {
	case SetWeight:
		if d.received(weight) {
			d.stepDone("canary weight %d is settled", weight)
		}
	case Pause:
		d.pause(step)
	case SetScale:
		d.scaled(weight)
	case Judge:
		d.judge()
	case SetRule:
		d.rulesDone(step)
	}
}

// weight is what the present step gives the revision under test. Where the active Service is switched that is nothing: a
// rehearsal reaches no user, whatever steps of another strategy say.
func (d *decision) weight() int {
	if d.o.mode() == BySelector {
		return 0
	}
	return weightAt(d.o.Spec.Steps, d.next.Release.Step)
}

// weightAt is the canary's weight at a step.
func weightAt(steps []Step, index int) int {
	weight := 0
	for _, s := range steps[:min(index+1, len(steps))] {
		if s.Kind == SetWeight {
			weight = s.Weight
		}
	}
	return weight
}

// stepDone goes on to the next step, as soon as every gate after this one has confirmed.
func (d *decision) stepDone(format string, args ...any) {
	if d.opened(AfterStep) {
		d.nextStep(format, args...)
	}
}

// nextStep goes on to the next step.
func (d *decision) nextStep(format string, args ...any) {
	release := d.next.Release
	release.Step++
	release.StepStarted = d.o.Now
	release.Approved, release.Gates = false, nil
	d.startJudging()
	d.extendDeadline()
	d.moved = true
	d.event("StepCompleted", "step %d of %d of revision %s: "+format,
		append([]any{release.Step, len(d.o.Spec.Steps), release.Revision}, args...)...)
	d.report(Progressing, "Releasing", "step %d of %d is done", release.Step, len(d.o.Spec.Steps))
}

// scaled waits until the canary has the pods that a setCanaryScale asks for.
func (d *decision) scaled(weight int) {
	want, w := d.canaryPods(weight), d.o.workload(d.next.Release.Revision)
	if w.Replicas >= want && w.Available >= want {
		d.stepDone("the canary has %s", pods(w.Replicas))
		return
	}
	d.report(Progressing, "WaitingForCapacity", "%s: %d of %d pods of revision %s are available", d.position(), w.Available, want, w.Revision)
}

// judge waits for the verdict on the metrics of the step.
func (d *decision) judge() {
	d.judging = true
	if d.approvedToGoOn("%s: the analysis of revision %s", d.position(), d.next.Release.Revision) && d.opened(AfterStep) {
		d.concludeOwn(d.skipped())
		d.nextStep("the analysis has passed")
	}
}

func (d *decision) pause(step Step) {
	release, total := d.next.Release, len(d.o.Spec.Steps)
	d.patient = true
	if step.Duration == 0 {
		d.report(Waiting, "Paused", "step %d of %d: waiting for rollout promote, %s", release.Step+1, total, d.exposure())
		return
	}
	end := release.StepStarted.Add(step.Duration)
	if release.StepStarted.After(d.o.Now) {
		end = d.o.Now.Add(step.Duration)
	}
	d.report(Progressing, "Pausing", "step %d of %d: pausing for %s, until %s, %s",
		release.Step+1, total, step.Duration, end.UTC().Format("15:04:05 UTC"), d.exposure())
	if d.reached(end) {
		d.stepDone("paused for %s", step.Duration)
	}
}

// superseded takes the release back when the template has changed once more, also back to stable. Problems of the new
// template don't matter here: the user no longer wants this one.
func (d *decision) superseded() bool {
	release, target := d.next.Release, d.o.Spec.Target
	if d.outdated() {
		d.abort(BySuperseded, "spec.strategy names another way for the traffic; the release starts again when it is there")
		return true
	}
	if target == release.Revision || target == "" {
		return false
	}
	if target == d.next.Stable {
		d.abort(BySuperseded, "spec.template is that of the stable revision %s again", target)
	} else {
		d.abort(BySuperseded, "spec.template is now revision %s", target)
	}
	return true
}

// aim says what a step is to lead to, within a sentence.
func (d *decision) aim(weight int) string {
	if d.o.mode() == BySelector {
		return fmt.Sprintf("revision %s is rehearsed", d.next.Release.Revision)
	}
	return fmt.Sprintf("canary weight %d%s", weight, d.withRules())
}

// exposure says where the revision under test is, within a sentence.
func (d *decision) exposure() string {
	if d.o.mode() == BySelector {
		return "before any user reaches it"
	}
	if rules := d.next.Ledger.Rules; rules != "" {
		return fmt.Sprintf("at canary weight %d with %s", d.next.Ledger.High, managedRoutes(rules))
	}
	return fmt.Sprintf("at canary weight %d", d.next.Ledger.High)
}

// paused says whether the user, or a request, has frozen the Rollout.
func (d *decision) paused() bool { return d.o.Spec.Paused || d.next.Held }

// pausedBy says who paused, at the start of a sentence.
func (d *decision) pausedBy() string {
	if d.o.Spec.Paused {
		return "spec.paused is true"
	}
	return "paused by request, until rollout resume"
}
