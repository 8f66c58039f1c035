package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// handBackPause is how often it is looked whether the Deployment's controller has done its part.
const handBackPause = 200 * time.Millisecond

// parting is a Rollout that is being deleted and holds a Deployment, as read from the API server.
type parting struct {
	*world
	// lent are the ReplicaSets by revision.
	lent map[rollout.Revision]lentSet
}

// depart ends what there is to end for a Rollout that is gone or on its way out.
func (c *Controller) depart(ctx context.Context, key engine.Key, now time.Time) (time.Time, error) {
	object, there := c.Caches.Rollouts.Get(key)
	if !there || !slices.Contains(object.Finalizers, HandBackFinalizer) {
		c.forget(key)
		return time.Time{}, nil
	}
	c.Measurer.Want(key, nil)
	c.Measurer.receive(key, nil)
	again, err := c.handBack(ctx, key, now)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		c.Log.Debug("the hand-back is out of date", zap.Stringer("rollout", key), zap.Error(err))
		return now.Add(disagreementPause), nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("hand the pods of Rollout %s back: %w", key, err)
	}
	return again, nil
}

// handBack does the next step. It decides on live reads: deletions are rare, and most of what is read is watched by nobody.
func (c *Controller) handBack(ctx context.Context, key engine.Key, now time.Time) (time.Time, error) {
	p, err := c.observeParting(ctx, key, now)
	if err != nil || p == nil {
		return time.Time{}, err
	}
	next := rollout.HandBack(p.departing())
	for _, action := range next.Actions {
		if _, last := action.(rollout.Forget); last {
			// Afterwards there may be nobody left to be told about.
			c.tellParting(p, next.Events)
		}
		if err := c.partWith(ctx, p, action); err != nil {
			return time.Time{}, err
		}
		c.Log.Info(action.String(), zap.Stringer("rollout", key))
	}
	switch {
	case next.Waits != "":
		c.Log.Debug("waiting for "+next.Waits, zap.Stringer("rollout", key))
		return now.Add(handBackPause), nil
	case !slices.Contains(p.object.Finalizers, HandBackFinalizer):
		return time.Time{}, nil
	}
	return now, nil
}

// observeParting reads everything that a hand-back needs; nil if the Rollout is gone.
func (c *Controller) observeParting(ctx context.Context, key engine.Key, now time.Time) (*parting, error) {
	live := c.live()
	object, err := live.rollout(ctx, key)
	if err != nil || object == nil || !slices.Contains(object.Finalizers, HandBackFinalizer) {
		return nil, err
	}
	w := &world{key: key, object: object, services: map[string]*corev1.Service{}, source: &source{}, read: c.Clock()}
	w.observed.Now, w.observed.Status = now, readStatus(object.Status)
	if ref := object.Spec.WorkloadRef; ref != nil {
		w.source.name = ref.Name
		if w.source.deployment, err = live.deployment(ctx, engine.Key{Namespace: key.Namespace, Name: ref.Name}); err != nil {
			return nil, fmt.Errorf("read Deployment %s: %w", ref.Name, err)
		}
	}
	if w.observed.Status.Wiring.Mode != "" {
		w.target = target(key.Namespace, w.observed.Status.Wiring, w.observed.Status.Swapped)
		if err := c.observeBackends(ctx, live, w); err != nil {
			return nil, err
		}
	}
	p := &parting{world: w, lent: map[rollout.Revision]lentSet{}}
	return p, c.observeLent(ctx, p)
}

// observeLent reads the ReplicaSets that belong to the Rollout, to the Deployment, or after them to nobody.
func (c *Controller) observeLent(ctx context.Context, p *parting) error {
	sets, err := c.lentSets(ctx, p.world, managedAnd(""))
	if err != nil {
		return err
	}
	var lender []lentSet
	if d := p.lender(); d != nil {
		if lender, err = c.lentSets(ctx, p.world, selectorText(d.Spec.Selector)); err != nil {
			return err
		}
	}
	for _, set := range slices.Concat(sets, lender) {
		if p.holder(set) != 0 {
			p.lent[set.Labels[v1alpha1.PodTemplateHashLabel]] = set
		}
	}
	return nil
}

