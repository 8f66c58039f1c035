package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// dress changes what the pods of a revision carry besides the template, without a restart, in three steps. The template of the
// ReplicaSet comes first. Once the ReplicaSet controller says that it has seen it, no pod is made of the old one any more, and
// the pods that there are follow. Last the ReplicaSet says that all of them have it. Wherever this is interrupted, the next
// pass finds out from the ReplicaSet how far it went.
func (c *Controller) dress(ctx context.Context, w *world, a rollout.Dress) (outcome, error) {
	known := w.sets[a.Revision]
	if known == nil {
		return outcome{}, fmt.Errorf("revision %s has no ReplicaSet", a.Revision)
	}
	if !seen(known) {
		return outcome{}, nil
	}
	// The caches hold ReplicaSets without their templates.
	set, err := c.Kubernetes.AppsV1().ReplicaSets(w.key.Namespace).Get(ctx, known.Name, metav1.GetOptions{})
	if err != nil {
		return outcome{}, err
	}
	if set.UID != known.UID {
		return outcome{}, fmt.Errorf("ReplicaSet %s is another one by now: %w", set.Name, errExpired)
	}
	f := fit(set, w.outfits[a.Role])
	if patch := f.template(set, w.object.Spec.MinReadySeconds); patch != nil {
		return outcome{acted: true}, c.patchSet(ctx, w, a.Revision, set, patch)
	}
	if !seen(set) {
		return outcome{}, nil
	}
	if acted, err := c.dressPods(ctx, w, a.Revision, f); err != nil || acted.unfinished {
		return acted, err
	}
	return outcome{acted: true}, c.patchSet(ctx, w, a.Revision, set, map[string]any{"metadata": f.finished()})
}

// seen says whether the ReplicaSet controller works with the present template.
func seen(set *appsv1.ReplicaSet) bool { return set.Status.ObservedGeneration >= set.Generation }

// dressPods changes the pods that there are.
func (c *Controller) dressPods(ctx context.Context, w *world, revision rollout.Revision, f fitted) (outcome, error) {
	pods, err := c.podsOf(ctx, w, revision)
	if err != nil {
		return outcome{}, err
	}
	for _, pod := range pods {
		change := f.pod(pod)
		if change == nil {
			continue
		}
		if c.expired(w) {
			return outcome{acted: true, unfinished: true}, nil
		}
		change["uid"] = pod.UID
		patch, err := json.Marshal(map[string]any{"metadata": change})
		if err != nil {
			return outcome{}, err
		}
		_, err = c.Kubernetes.CoreV1().Pods(w.key.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return outcome{}, fmt.Errorf("patch pod %s: %w", pod.Name, err)
		}
	}
	return outcome{}, nil
}

// fitted is an outfit for the pods of one ReplicaSet: without the keys that its template has of its user.
type fitted struct {
	outfit v1alpha1.PodMetadata
	// wanted is the look of the whole outfit.
	wanted string
	was    worn
}

// fit takes the keys out that an older template has of its user: resolve only knows the newest.
func fit(set *appsv1.ReplicaSet, outfit v1alpha1.PodMetadata) fitted {
	was := readWorn(set)
	theirs := func(values map[string]string, own []string) map[string]string {
		others := map[string]string{}
		for key := range values {
			if !slices.Contains(own, key) {
				others[key] = ""
			}
		}
		return others
	}
	return fitted{wanted: wornBy(outfit).Look, was: was, outfit: v1alpha1.PodMetadata{
		Labels:      without(outfit.Labels, theirs(set.Spec.Template.Labels, was.Labels)),
		Annotations: without(outfit.Annotations, theirs(set.Spec.Template.Annotations, was.Annotations)),
	}}
}

func without(values, keys map[string]string) map[string]string {
	left := map[string]string{}
	for key, value := range values {
		if _, drop := keys[key]; !drop {
			left[key] = value
		}
	}
	return left
}

// template is the merge patch that puts the outfit on the ReplicaSet's template and takes off what it no longer has; nil if that
// is so.
func (f fitted) template(set *appsv1.ReplicaSet, minReadySeconds int32) map[string]any {
	spec := map[string]any{}
	if set.Spec.MinReadySeconds != minReadySeconds {
		spec["minReadySeconds"] = minReadySeconds
	}
	patch := map[string]any{"spec": spec}
	if change := f.change(set.Spec.Template.ObjectMeta); change != nil {
		spec["template"] = map[string]any{"metadata": change}
		now := wornBy(f.outfit)
		begun := worn{Labels: union(f.was.Labels, now.Labels), Annotations: union(f.was.Annotations, now.Annotations)}
		patch["metadata"] = map[string]any{"annotations": map[string]any{LookAnnotation: begun.text()}}
	}
	if len(spec) == 0 {
		return nil
	}
	return patch
}

// pod is the change of a pod's metadata, nil if it needs none.
func (f fitted) pod(pod corev1.Pod) map[string]any { return f.change(pod.ObjectMeta) }

// change is what differs between metadata and what the outfit makes of it, as a merge patch; nil if nothing does.
func (f fitted) change(m metav1.ObjectMeta) map[string]any {
	change := map[string]any{}
	for field, values := range map[string]map[string]any{
		"labels":      difference(m.Labels, f.outfit.Labels, f.was.Labels),
		"annotations": difference(m.Annotations, f.outfit.Annotations, f.was.Annotations),
	} {
		if len(values) > 0 {
			change[field] = values
		}
	}
	if len(change) == 0 {
		return nil
	}
	return change
}

// difference sets what is wanted and isn't there, and removes what was put on and is wanted no longer.
func difference(have, wanted map[string]string, put []string) map[string]any {
	values := map[string]any{}
	for key, value := range wanted {
		if has, there := have[key]; !there || has != value {
			values[key] = value
		}
	}
	for _, key := range put {
		_, keep := wanted[key]
		if _, there := have[key]; there && !keep {
			values[key] = nil
		}
	}
	return values
}

// finished is the ReplicaSet's metadata once all pods have the outfit.
func (f fitted) finished() map[string]any {
	now := wornBy(f.outfit)
	if f.wanted == "" {
		return map[string]any{"annotations": map[string]any{LookAnnotation: nil}}
	}
	now.Look = f.wanted
	return map[string]any{"annotations": map[string]any{LookAnnotation: now.text()}}
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
