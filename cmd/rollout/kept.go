package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// managedLabel marks the ReplicaSets of Rollouts.
const managedLabel = "rollout.dev/managed"

// borrowerLabel has the UID of the Rollout, on the ReplicaSets of one with workloadRef.
const borrowerLabel = "rollout.dev/borrower"

// kept is a revision that there still is a ReplicaSet of, with or without pods.
type kept struct {
	hash    string
	number  int64
	created time.Time
	images  []string
	// template to go back to, empty if it can't be read.
	template v1alpha1.PodTemplate
	// rebuilt says that the template is the ReplicaSet's own, because nobody kept it as it was written. It differs from
	// that by defaults, so it makes a new revision.
	rebuilt bool
}

// String names a revision like get does.
func (k kept) String() string {
	if k.number == 0 {
		return k.hash
	}
	return fmt.Sprintf("revision %d, %s", k.number, k.hash)
}

// describe tells one revision from the others.
func (k kept) describe(now time.Time) string {
	return fmt.Sprintf("%s (%s, %s old)", k, strings.Join(k.images, " "), duration.HumanDuration(max(now.Sub(k.created), 0)))
}

// ofRollout selects the ReplicaSets of a Rollout, and perhaps some of others that share its labels.
func ofRollout(r *v1alpha1.Rollout) (metav1.ListOptions, error) {
	labels := managedLabel + "=true"
	if r.Spec.WorkloadRef != nil {
		// They lack the labels that their Deployment could go by.
		return metav1.ListOptions{LabelSelector: labels + "," + borrowerLabel + "=" + string(r.UID)}, nil
	}
	selector := r.Status.Selector
	if selector == "" && r.Spec.Selector != nil {
		own, err := metav1.LabelSelectorAsSelector(r.Spec.Selector)
		if err != nil {
			return metav1.ListOptions{}, fmt.Errorf("read spec.selector: %w", err)
		}
		selector = own.String()
	}
	if selector != "" {
		labels += "," + selector
	}
	return metav1.ListOptions{LabelSelector: labels}, nil
}

// kept reads the revisions that a Rollout can go back to, newest first.
func (c *cluster) kept(ctx context.Context, r *v1alpha1.Rollout) ([]kept, error) {
	options, err := ofRollout(r)
	if err != nil {
		return nil, err
	}
	apps, err := c.apps()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, oneRequest)
	defer cancel()
	text, err := apps.RESTClient().Get().Namespace(r.Namespace).Resource("replicasets").
		VersionedParams(&options, scheme.ParameterCodec).Do(ctx).Raw()
	attempt := fmt.Sprintf("list the ReplicaSets of %s/%s", r.Namespace, r.Name)
	if err != nil {
		return nil, c.explain(attempt, "", err)
	}
	var list struct {
		Items []templated `json:"items"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", attempt, err)
	}
	var revisions []kept
	for _, set := range list.Items {
		if owner := metav1.GetControllerOf(&set.Metadata); owner != nil && owner.UID == r.UID {
			revisions = append(revisions, revisionOf(set))
		}
	}
	slices.SortFunc(revisions, func(a, b kept) int {
		return cmp.Or(cmp.Compare(b.number, a.number), b.created.Compare(a.created))
	})
	return revisions, nil
}

func revisionOf(set templated) kept {
	number, _ := strconv.ParseInt(set.Metadata.Annotations[v1alpha1.RevisionAnnotation], 10, 64)
	k := kept{
		hash:    set.Metadata.Labels[v1alpha1.PodTemplateHashLabel],
		number:  number,
		created: set.Metadata.CreationTimestamp.Time,
	}
	written, there := set.Metadata.Annotations[v1alpha1.TemplateAnnotation]
	if there && json.Valid([]byte(written)) {
		k.template = v1alpha1.NewPodTemplate([]byte(written))
	} else {
		k.template, k.rebuilt = withoutHash(set.Spec.Template), true
	}
	for _, c := range containersOf(k.template) {
		if !c.init {
			k.images = append(k.images, c.image)
		}
	}
	return k
}

// withoutHash drops from a ReplicaSet's template the label that the engine put there. Other fields keep their values,
// also those that this program is too old to know.
func withoutHash(template v1alpha1.PodTemplate) v1alpha1.PodTemplate {
	object, err := tree(template)
	if err != nil {
		return template
	}
	metadata, _ := object["metadata"].(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	delete(labels, v1alpha1.PodTemplateHashLabel)
	text, err := json.Marshal(object)
	if err != nil {
		return template
	}
	return v1alpha1.NewPodTemplate(text)
}
