package controller

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// liveReader asks the API server.
type liveReader struct{ c *Controller }

func (c *Controller) live() reader { return liveReader{c} }

func (l liveReader) isLive() bool { return true }

func (l liveReader) rollout(ctx context.Context, key engine.Key) (*v1alpha1.Rollout, error) {
	r, err := l.c.Rollouts.Rollouts(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return r, err
}

func (l liveReader) workloads(ctx context.Context, owner *v1alpha1.Rollout) ([]*appsv1.ReplicaSet, error) {
	// The selector narrows the list to about the Rollout's own; the owner reference decides.
	list, err := managedSets{l.c.Kubernetes.AppsV1().ReplicaSets(owner.Namespace)}.List(ctx, metav1.ListOptions{LabelSelector: narrowing(owner)})
	if err != nil {
		return nil, err
	}
	var owned []*appsv1.ReplicaSet
	for i := range list.Items {
		if metav1.IsControlledBy(&list.Items[i], owner) {
			owned = append(owned, &list.Items[i])
		}
	}
	return owned, nil
}

func (l liveReader) deployment(ctx context.Context, key engine.Key) (*deployment, error) {
	return l.c.Sources.deployment(ctx, key)
}

func (l liveReader) service(ctx context.Context, key engine.Key) (*corev1.Service, error) {
	s, err := l.c.Kubernetes.CoreV1().Services(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return s, err
}

func (l liveReader) endpoints(ctx context.Context, service engine.Key) ([]*discoveryv1.EndpointSlice, error) {
	list, err := l.c.Kubernetes.DiscoveryV1().EndpointSlices(service.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + service.Name,
	})
	if err != nil {
		return nil, err
	}
	slices := make([]*discoveryv1.EndpointSlice, len(list.Items))
	for i := range list.Items {
		slices[i] = &list.Items[i]
	}
	return slices, nil
}
