package controller

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// nameReplicas writes the default into a spec that names no number of pods, and says whether it had to. The API server
// answers nobody who asks for the scale of such an object, so no autoscaler could ever change it. With workloadRef the number
// stays away: it is the Deployment's, and follows it.
func (c *Controller) nameReplicas(ctx context.Context, w *world) (bool, error) {
	if w.object.Spec.Replicas != nil || w.object.Spec.WorkloadRef != nil {
		return false, nil
	}
	err := c.patchRollout(ctx, w, map[string]any{"spec": map[string]any{"replicas": defaultReplicas}})
	if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		return true, fmt.Errorf("write the default of spec.replicas to Rollout %s: %w", w.key, err)
	}
	return true, nil
}

// patchRollout merges a patch into the Rollout, unless it has changed since it was read. What is written later in the same
// pass goes on from the result.
func (c *Controller) patchRollout(ctx context.Context, w *world, patch map[string]any) error {
	body, err := json.Marshal(conditional(w.object, patch))
	if err != nil {
		return err
	}
	after, err := c.Rollouts.Rollouts(w.key.Namespace).Patch(ctx, w.object.Name, types.MergePatchType, body, metav1.PatchOptions{})
	if err != nil {
		return err
	}
	w.object = after
	c.ownWrites.Wrote(w.key, c.Caches.Rollouts, after.ResourceVersion)
	return nil
}