// lender is the Deployment, nil if there is none, it is on its way out, or another Rollout has it.
func (p *parting) lender() *deployment {
	d := p.source.deployment
	if d == nil || d.DeletionTimestamp != nil || d.Labels[TakenOverLabel] != "" && !d.heldBy(p.object.UID) {
		return nil
	}
	return d
}

// holder says whom a ReplicaSet belongs to, zero for somebody who has nothing to do with the Rollout.
func (p *parting) holder(set lentSet) rollout.Holder {
	d, owner := p.lender(), metav1.GetControllerOf(&set)
	switch {
	case owner != nil && owner.UID == p.object.UID:
		return rollout.HeldByRollout
	case d == nil:
	case owner != nil && owner.UID == d.UID:
		return rollout.HeldBySource
	case owner == nil && set.lentBy(d):
		return rollout.HeldByNobody
	}
	return 0
}

// departing is what the domain knows of the parting.
func (p *parting) departing() rollout.Departing {
	o := rollout.Departing{
		Now: p.observed.Now, Stable: p.observed.Status.Stable,
		Deadline: p.object.DeletionTimestamp.Add(seconds(p.object.Spec.ProgressDeadlineSeconds, defaultProgressDeadline)),
		Backends: map[rollout.Role]rollout.Backend{rollout.StableRole: p.observed.Stable, rollout.CanaryRole: p.observed.Canary},
		Source:   rollout.Lender{Name: p.source.name, Missing: true},
	}
	if d := p.lender(); d != nil {
		o.Source = rollout.Lender{
			Name: d.Name, Held: d.heldBy(p.object.UID), PausedBefore: d.Labels[PausedBeforeLabel] != "", Seen: d.seen(),
			Target: p.target(d), Replicas: int(orDefault(d.Spec.Replicas, defaultReplicas)),
			Pods: int(d.Status.Replicas), Updated: int(d.Status.UpdatedReplicas),
		}
	}
	for _, revision := range slices.Sorted(maps.Keys(p.lent)) {
		set := p.lent[revision]
		o.Holdings = append(o.Holdings, rollout.Holding{
			Revision: revision, Name: set.Name, Holder: p.holder(set),
			Replicas: int(orDefault(set.Spec.Replicas, 1)), Pods: int(set.Status.Replicas),
		})
	}
	return o
}

// target is the revision of the Deployment's template. Hashes don't tell it: those that are on their way back have lost theirs.
func (p *parting) target(d *deployment) rollout.Revision {
	wanted, err := template{raw: d.Spec.Template.Raw()}.tree()
	if err != nil {
		return ""
	}
	var target rollout.Revision
	for _, revision := range slices.Sorted(maps.Keys(p.lent)) {
		set := p.lent[revision]
		if tree, err := plain(&set); err == nil && sameTree(tree, wanted) && (target == "" || set.size() > 0) {
			target = revision
		}
	}
	return target
}

// partWith carries an action out.
func (c *Controller) partWith(ctx context.Context, p *parting, action rollout.Action) error {
	var err error
	switch a := action.(type) {
	case rollout.Widen:
		err = c.point(ctx, p.world, a.Service, a.SubsetOf, "")
	case rollout.Resize:
		err = c.patchDeployment(ctx, p.world, map[string]any{"spec": map[string]any{"replicas": a.Replicas}})
	case rollout.GiveBack:
		err = c.release(ctx, p, a.Revision, true, controllerOf(p.source.deployment))
	case rollout.Leave:
		err = c.release(ctx, p, a.Revision, a.Open)
	case rollout.LetGo:
		err = c.letGo(ctx, p, a)
	case rollout.Forget:
		err = c.patchFinalizers(ctx, p.world, slices.DeleteFunc(slices.Clone(p.object.Finalizers), func(f string) bool { return f == HandBackFinalizer }))
	default:
		err = errors.New("no way to carry it out")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	return nil
}

// release ends the ownership of a ReplicaSet, and makes it that of others. Open: it becomes what it would be if a Deployment had
// made it, so that its controller finds nothing to do.
func (c *Controller) release(ctx context.Context, p *parting, revision rollout.Revision, open bool, to ...metav1.OwnerReference) error {
	set := p.lent[revision]
	owners := slices.DeleteFunc(slices.Clone(set.OwnerReferences), func(o metav1.OwnerReference) bool {
		return o.UID == p.object.UID || slices.ContainsFunc(to, func(t metav1.OwnerReference) bool { return t.UID == o.UID })
	})
	patch := leavePatch(revision == p.observed.Status.Stable)
	if open {
		var err error
		if patch, err = returnPatch(set); err != nil {
			return err
		}
	}
	object(patch, "metadata")["ownerReferences"] = append(owners, to...)
	return c.patchLent(ctx, p.world, set, patch)
}

func controllerOf(d *deployment) metav1.OwnerReference {
	return *metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))
}

