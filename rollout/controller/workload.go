package controller

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// ManagedLabel marks the ReplicaSets of Rollouts, so that nobody else's have to be watched. Pods don't carry it.
const ManagedLabel = "rollout.dev/managed"

// maxNameLength keeps "name-hash-" within the 58 letters that the API server keeps of a prefix when it names a pod. A
// longer name would cut the hash off, and pods of two revisions could not be told apart.
const maxNameLength = 58 - len("--") - 10

// workload is what the domain knows of a ReplicaSet.
func workload(revision rollout.Revision, set *appsv1.ReplicaSet) rollout.Workload {
	number, _ := strconv.ParseInt(set.Annotations[v1alpha1.RevisionAnnotation], 10, 64)
	replicas := 1
	if set.Spec.Replicas != nil {
		replicas = int(*set.Spec.Replicas)
	}
	w := rollout.Workload{
		Revision: revision,
		Number:   number,
		Replicas: replicas,
		Created:  set.CreationTimestamp.Time,
		Ready:    int(set.Status.ReadyReplicas),
	}
	w.Available = int(set.Status.AvailableReplicas)
	return w
}

// workloadName is the name of a revision's ReplicaSet.
func workloadName(rolloutName string, revision rollout.Revision) string {
	return rolloutName[:min(len(rolloutName), maxNameLength)] + "-" + revision
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

// revisionOf is the revision of a pod, empty for a pod that belongs to nobody here.
func revisionOf(pod string, sets map[rollout.Revision]*appsv1.ReplicaSet) rollout.Revision {
	for revision, set := range sets {
		if strings.HasPrefix(pod, set.Name+"-") {
			return revision
		}
	}
	return ""
}

// newReplicaSet is the ReplicaSet of the Rollout's present template, as JSON. It is made of the template's own bytes:
// through Go types, fields that are newer than this program would be lost.
func newReplicaSet(r *v1alpha1.Rollout, revision rollout.Revision, number int64, replicas int) ([]byte, error) {
	var template map[string]any
	if err := json.Unmarshal(r.Spec.Template.Raw(), &template); err != nil {
		return nil, fmt.Errorf("read spec.template: %w", err)
	}
	parsed, err := r.Spec.Template.Parse()
	if err != nil {
		return nil, fmt.Errorf("read spec.template: %w", err)
	}
	labels := maps.Clone(parsed.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[v1alpha1.PodTemplateHashLabel] = revision
	metadata, _ := template["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
	}
	metadata["labels"] = labels
	template["metadata"] = metadata

	selector := r.Spec.Selector.DeepCopy()
	if selector.MatchLabels == nil {
		selector.MatchLabels = map[string]string{}
	}
	selector.MatchLabels[v1alpha1.PodTemplateHashLabel] = revision

	own := maps.Clone(labels)
	own[ManagedLabel] = "true"
	set := map[string]any{
		"apiVersion": appsv1.SchemeGroupVersion.String(),
		"kind":       "ReplicaSet",
		"metadata": map[string]any{
			"name":            workloadName(r.Name, revision),
			"namespace":       r.Namespace,
			"labels":          own,
			"annotations":     map[string]string{v1alpha1.RevisionAnnotation: strconv.FormatInt(number, 10)},
			"ownerReferences": []metav1.OwnerReference{*metav1.NewControllerRef(r, v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))},
		},
		"spec": map[string]any{
			"replicas":        replicas,
			"minReadySeconds": r.Spec.MinReadySeconds,
			"selector":        selector,
			"template":        template,
		},
	}
	text, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("write ReplicaSet %s: %w", workloadName(r.Name, revision), err)
	}
	return text, nil
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
