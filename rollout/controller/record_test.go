package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
