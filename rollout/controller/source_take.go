package controller

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// What the Deployment's controller notes on ReplicaSets: the number of the revision, and for how many pods of the Deployment
// the ReplicaSet was last scaled.
const (
	deploymentRevision = "deployment.kubernetes.io/revision"
	desiredReplicas    = "deployment.kubernetes.io/desired-replicas"
	maxReplicas        = "deployment.kubernetes.io/max-replicas"
)

// takeOver makes the ReplicaSets of the Deployment the Rollout's. First the Deployment is paused, and its controller has to have
// seen that: it would at once make new ReplicaSets for those that are taken. Those without pods go first, since the controller
// of a paused Deployment that has nothing but them asks the newest for pods.
func (c *Controller) takeOver(ctx context.Context, w *world) (outcome, error) {
	if w.source == nil || w.source.deployment == nil {
		return outcome{}, errors.New("there is no Deployment")
	}
	held, err := c.hold(ctx, w)
	if err != nil || !held {
		return outcome{acted: !held}, err
	}
	d := w.source.deployment
	if !d.seen() {
		return outcome{}, nil
	}
	sets, err := c.setsOf(ctx, w, d)
	if err != nil {
		return outcome{}, err
	}
	for i, set := range sets {
		if c.expired(w) {
			return outcome{acted: i > 0, unfinished: true}, nil
		}
		patch, err := takePatch(set, w.object, d)
		if err != nil {
			return outcome{}, err
		}
		if err := c.patchLent(ctx, w, set, patch); err != nil {
			return outcome{}, fmt.Errorf("take ReplicaSet %s over: %w", set.Name, err)
		}
	}
	return outcome{acted: len(sets) > 0}, nil
}

// hold keeps the Rollout until it has handed the pods back, pauses the Deployment and says on it who did. It says whether all of
// that was so before.
func (c *Controller) hold(ctx context.Context, w *world) (held bool, err error) {
	if !slices.Contains(w.object.Finalizers, HandBackFinalizer) {
		if err := c.patchFinalizers(ctx, w, append(slices.Clone(w.object.Finalizers), HandBackFinalizer)); err != nil {
			return false, fmt.Errorf("keep the Rollout until it has handed the pods back: %w", err)
		}
	}
	d := w.source.deployment
	if d.Spec.Paused && d.heldBy(w.object.UID) {
		return true, nil
	}
	labels := map[string]any{TakenOverLabel: w.object.UID}
	if _, before := d.Labels[TakenOverLabel]; !before && d.Spec.Paused {
		labels[PausedBeforeLabel] = "true"
	}
	patch := map[string]any{
		"metadata": map[string]any{"labels": labels, "annotations": map[string]any{HandedBackAnnotation: nil}},
		"spec":     map[string]any{"paused": true},
	}
	if err := c.patchDeployment(ctx, w, patch); err != nil {
		return false, fmt.Errorf("pause Deployment %s: %w", d.Name, err)
	}
	return false, nil
}

// setsOf are the ReplicaSets of a Deployment, those that an earlier Rollout had of it and that belong to nobody now, and those of
// this Rollout that an earlier Deployment of the name has lent. The ones with pods come last.
func (c *Controller) setsOf(ctx context.Context, w *world, d *deployment) ([]lentSet, error) {
	byName := map[string]lentSet{}
	for _, selector := range []string{selectorText(d.Spec.Selector), managedAnd("")} {
		sets, err := c.lentSets(ctx, w, selector)
		if err != nil {
			return nil, err
		}
		for _, set := range sets {
			owner, lent := metav1.GetControllerOf(&set), set.lentBy(d)
			switch {
			case owner == nil && lent, owner != nil && owner.UID == d.UID, owner != nil && owner.UID == w.object.UID && !lent:
				byName[set.Name] = set
			}
		}
	}
	return slices.SortedFunc(maps.Values(byName), func(a, b lentSet) int {
		return cmp.Or(cmp.Compare(a.size(), b.size()), cmp.Compare(a.Name, b.Name))
	}), nil
}

// lentBy says whether a ReplicaSet was made for a Deployment that doesn't control it.
func (s *lentSet) lentBy(d *deployment) bool {
	return slices.ContainsFunc(s.OwnerReferences, func(o metav1.OwnerReference) bool { return lends(o) && o.UID == d.UID })
}

// size is how many pods a ReplicaSet has or wants.
func (s *lentSet) size() int32 { return max(orDefault(s.Spec.Replicas, 1), s.Status.Replicas) }

