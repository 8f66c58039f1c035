package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// The defaults of the history limits.
const (
	defaultSuccessfulRuns   = 5
	defaultUnsuccessfulRuns = 5
)

// record keeps the analyses that are over as AnalysisRuns, two writes for each. It comes after the status, which alone
// decides: a record that can't be written is only missed by people, and must keep no release from going on or back.
func (c *Controller) record(ctx context.Context, w *world, analyses []rollout.Analysis) {
	for _, a := range analyses {
		if err := c.recordOne(ctx, w, a); err != nil {
			c.Log.Warn("the record of an analysis is lost", zap.Stringer("rollout", w.key), zap.String("place", a.Place), zap.Error(err))
		}
	}
}

func (c *Controller) recordOne(ctx context.Context, w *world, a rollout.Analysis) error {
	keep := historyLimit(w.object.Spec.Analysis, phaseOf(a.Conclusion) == v1alpha1.RunPassed)
	if keep == 0 || !c.Caches.AnalysisRuns.Available() {
		return nil
	}
	runs := c.Rollouts.AnalysisRuns(w.key.Namespace)
	wanted := newRun(w.object, a, w.observed.Now)
	created, err := runs.Create(ctx, wanted, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create AnalysisRun %s: %w", wanted.Name, err)
	}
	created.Status = wanted.Status
	if _, err := runs.UpdateStatus(ctx, created, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("write the status of AnalysisRun %s: %w", wanted.Name, err)
	}
	return c.forgetOld(ctx, w, created.Name, wanted.Status.Phase == v1alpha1.RunPassed, keep-1)
}

// newRun is the record of an analysis. Its name is the same whoever writes it, so that none is written twice.
func newRun(owner *v1alpha1.Rollout, a rollout.Analysis, now time.Time) *v1alpha1.AnalysisRun {
	run := &v1alpha1.AnalysisRun{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: owner.Namespace,
			Name:      fmt.Sprintf("%s-%d-%s", workloadName(owner.Name, a.Revision), a.Run, a.Place),
			Labels:    map[string]string{v1alpha1.RolloutRevisionLabel: a.Revision},
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(owner, v1alpha1.GroupVersion.WithKind(v1alpha1.Kind)),
			},
		},
		Spec: v1alpha1.AnalysisRunSpec{Of: &v1alpha1.AnalysisOf{Rollout: owner.Name, Revision: a.Revision, Run: a.Run, Place: a.Place}},
		Status: v1alpha1.AnalysisRunStatus{ObservedGeneration: 1, Phase: phaseOf(a.Conclusion), Message: a.Conclusion.Reason,
			StartedAt: microTime(a.Started), FinishedAt: microTime(now)},
	}
	if len(owner.Name) <= 63 {
		run.Labels[v1alpha1.RolloutLabel] = owner.Name
	}
	for _, r := range a.Records {
		run.Status.Metrics = append(run.Status.Metrics, newRecord(r))
	}
	return run
}

// phaseOf is how an analysis ended. Without a verdict it was cancelled, which is not a pass.
func phaseOf(c analysis.Conclusion) string {
	switch c.Verdict {
	case analysis.Pass:
		return v1alpha1.RunPassed
	case analysis.Fail:
		return v1alpha1.RunFailed
	case analysis.Inconclusive:
		return v1alpha1.RunInconclusive
	case analysis.NoData:
		return v1alpha1.RunNoData
	case analysis.Error:
		return v1alpha1.RunError
	}
	return v1alpha1.RunCancelled
}

func historyLimit(h *v1alpha1.AnalysisHistory, passed bool) int {
	if h == nil {
		h = &v1alpha1.AnalysisHistory{}
	}
	if passed {
		return int(orDefault(h.SuccessfulRunHistoryLimit, defaultSuccessfulRuns))
	}
	return int(orDefault(h.UnsuccessfulRunHistoryLimit, defaultUnsuccessfulRuns))
}

// forgetOld deletes the oldest records of the Rollout beside the new one, beyond the limit.
func (c *Controller) forgetOld(ctx context.Context, w *world, newest string, passed bool, keep int) error {
	old := slices.DeleteFunc(slices.Clone(c.Caches.AnalysisRuns.ByIndex(byOwner, w.key.String())), func(run *v1alpha1.AnalysisRun) bool {
		return run.Name == newest || !run.Finished() || (run.Status.Phase == v1alpha1.RunPassed) != passed || !metav1.IsControlledBy(run, w.object)
	})
	slices.SortFunc(old, func(a, b *v1alpha1.AnalysisRun) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Spec.Of.Run, b.Spec.Of.Run), cmp.Compare(a.Name, b.Name))
	})
	for _, run := range old[:max(len(old)-keep, 0)] {
		err := c.Rollouts.AnalysisRuns(run.Namespace).Delete(ctx, run.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &run.UID}})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("delete AnalysisRun %s: %w", run.Name, err)
		}
	}
	return nil
}
