package controller

import (
	"bytes"
	"context"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	lru "k8s.io/utils/lru"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// template is where the pods of a Rollout come from.
type template struct {
	// raw is the pod template's JSON as its user wrote it.
	raw []byte
	// selector says which pods belong to the Rollout.
	selector *metav1.LabelSelector
	// replicas is the number of pods if the Rollout itself names none.
	replicas int32
	// field says in messages where the template was written.
	field string
	// problem is why no revision can be made of it, nil if one can.
	problem *rollout.Problem
}

// template is that of the Rollout itself, or of the Deployment that it names.
func (w *world) template() template {
	if w.source != nil {
		return w.source.template
	}
	spec := w.object.Spec
	return template{raw: spec.Template.Raw(), selector: spec.Selector, replicas: defaultReplicas, field: "spec.template"}
}

// parse reads the template into the fields that this program knows.
func (t template) parse() (*corev1.PodTemplateSpec, error) {
	return v1alpha1.NewPodTemplate(t.raw).Parse()
}

// tree is the template with all of its fields, numbers as they were written.
func (t template) tree() (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(t.raw))
	decoder.UseNumber()
	var tree map[string]any
	err := decoder.Decode(&tree)
	return tree, err
}

// selectorOf is the selector of a revision's pods.
func (t template) selectorOf(revision rollout.Revision) *metav1.LabelSelector {
	selector := &metav1.LabelSelector{}
	if t.selector != nil {
		selector = t.selector.DeepCopy()
	}
	if selector.MatchLabels == nil {
		selector.MatchLabels = map[string]string{}
	}
	selector.MatchLabels[v1alpha1.PodTemplateHashLabel] = revision
	return selector
}

// selectorText is a selector as the API takes it in a query, empty if there is none.
func selectorText(selector *metav1.LabelSelector) string {
	if selector == nil {
		return ""
	}
	return metav1.FormatLabelSelector(selector)
}

// templateChecks asks the API server once for each new template whether it would take a ReplicaSet made of it. Without the
// question a template that misses an image, say, would only be noticed after the release has begun.
type templateChecks struct {
	client kubernetes.Interface
	// known maps owner and ReplicaSet to what the API server said: the text of an error, or nothing.
	known *lru.Cache
}

// rememberedTemplates bounds the memory of answers. A forgotten one costs one more request.
const rememberedTemplates = 4096

func newTemplateChecks(client kubernetes.Interface) *templateChecks {
	return &templateChecks{client: client, known: lru.New(rememberedTemplates)}
}

// checkTemplate adds a problem if the target revision has no ReplicaSet yet and the API server would refuse it.
func (c *Controller) checkTemplate(ctx context.Context, w *world) {
	target := w.observed.Spec.Target
	if target == "" || w.sets[target] != nil || hasFatal(w.observed.Problems) {
		return
	}
	if refusal := c.templates.refusal(ctx, w, target); refusal != "" {
		w.observed.Problems = append([]rollout.Problem{{Reason: reasonInvalidTemplate,
			Message: "the API server refuses " + w.template().field + ": " + refusal + "; correct the field and apply again"}}, w.observed.Problems...)
	}
}

func hasFatal(problems []rollout.Problem) bool {
	for _, p := range problems {
		if !p.Reference {
			return true
		}
	}
	return false
}

// refusal is what the API server has against the template, empty for nothing. Where the question itself can't be asked
// (quota, a webhook that is down, a network fault) nothing is known of the template, and the real creation will tell.
func (t *templateChecks) refusal(ctx context.Context, w *world, target rollout.Revision) string {
	body, err := w.newReplicaSet(target, 0, 0)
	if err != nil {
		return err.Error()
	}
	made, err := rollout.Hash(body)
	if err != nil {
		return err.Error()
	}
	key := string(w.object.UID) + "/" + made
	if known, there := t.known.Get(key); there {
		return known.(string)
	}
	_, err = createReplicaSet(ctx, t.client, w.key.Namespace, body, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	switch {
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
		t.known.Add(key, err.Error())
		return err.Error()
	case err == nil || apierrors.IsAlreadyExists(err):
		t.known.Add(key, "")
	}
	return ""
}