// takePatch makes a ReplicaSet of the Deployment the Rollout's.
func takePatch(set lentSet, r *v1alpha1.Rollout, d *deployment) (map[string]any, error) {
	if set.Labels[v1alpha1.PodTemplateHashLabel] == "" {
		return nil, fmt.Errorf("ReplicaSet %s of Deployment %s has no label %s: delete it, or give it one that its pods and its selector have too",
			set.Name, d.Name, v1alpha1.PodTemplateHashLabel)
	}
	tree, err := plain(&set)
	if err != nil {
		return nil, err
	}
	raw := text(tree)
	if wanted, err := (template{raw: d.Spec.Template.Raw()}).tree(); err == nil && sameTree(tree, wanted) {
		raw = d.Spec.Template.Raw()
	}
	hash, err := rollout.Hash(raw)
	if err != nil {
		return nil, err
	}
	annotations := map[string]any{HashAnnotation: hash, desiredReplicas: nil, maxReplicas: nil}
	if len(raw) <= maxTemplateAnnotation {
		annotations[v1alpha1.TemplateAnnotation] = string(raw)
	}
	if _, numbered := set.Annotations[v1alpha1.RevisionAnnotation]; !numbered {
		annotations[v1alpha1.RevisionAnnotation] = set.Annotations[deploymentRevision]
	}
	labels := map[string]any{ManagedLabel: "true", BorrowerLabel: r.UID}
	for _, key := range selectedKeys(d.Spec.Selector) {
		if _, there := set.Labels[key]; there {
			labels[key] = nil
		}
	}
	return map[string]any{"metadata": map[string]any{
		"labels": labels, "annotations": annotations, "ownerReferences": owners(set.OwnerReferences, r, d),
	}}, nil
}

// owners are those of a ReplicaSet that a Rollout controls for a Deployment. The Deployment stays an owner, one that controls
// nothing: as long as there is one owner the garbage collector takes no pod, whatever becomes of the other and in whichever
// way it is deleted.
func owners(before []metav1.OwnerReference, r *v1alpha1.Rollout, d *deployment) []metav1.OwnerReference {
	others := slices.DeleteFunc(slices.Clone(before), func(o metav1.OwnerReference) bool { return o.UID == r.UID || o.UID == d.UID })
	return append(others,
		*metav1.NewControllerRef(r, v1alpha1.GroupVersion.WithKind(v1alpha1.Kind)),
		metav1.OwnerReference{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "Deployment", Name: d.Name, UID: d.UID})
}

// selectedKeys are the labels that a selector asks for. A ReplicaSet that lacks them is adopted by no Deployment, whatever
// becomes of its Rollout. Adopted at a time that nobody has prepared, it would be scaled.
func selectedKeys(selector *metav1.LabelSelector) []string {
	if selector == nil {
		return nil
	}
	keys := slices.Collect(maps.Keys(selector.MatchLabels))
	for _, e := range selector.MatchExpressions {
		if e.Operator == metav1.LabelSelectorOpIn || e.Operator == metav1.LabelSelectorOpExists {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

// narrowing is a selector for the ReplicaSets of a Rollout, and perhaps some of others.
func narrowing(r *v1alpha1.Rollout) string {
	if r.Spec.WorkloadRef != nil {
		return BorrowerLabel + "=" + string(r.UID)
	}
	return selectorText(r.Spec.Selector)
}

// orphans is a selector for the ReplicaSets that a Rollout of the same name has left, and perhaps for some of others.
func (w *world) orphans() string {
	if w.source != nil {
		return ""
	}
	return narrowing(w.object)
}

// lend makes a new ReplicaSet like one that was taken over, if the pods are a Deployment's.
func (w *world) lend(labels map[string]any, own []metav1.OwnerReference) []metav1.OwnerReference {
	if w.source == nil || w.source.deployment == nil {
		return own
	}
	for _, key := range selectedKeys(w.source.deployment.Spec.Selector) {
		delete(labels, key)
	}
	labels[BorrowerLabel] = w.object.UID
	return owners(own, w.object, w.source.deployment)
}

// patchLent merges a patch into a ReplicaSet, unless it has changed since it was read.
func (c *Controller) patchLent(ctx context.Context, w *world, set lentSet, patch map[string]any) error {
	body, err := json.Marshal(conditional(&set, patch))
	if err != nil {
		return err
	}
	after, err := c.Sources.replicaSets(w.key.Namespace).Patch(ctx, set.Name, types.MergePatchType, body, metav1.PatchOptions{})
	if err != nil {
		return err
	}
	c.ownWrites.Wrote(w.key, c.Caches.ReplicaSets, after.ResourceVersion)
	return nil
}

// patchDeployment merges a patch into the Deployment, unless it has changed since it was read.
func (c *Controller) patchDeployment(ctx context.Context, w *world, patch map[string]any) error {
	d := w.source.deployment
	body, err := json.Marshal(conditional(d, patch))
	if err != nil {
		return err
	}
	after, err := c.Sources.deployments(w.key.Namespace).Patch(ctx, d.Name, types.MergePatchType, body, metav1.PatchOptions{})
	if err != nil {
		return err
	}
	w.source.deployment = after
	c.ownWrites.Wrote(w.key, c.Caches.held, after.ResourceVersion)
	return nil
}

// patchFinalizers replaces the Rollout's finalizers.
func (c *Controller) patchFinalizers(ctx context.Context, w *world, finalizers []string) error {
	return c.patchRollout(ctx, w, map[string]any{"metadata": map[string]any{"finalizers": finalizers}})
}
