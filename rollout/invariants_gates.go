package rollout

import (
	"fmt"
	"slices"

	"github.com/rollout-dev/rollout/analysis"
)

// GatesHold holds if a release goes on only after every gate has confirmed that is asked there, or was waived: there is no pod
// and no larger share before the status says so, no step is done, and nothing becomes stable. A person's request goes through, and a way back to a revision
// that has served before asks nobody. By replica count a share rises whenever a pod comes, so only the steps and the end are looked at.
func GatesHold(o Observed, p Plan) error {
	release := o.Status.Release
	if release == nil || release.Phase != Stepping && release.Phase != Promoting || release.Phase == Promoting && release.Approved {
		return nil
	}
	passed := o.passed(p)
	for _, gate := range o.Spec.Gates {
		if slices.Contains(passed, gate.At) && !o.heard(gate, len(p.Actions) > 0) {
			return fmt.Errorf("gate %s (%s) has not confirmed, and yet: %v, %s", gate.Name, gate.At, p.Actions, p.Report.Message)
		}
	}
	return nil
}

// heard says whether a gate has confirmed, or was waived. What an action is about has to stand in the status.
func (o Observed) heard(gate Gate, acting bool) bool {
	release := o.Status.Release
	at := slices.IndexFunc(release.Gates, gate.wrote)
	switch {
	case at >= 0 && release.Gates[at].decided():
		return true
	case at < 0 && gate.At == BeforeRelease:
		// Who is asked then has been settled when the run began.
		return true
	}
	return !acting && o.justConfirmed(gate)
}

// passed are the occasions that a plan goes past.
func (o Observed) passed(p Plan) []Occasion {
	release, next := o.Status.Release, p.Status.Release
	var occasions []Occasion
	if slices.ContainsFunc(p.Actions, o.populates) {
		occasions = append(occasions, BeforeRelease)
	}
	if slices.ContainsFunc(p.Actions, o.exposes) {
		occasions = append(occasions, BeforeIncrease)
		if !planned(o.Spec.Steps, release.Step) {
			occasions = append(occasions, BeforeTraffic)
		}
		if release.Phase == Promoting {
			occasions = append(occasions, BeforePromotion)
		}
	}
	byRequest := p.Status.Answer.ID != o.Status.Answer.ID
	if next != nil && next.Run == release.Run && next.Phase == Stepping && next.Step > release.Step && !byRequest {
		occasions = append(occasions, AfterStep)
	}
	if o.Status.Stable != release.Revision && p.Status.Stable == release.Revision {
		occasions = append(occasions, BeforePromotion, AfterPromotion)
	}
	return occasions
}

// populates says whether an action makes pods of the revision under test.
func (o Observed) populates(action Action) bool {
	revision := o.Status.Release.Revision
	switch a := action.(type) {
	case CreateWorkload:
		return a.Revision == revision && a.Replicas > 0
	case Scale:
		return a.Revision == revision && a.Replicas > o.workload(revision).Replicas
	}
	return false
}

// exposes says whether an action leads more users to the revision under test.
func (o Observed) exposes(action Action) bool {
	revision := o.Status.Release.Revision
	switch a := action.(type) {
	case Shift:
		return a.Percent > o.share().High && o.Canary.Revision == revision
	case Point:
		return o.mode() == BySelector && a.Backend == StableRole && a.Revision == revision && o.Status.Stable != revision
	}
	return false
}

// justConfirmed says whether a gate has confirmed since the status was written, or its time was over.
func (o Observed) justConfirmed(gate Gate) bool {
	release := o.Status.Release
	confirmed := slices.ContainsFunc(o.Measurements, func(m analysis.Measurement) bool {
		return m.Metric == gatePrefix+gate.Name && m.Run == release.Run && m.Step == release.Step && m.Verdict == analysis.Pass
	})
	return confirmed || slices.ContainsFunc(release.Gates, func(r GateRecord) bool {
		return r.Name == gate.Name && gate.OnDeadline == Continue && !o.Now.Before(r.Since.Add(gate.Deadline))
	})
}
