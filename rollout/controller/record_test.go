package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func TestWordsAndCountsAreNoSubstanceAndEverythingThatADecisionReadsIs(t *testing.T) {
	base := newStatus(&world{object: exampleRollout(exampleTemplate)}, rollout.Plan{Status: fullStatus()})
	base.Conditions = conditions(rollout.Report{State: rollout.Progressing, Reason: "Releasing", Message: "step 1"}, nil)
	for name, talk := range map[string]func(*v1alpha1.RolloutStatus){
		"message":              func(s *v1alpha1.RolloutStatus) { s.Message = "other" },
		"ready pods":           func(s *v1alpha1.RolloutStatus) { s.ReadyReplicas = 9 },
		"a passing metric":     func(s *v1alpha1.RolloutStatus) { s.Release.Metrics[0].Passes++ },
		"words of Ready":       func(s *v1alpha1.RolloutStatus) { s.Conditions[0].Message = "other" },
		"how far a restart is": func(s *v1alpha1.RolloutStatus) { s.Restart.Left, s.Restart.ProgressAt = 1, nil },
		"the next deadline":    func(s *v1alpha1.RolloutStatus) { s.Release.Deadline = nil },
	} {
		changed := *base.DeepCopy()
		talk(&changed)
		require.NotEqual(t, base, changed, name)
		require.Equal(t, substance(base), substance(changed), name)
	}
	later := metav1.NewMicroTime(time.Unix(1, 0))
	for name, substantial := range map[string]func(*v1alpha1.RolloutStatus){
		"phase":           func(s *v1alpha1.RolloutStatus) { s.Phase = v1alpha1.PhasePaused },
		"step":            func(s *v1alpha1.RolloutStatus) { s.Release.StepIndex++ },
		"stable":          func(s *v1alpha1.RolloutStatus) { s.StableRevision = "x" },
		"the ledger":      func(s *v1alpha1.RolloutStatus) { s.Traffic.Since = &later },
		"capacity":        func(s *v1alpha1.RolloutStatus) { s.Release.CapacityAt = &later },
		"an answer":       func(s *v1alpha1.RolloutStatus) { s.LastRequest.ID = "x" },
		"the generation":  func(s *v1alpha1.RolloutStatus) { s.ObservedGeneration++ },
		"the wiring":      func(s *v1alpha1.RolloutStatus) { s.Traffic.Wiring = nil },
		"a swap":          func(s *v1alpha1.RolloutStatus) { s.Traffic.Swapped = false },
		"a pause":         func(s *v1alpha1.RolloutStatus) { s.Paused = false },
		"an undo":         func(s *v1alpha1.RolloutStatus) { s.UndoTo = "" },
		"who served":      func(s *v1alpha1.RolloutStatus) { s.FormerRevisions = nil },
		"a restart":       func(s *v1alpha1.RolloutStatus) { s.Restart.Done = false },
		"old pods":        func(s *v1alpha1.RolloutStatus) { s.Restart.Until = nil },
		"for autoscalers": func(s *v1alpha1.RolloutStatus) { s.ServingReplicas = 9 },
		"stable's pods":   func(s *v1alpha1.RolloutStatus) { s.Release.StableEndpointsAt = &later },
		"Ready":           func(s *v1alpha1.RolloutStatus) { s.Conditions[0].Status = metav1.ConditionTrue },
		"what is stalled": func(s *v1alpha1.RolloutStatus) { s.Conditions[2].Message = "other" },
	} {
		changed := *base.DeepCopy()
		substantial(&changed)
		require.NotEqual(t, substance(base), substance(changed), name)
	}
}

func TestAPassLikeTheOneBeforeItMayWaitToBeWritten(t *testing.T) {
	at := time.Unix(1700000100, 0)
	base := fullStatus()
	base.Release.Phase = rollout.Stepping
	base.Release.Metrics[0].Verdict, base.Release.Metrics[0].Message = analysis.Pass, ""
	w := &world{object: exampleRollout(exampleTemplate)}
	w.object.Status = newStatus(w, rollout.Plan{Status: base})
	w.observed.Measurements = []analysis.Measurement{{Metric: "m", At: at.Add(2 * time.Second)}, {Metric: "m", At: at.Add(time.Second)}}
	add := func(verdicts ...analysis.Verdict) func(*rollout.Plan) {
		return func(p *rollout.Plan) {
			r := &p.Status.Release.Metrics[0]
			for i, v := range verdicts {
				*r = r.Add(analysis.Measurement{At: at.Add(time.Duration(i+1) * time.Second), Judgement: analysis.Judgement{Verdict: v, Text: "0.999"}})
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*rollout.Plan)
		due    time.Time
	}{
		"passes":                     {add(analysis.Pass, analysis.Pass), at.Add(time.Second + passPause)},
		"a failure":                  {add(analysis.Fail), at.Add(talkPause)},
		"a failure between passes":   {add(analysis.Fail, analysis.Pass), at.Add(talkPause)},
		"an error":                   {add(analysis.Error), at.Add(talkPause)},
		"a pass, and another reason": {func(p *rollout.Plan) { add(analysis.Pass)(p); p.Report.Message = "other" }, at.Add(talkPause)},
		"a pass, and another step":   {func(p *rollout.Plan) { add(analysis.Pass)(p); p.Status.Release.Step++ }, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			release := *base.Release
			release.Metrics = []analysis.Record{release.Metrics[0]}
			plan := rollout.Plan{Status: base}
			plan.Status.Release = &release
			c.change(&plan)
			require.Equal(t, c.due, dueAt(w, newStatus(w, plan), at))
		})
	}

	first := *base.Release
	first.Metrics = []analysis.Record{{Metric: "m"}}
	w.object.Status.Release = newRelease(&first)
	require.Equal(t, at.Add(talkPause), dueAt(w, newStatus(w, rollout.Plan{Status: base}), at), "the first pass")
}
