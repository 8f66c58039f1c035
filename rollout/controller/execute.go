package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// errExpired says that a plan took too long to be carried out.
var errExpired = errors.New("the observation is too old to act on")

// shortestExpiry bounds from below how old an observation may become, for data planes that settle at once.
const shortestExpiry = time.Second

// execute carries the actions out in their order and stops at the first that fails. Every action states an end state, so
// repeating a plan that stopped half way is safe.
//
// A plan older than the settle time is not carried out. A process that was frozen meanwhile may have lost the lease, and its
// successor can have given traffic to what this plan is about to change; the precondition on the one object says nothing of
// the other.
func (c *Controller) execute(ctx context.Context, w *world, actions []rollout.Action) error {
	for _, action := range actions {
		if c.Clock().Sub(w.read) > max(w.observed.Spec.Settle, shortestExpiry) {
			return fmt.Errorf("%s: %w", describe(action), errExpired)
		}
		if err := c.do(ctx, w, action); err != nil {
			return fmt.Errorf("%s: %w", describe(action), err)
		}
	}
	return nil
}

func (c *Controller) do(ctx context.Context, w *world, action rollout.Action) error {
	switch a := action.(type) {
	case rollout.CreateWorkload:
		return c.create(ctx, w, a)
	case rollout.Scale:
		return c.scale(ctx, w, a)
	case rollout.Point:
		return c.point(ctx, w, a)
	case rollout.Shift:
		return c.shift(ctx, w, a)
	case rollout.DeleteWorkload:
		return c.delete(ctx, w, a)
	}
	return fmt.Errorf("no way to carry out a %T", action)
}

// describe says what was attempted, without the reason.
func describe(action rollout.Action) string {
	switch a := action.(type) {
	case rollout.CreateWorkload:
		return "create the ReplicaSet of revision " + a.Revision
	case rollout.Scale:
		return fmt.Sprintf("scale revision %s to %d pods", a.Revision, a.Replicas)
	case rollout.Point:
		return fmt.Sprintf("point the %s Service at revision %s", a.Backend, a.Revision)
	case rollout.Shift:
		return fmt.Sprintf("set canary weight %d", a.Percent)
	case rollout.DeleteWorkload:
		return "delete the ReplicaSet of revision " + a.Revision
	}
	return fmt.Sprintf("%T", action)
}

func (c *Controller) create(ctx context.Context, w *world, a rollout.CreateWorkload) error {
	body, err := newReplicaSet(w.object, a.Revision, a.Number, a.Replicas)
	if err != nil {
		return err
	}
	set, err := createReplicaSet(ctx, c.Kubernetes, w.key.Namespace, body, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return c.recognize(ctx, w, a.Revision, err)
	}
	if err != nil {
		return err
	}
	c.ownWrites.Wrote(w.key, c.Caches.ReplicaSets, set.ResourceVersion)
	return nil
}

// recognize accepts a ReplicaSet that exists already if it is ours: the answer to an earlier creation was lost, or a Rollout of
// this name was deleted without its pods (--cascade=orphan) and is back.
func (c *Controller) recognize(ctx context.Context, w *world, revision rollout.Revision, exists error) error {
	set, err := c.Kubernetes.AppsV1().ReplicaSets(w.key.Namespace).Get(ctx, workloadName(w.object.Name, revision), metav1.GetOptions{})
	if err != nil {
		return err
	}
	owner := metav1.GetControllerOf(set)
	switch {
	case owner == nil && set.Labels[ManagedLabel] == "true":
		return c.adoptOrphans(ctx, w)
	case owner == nil || owner.UID != w.object.UID || set.Labels[v1alpha1.PodTemplateHashLabel] != revision:
		return fmt.Errorf("%w, and it belongs to someone else: delete it or give the Rollout another name", exists)
	}
	c.ownWrites.Wrote(w.key, c.Caches.ReplicaSets, set.ResourceVersion)
	return nil
}

