package controller

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// ManagedLabel marks the ReplicaSets of Rollouts, so that nobody else's have to be watched. Pods don't carry it.
const ManagedLabel = "rollout.dev/managed"

// maxPrefixLength is how many letters the API server keeps of a prefix when it names a pod.
const maxPrefixLength = 58

// maxNameLength keeps "name-hash-" within them. A longer name would cut the hash off, and pods of two revisions could not be told
// apart.
const maxNameLength = maxPrefixLength - len("--") - 10

// maxTemplateAnnotation is how long a template may be to be kept on its ReplicaSet: all annotations of an object together may
// have 256 KiB.
const maxTemplateAnnotation = 128 << 10

// workloadName is the name of a revision's ReplicaSet.
func workloadName(rolloutName string, revision rollout.Revision) string {
	return rolloutName[:min(len(rolloutName), maxNameLength)] + "-" + revision
}

// newReplicaSet is the ReplicaSet of the present template, as JSON. It is made of the template's own bytes: through Go types,
// fields that are newer than this program would be lost.
func (w *world) newReplicaSet(revision rollout.Revision, number int64, replicas int) ([]byte, error) {
	source, outfit := w.template(), w.outfits[w.roleOf(revision)]
	tree, err := source.tree()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", source.field, err)
	}
	metadata := object(tree, "metadata")
	labels := object(metadata, "labels")
	own := maps.Clone(labels)
	own[v1alpha1.PodTemplateHashLabel], own[ManagedLabel] = revision, "true"
	labels[v1alpha1.PodTemplateHashLabel] = revision
	put(labels, outfit.Labels)
	if len(outfit.Annotations) > 0 {
		put(object(metadata, "annotations"), outfit.Annotations)
	}
	keepApart(tree, source.selector, w.antiAffinity(), revision)

	owners := w.lend(own, []metav1.OwnerReference{*metav1.NewControllerRef(w.object, v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))})
	annotations := map[string]string{v1alpha1.RevisionAnnotation: strconv.FormatInt(number, 10)}
	if len(source.raw) <= maxTemplateAnnotation {
		annotations[v1alpha1.TemplateAnnotation] = string(source.raw)
	}
	if worn := wornBy(outfit); worn.Look != "" {
		annotations[LookAnnotation] = worn.text()
	}
	text, err := json.Marshal(map[string]any{
		"apiVersion": appsv1.SchemeGroupVersion.String(),
		"kind":       "ReplicaSet",
		"metadata": map[string]any{
			"name":            workloadName(w.object.Name, revision),
			"namespace":       w.object.Namespace,
			"labels":          own,
			"annotations":     annotations,
			"ownerReferences": owners,
		},
		"spec": map[string]any{
			"replicas":        replicas,
			"minReadySeconds": w.object.Spec.MinReadySeconds,
			"selector":        source.selectorOf(revision),
			"template":        tree,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("write ReplicaSet %s: %w", workloadName(w.object.Name, revision), err)
	}
	return text, nil
}

// roleOf is the role that the pods of a revision are created for.
func (w *world) roleOf(revision rollout.Revision) rollout.Role {
	if revision == w.observed.Status.Stable {
		return rollout.StableRole
	}
	return rollout.CanaryRole
}

func (w *world) antiAffinity() *v1alpha1.AntiAffinity {
	switch s := w.object.Spec.Strategy; {
	case s.Canary != nil:
		return s.Canary.AntiAffinity
	case s.BlueGreen != nil:
		return s.BlueGreen.AntiAffinity
	}
	return nil
}

// nodeTopology is the label that tells nodes apart.
const nodeTopology = "kubernetes.io/hostname"

// keepApart keeps the pods of a template off the nodes that have pods of other revisions, in addition to what the user wants.
func keepApart(template map[string]any, selector *metav1.LabelSelector, strength *v1alpha1.AntiAffinity, revision rollout.Revision) {
	if strength == nil || selector == nil {
		return
	}
	others := selector.DeepCopy()
	others.MatchExpressions = append(others.MatchExpressions, metav1.LabelSelectorRequirement{
		Key: v1alpha1.PodTemplateHashLabel, Operator: metav1.LabelSelectorOpNotIn, Values: []string{revision},
	})
	term := map[string]any{"labelSelector": others, "topologyKey": nodeTopology}
	rules := object(object(object(template, "spec"), "affinity"), "podAntiAffinity")
	if strength.Preferred != nil {
		appendTo(rules, "preferredDuringSchedulingIgnoredDuringExecution",
			map[string]any{"weight": strength.Preferred.Weight, "podAffinityTerm": term})
	}
	if strength.Required != nil {
		appendTo(rules, "requiredDuringSchedulingIgnoredDuringExecution", term)
	}
}

// object is the object in a field of a JSON object; it is made if there is none.
func object(parent map[string]any, field string) map[string]any {
	child, _ := parent[field].(map[string]any)
	if child == nil {
		child = map[string]any{}
		parent[field] = child
	}
	return child
}

func appendTo(parent map[string]any, field string, element any) {
	list, _ := parent[field].([]any)
	parent[field] = append(list, element)
}

func put(into map[string]any, values map[string]string) {
	for key, value := range values {
		into[key] = value
	}
}
