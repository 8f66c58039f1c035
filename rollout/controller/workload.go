package controller

import (
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// workload is what the domain knows of a ReplicaSet.
func workload(revision rollout.Revision, set *appsv1.ReplicaSet, minReadySeconds int32) rollout.Workload {
	number, _ := strconv.ParseInt(set.Annotations[v1alpha1.RevisionAnnotation], 10, 64)
	return rollout.Workload{
		Revision:  revision,
		Number:    number,
		Replicas:  int(orDefault(set.Spec.Replicas, 1)),
		Created:   set.CreationTimestamp.Time,
		Ready:     int(set.Status.ReadyReplicas),
		Available: int(set.Status.AvailableReplicas),
		Look:      lookOf(set, minReadySeconds),
	}
}

// readyEndpoints counts the endpoints that take traffic by the revision of their pod. The pod's name tells it, which
// spares watching every pod of the cluster.
func readyEndpoints(slices []*discoveryv1.EndpointSlice, sets map[rollout.Revision]*appsv1.ReplicaSet) map[rollout.Revision]int {
	ready := map[rollout.Revision]int{}
	counted := map[string]bool{}
	for _, slice := range slices {
		for _, endpoint := range slice.Endpoints {
			isReady := endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
			pod := endpoint.TargetRef
			// A pod stands in one slice for each IP family.
			if !isReady || pod == nil || counted[pod.Name] {
				continue
			}
			counted[pod.Name] = true
			ready[revisionOf(pod.Name, sets)]++
		}
	}
	return ready
}

// revisionOf is the revision of a pod, empty for a pod that belongs to nobody here. Where a Deployment has a long name the pods of
// several of its ReplicaSets may have the same prefix; then it is that of the only one with pods.
func revisionOf(pod string, sets map[rollout.Revision]*appsv1.ReplicaSet) rollout.Revision {
	longest := 0
	var found []rollout.Revision
	for revision, set := range sets {
		prefix := set.Name + "-"
		prefix = prefix[:min(len(prefix), maxPrefixLength)]
		if len(prefix) < longest || !strings.HasPrefix(pod, prefix) {
			continue
		}
		if len(prefix) > longest {
			longest, found = len(prefix), nil
		}
		found = append(found, revision)
	}
	if len(found) > 1 {
		found = slices.DeleteFunc(found, func(r rollout.Revision) bool { return !hasPods(sets[r]) })
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

// selects says whether a Service's own selector, apart from the hash that the engine sets, selects pods with these labels.
func selects(service *corev1.Service, labels map[string]string) (mismatch string, ok bool) {
	for key, value := range service.Spec.Selector {
		if key == v1alpha1.PodTemplateHashLabel {
			continue
		}
		if has, there := labels[key]; !there || has != value {
			return key + "=" + value, false
		}
	}
	return "", true
}