// returnPatch takes off a ReplicaSet what the Rollout has put on it. Its pods keep what they carry: only new ones are made of
// the template.
func returnPatch(set lentSet) (map[string]any, error) {
	after, err := plain(&set)
	if err != nil {
		return nil, err
	}
	before, err := template{raw: set.Spec.Template.Raw()}.tree()
	if err != nil {
		return nil, err
	}
	labels := object(object(after, "metadata"), "labels")
	labels[v1alpha1.PodTemplateHashLabel] = set.Labels[v1alpha1.PodTemplateHashLabel]
	own := map[string]any{ManagedLabel: nil, BorrowerLabel: nil}
	maps.Copy(own, labels)
	annotations := map[string]any{desiredReplicas: nil, maxReplicas: nil}
	for _, key := range []string{v1alpha1.RevisionAnnotation, v1alpha1.TemplateAnnotation, HashAnnotation, LookAnnotation, StableAnnotation, HandedBackAnnotation} {
		annotations[key] = nil
	}
	if number, there := set.Annotations[v1alpha1.RevisionAnnotation]; there {
		annotations[deploymentRevision] = number
	}
	patch := map[string]any{"metadata": map[string]any{"labels": own, "annotations": annotations}}
	if changed := change(before, after); len(changed) > 0 {
		patch["spec"] = map[string]any{"template": changed}
	}
	return patch, nil
}

// leavePatch remembers whether a ReplicaSet was stable, for a Rollout that is made later and takes it over again.
func leavePatch(stable bool) map[string]any {
	var mark any
	if stable {
		mark = "true"
	}
	return map[string]any{"metadata": map[string]any{"annotations": map[string]any{StableAnnotation: mark}}}
}

// letGo ends the hold on the Deployment.
func (c *Controller) letGo(ctx context.Context, p *parting, a rollout.LetGo) error {
	if p.lender() == nil {
		return nil
	}
	var note any
	if a.Note != "" {
		note = a.Note
	}
	return c.patchDeployment(ctx, p.world, map[string]any{
		"metadata": map[string]any{
			"labels":      map[string]any{TakenOverLabel: nil, PausedBeforeLabel: nil},
			"annotations": map[string]any{HandedBackAnnotation: note},
		},
		"spec": map[string]any{"paused": a.Paused},
	})
}

// tellParting makes events of the Rollout and of the Deployment, which is still there for people to look at.
func (c *Controller) tellParting(p *parting, events []rollout.Event) {
	about := []runtime.Object{p.object}
	if d := p.source.deployment; d != nil {
		about = append(about, &corev1.ObjectReference{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "Deployment",
			Namespace: d.Namespace, Name: d.Name, UID: d.UID, ResourceVersion: d.ResourceVersion})
	}
	for _, event := range events {
		kind := corev1.EventTypeNormal
		if event.Warning {
			kind = corev1.EventTypeWarning
		}
		for _, object := range about {
			c.Events.Event(object, kind, event.Reason, event.Message)
		}
		c.Log.Info(event.Message, zap.Stringer("rollout", p.key), zap.String("reason", event.Reason))
	}
}
