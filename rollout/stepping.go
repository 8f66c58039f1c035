package rollout

// stepping carries out the steps one after the other. A step's weight is the last setWeight up to it, so that whatever
// skips or repeats a step can't lose a share.
func (d *decision) stepping() {
	release, steps := d.next.Release, d.o.Spec.Steps
	if d.superseded() {
		return
	}
	if release.Step >= len(steps) {
		d.enter(Promoting)
		d.report(Progressing, "Promoting", "all steps of revision %s are done", release.Revision)
		return
	}
	weight := weightAt(steps, release.Step)
	d.report(Progressing, "Releasing", "step %d of %d: canary weight %d", release.Step+1, len(steps), weight)
	there := d.give(weight)
	if d.moved {
		return
	}
	step := steps[release.Step]
	switch {
	case d.o.Spec.Paused:
		d.patient = true
		d.report(Waiting, "Paused", "spec.paused is true: the release stays at step %d of %d", release.Step+1, len(steps))
	case step.Kind == SetWeight && there:
		d.nextStep("canary weight %d is settled", weight)
	case step.Kind == Pause && there:
		d.pause(step)
	}
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

// nextStep goes on to the next step.
func (d *decision) nextStep(format string, args ...any) {
	release := d.next.Release
	release.Step++
	release.StepStarted = d.o.Now
	release.Approved = false
	d.extendDeadline()
	d.moved = true
	d.event("StepCompleted", "step %d of %d of revision %s: "+format,
		append([]any{release.Step, len(d.o.Spec.Steps), release.Revision}, args...)...)
	d.report(Progressing, "Releasing", "step %d of %d is done", release.Step, len(d.o.Spec.Steps))
}

func (d *decision) pause(step Step) {
	release, total := d.next.Release, len(d.o.Spec.Steps)
	d.patient = true
	if step.Duration == 0 {
		d.report(Waiting, "Paused", "step %d of %d: waiting for rollout promote at canary weight %d",
			release.Step+1, total, d.next.Ledger.High)
		return
	}
	end := release.StepStarted.Add(step.Duration)
	if release.StepStarted.After(d.o.Now) {
		end = d.o.Now.Add(step.Duration)
	}
	d.report(Progressing, "Pausing", "step %d of %d: pausing for %s, until %s, at canary weight %d",
		release.Step+1, total, step.Duration, end.UTC().Format("15:04:05 UTC"), d.next.Ledger.High)
	if d.reached(end) {
		d.nextStep("paused for %s", step.Duration)
	}
}

// superseded takes the release back when the template has changed once more, also back to stable. Problems of the new
// template don't matter here: the user no longer wants this one.
func (d *decision) superseded() bool {
	release, target := d.next.Release, d.o.Spec.Target
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
