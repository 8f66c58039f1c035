package controller

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func (c *Controller) create(ctx context.Context, w *world, a rollout.CreateWorkload) error {
	body, err := w.newReplicaSet(a.Revision, a.Number, a.Replicas)
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
	list, err := sets.List(ctx, metav1.ListOptions{LabelSelector: w.orphans()})
	if err != nil {
		return fmt.Errorf("list ReplicaSets to adopt: %w", err)
	}
	owner := metav1.NewControllerRef(w.object, v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))
	for _, set := range list.Items {
		revision := set.Labels[v1alpha1.PodTemplateHashLabel]
		if metav1.GetControllerOf(&set) != nil || set.Name != workloadName(w.object.Name, revision) {
			continue
		}
		labels := map[string]any{}
		patch := map[string]any{"metadata": map[string]any{"labels": labels, "ownerReferences": w.lend(labels, append(set.OwnerReferences, *owner))}}
		if err := c.patchSet(ctx, w, revision, &set, patch); err != nil {
			return fmt.Errorf("adopt ReplicaSet %s: %w", set.Name, err)
		}
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