// adoptOrphans makes the Rollout the owner of all ReplicaSets that a Rollout of its name left behind, so that their pods go on
// serving and the old ones are removed in order.
func (c *Controller) adoptOrphans(ctx context.Context, w *world) error {
	sets := managedSets{c.Kubernetes.AppsV1().ReplicaSets(w.key.Namespace)}
	list, err := sets.List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&w.object.Spec.Selector)})
	if err != nil {
		return fmt.Errorf("list ReplicaSets to adopt: %w", err)
	}
	owner := metav1.NewControllerRef(w.object, v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))
	for _, set := range list.Items {
		if metav1.GetControllerOf(&set) != nil || set.Name != workloadName(w.object.Name, set.Labels[v1alpha1.PodTemplateHashLabel]) {
			continue
		}
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
			"uid": set.UID, "resourceVersion": set.ResourceVersion, "ownerReferences": append(set.OwnerReferences, *owner),
		}})
		if err != nil {
			return err
		}
		after, err := sets.sets.Patch(ctx, set.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil {
			return fmt.Errorf("adopt ReplicaSet %s: %w", set.Name, err)
		}
		c.ownWrites.Wrote(w.key, c.Caches.ReplicaSets, after.ResourceVersion)
	}
	return nil
}

// createReplicaSet posts the JSON as it is.
func createReplicaSet(ctx context.Context, client kubernetes.Interface, namespace string, body []byte, opts metav1.CreateOptions) (*appsv1.ReplicaSet, error) {
	set := &appsv1.ReplicaSet{}
	err := client.AppsV1().RESTClient().Post().Namespace(namespace).Resource("replicasets").
		VersionedParams(&opts, scheme.ParameterCodec).
		SetHeader("Content-Type", runtime.ContentTypeJSON).Body(body).Do(ctx).Into(set)
	return set, err
}

// preconditions make a merge patch fail unless the object is the one that was decided on.
type preconditions struct {
	UID             types.UID `json:"uid"`
	ResourceVersion string    `json:"resourceVersion"`
}

func (c *Controller) scale(ctx context.Context, w *world, a rollout.Scale) error {
	set := w.sets[a.Revision]
	if set == nil {
		return fmt.Errorf("revision %s has no ReplicaSet", a.Revision)
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": preconditions{UID: set.UID, ResourceVersion: set.ResourceVersion},
		"spec":     map[string]any{"replicas": a.Replicas, "minReadySeconds": w.object.Spec.MinReadySeconds},
	})
	if err != nil {
		return err
	}
	after, err := c.Kubernetes.AppsV1().ReplicaSets(w.key.Namespace).Patch(ctx, set.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return err
	}
	c.ownWrites.Wrote(w.key, c.Caches.ReplicaSets, after.ResourceVersion)
	return nil
}

// point sets the one key of the Service's selector that belongs to the engine.
func (c *Controller) point(ctx context.Context, w *world, a rollout.Point) error {
	service := w.services[a.Backend]
	if service == nil {
		return fmt.Errorf("the %s Service does not exist", a.Backend)
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": preconditions{UID: service.UID, ResourceVersion: service.ResourceVersion},
		"spec":     map[string]any{"selector": map[string]string{v1alpha1.PodTemplateHashLabel: a.Revision}},
	})
	if err != nil {
		return err
	}
	after, err := c.Kubernetes.CoreV1().Services(w.key.Namespace).Patch(ctx, service.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return err
	}
	c.ownWrites.Wrote(w.key, c.Caches.Services, after.ResourceVersion)
	return nil
}

func (c *Controller) shift(ctx context.Context, w *world, a rollout.Shift) error {
	writes, err := c.Router.Apply(ctx, w.target, w.observed.Routes, a.Percent)
	for _, write := range writes {
		c.ownWrites.Wrote(w.key, c.Caches.route(write.Kind), write.ResourceVersion)
	}
	return err
}

func (c *Controller) delete(ctx context.Context, w *world, a rollout.DeleteWorkload) error {
	set := w.sets[a.Revision]
	if set == nil {
		return nil
	}
	background := metav1.DeletePropagationBackground
	err := c.Kubernetes.AppsV1().ReplicaSets(w.key.Namespace).Delete(ctx, set.Name, metav1.DeleteOptions{
		Preconditions:     &metav1.Preconditions{UID: &set.UID, ResourceVersion: &set.ResourceVersion},
		PropagationPolicy: &background,
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

var _ engine.Reconciler = (*Controller)(nil)
