package controller

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// plain is the template of a ReplicaSet without what the engine, or the Deployment's controller, has added to it: the label
// with the hash, what the pods carry because of their role, and the rule that keeps revisions apart.
func plain(set *lentSet) (map[string]any, error) {
	tree, err := template{raw: set.Spec.Template.Raw()}.tree()
	if err != nil {
		return nil, fmt.Errorf("read the template of ReplicaSet %s: %w", set.Name, err)
	}
	worn := readWorn(&appsv1.ReplicaSet{ObjectMeta: set.ObjectMeta})
	remove(tree, []string{"metadata", "labels"}, append([]string{v1alpha1.PodTemplateHashLabel}, worn.Labels...))
	remove(tree, []string{"metadata", "annotations"}, worn.Annotations)
	allowTogether(tree, set.Labels[v1alpha1.PodTemplateHashLabel])
	return tree, nil
}

// remove takes keys out of the object at a path, and the object itself if that leaves nothing in it.
func remove(tree map[string]any, path, keys []string) {
	parent := tree
	for _, field := range path[:len(path)-1] {
		parent, _ = parent[field].(map[string]any)
	}
	last := path[len(path)-1]
	object, there := parent[last].(map[string]any)
	if !there || len(object) == 0 {
		return
	}
	for _, key := range keys {
		delete(object, key)
	}
	if len(object) == 0 {
		delete(parent, last)
	}
}

// allowTogether undoes keepApart.
func allowTogether(tree map[string]any, revision string) {
	spec, _ := tree["spec"].(map[string]any)
	affinity, _ := spec["affinity"].(map[string]any)
	rules, _ := affinity["podAntiAffinity"].(map[string]any)
	for strength, list := range rules {
		terms, _ := list.([]any)
		kept := slices.DeleteFunc(slices.Clone(terms), func(term any) bool { return keepsApart(term, revision) })
		if len(kept) == len(terms) {
			continue
		}
		rules[strength] = kept
		if len(kept) == 0 {
			remove(tree, []string{"spec", "affinity", "podAntiAffinity"}, []string{strength})
		}
	}
	if len(affinity) == 0 {
		delete(spec, "affinity")
	}
}

// keepsApart says whether a rule is the one that keepApart adds for a revision.
func keepsApart(term any, revision string) bool {
	rule, _ := term.(map[string]any)
	if nested, there := rule["podAffinityTerm"].(map[string]any); there {
		rule = nested
	}
	selector, _ := rule["labelSelector"].(map[string]any)
	expressions, _ := selector["matchExpressions"].([]any)
	return slices.ContainsFunc(expressions, func(e any) bool {
		expression, _ := e.(map[string]any)
		return expression["key"] == v1alpha1.PodTemplateHashLabel && expression["operator"] == string(metav1.LabelSelectorOpNotIn) &&
			reflect.DeepEqual(expression["values"], []any{revision})
	})
}

// sameTree says whether two templates, as the API server gives them out, mean the same. Fields that are null say nothing.
func sameTree(a, b map[string]any) bool { return len(change(a, b)) == 0 }

// change is the merge patch (RFC 7396) that makes one JSON object of another.
func change(from, to map[string]any) map[string]any {
	patch := map[string]any{}
	for key, have := range from {
		if _, keep := to[key]; !keep && have != nil {
			patch[key] = nil
		}
	}
	for key, want := range to {
		have, there := from[key]
		before, wasObject := have.(map[string]any)
		after, isObject := want.(map[string]any)
		switch {
		case wasObject && isObject:
			if inner := change(before, after); len(inner) > 0 {
				patch[key] = inner
			}
		case want == nil && have == nil:
		case !there || !reflect.DeepEqual(have, want):
			patch[key] = want
		}
	}
	return patch
}

// text is a tree as JSON.
func text(tree map[string]any) []byte {
	raw, err := json.Marshal(tree)
	if err != nil {
		panic(fmt.Sprintf("what was read from JSON is always valid JSON: %v", err))
	}
	return raw
}
