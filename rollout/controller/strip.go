package controller

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// The functions below drop what no pass reads before an object is cached. A ReplicaSet of a real application is some
// 12 KiB in memory and 1 KiB without its template, and there are ten of them for each Rollout.

func stripRollout(r *v1alpha1.Rollout) *v1alpha1.Rollout {
	r.ManagedFields = nil
	delete(r.Annotations, corev1.LastAppliedConfigAnnotation)
	return r
}

func stripReplicaSet(set *appsv1.ReplicaSet) *appsv1.ReplicaSet {
	bare := bareMeta(set.ObjectMeta)
	if hash, there := set.Labels[v1alpha1.PodTemplateHashLabel]; there {
		bare.Labels = map[string]string{v1alpha1.PodTemplateHashLabel: hash}
	}
	for _, key := range []string{v1alpha1.RevisionAnnotation, LookAnnotation, HashAnnotation, StableAnnotation} {
		if value, there := set.Annotations[key]; there {
			if bare.Annotations == nil {
				bare.Annotations = map[string]string{}
			}
			bare.Annotations[key] = value
		}
	}
	bare.OwnerReferences = set.OwnerReferences
	return &appsv1.ReplicaSet{ObjectMeta: bare, Status: set.Status,
		Spec: appsv1.ReplicaSetSpec{Replicas: set.Spec.Replicas, MinReadySeconds: set.Spec.MinReadySeconds}}
}

func stripService(s *corev1.Service) *corev1.Service {
	return &corev1.Service{ObjectMeta: bareMeta(s.ObjectMeta), Spec: corev1.ServiceSpec{Selector: s.Spec.Selector}}
}

func stripEndpointSlice(slice *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	bare := &discoveryv1.EndpointSlice{ObjectMeta: bareMeta(slice.ObjectMeta)}
	bare.Labels = map[string]string{discoveryv1.LabelServiceName: slice.Labels[discoveryv1.LabelServiceName]}
	for _, e := range slice.Endpoints {
		if e.TargetRef == nil {
			continue
		}
		bare.Endpoints = append(bare.Endpoints, discoveryv1.Endpoint{
			Conditions: discoveryv1.EndpointConditions{Ready: e.Conditions.Ready},
			TargetRef:  &corev1.ObjectReference{Name: e.TargetRef.Name},
		})
	}
	return bare
}

// bareMeta is what identifies an object and tells its versions apart.
func bareMeta(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion, Generation: m.Generation,
		CreationTimestamp: m.CreationTimestamp, DeletionTimestamp: m.DeletionTimestamp,
	}
}
