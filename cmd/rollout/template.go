package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	appsclient "k8s.io/client-go/kubernetes/typed/apps/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// templatePath is where the pod template stands in a Rollout as well as in a Deployment, as a JSON pointer.
const templatePath = "/spec/template"

// origin is the object that the pod template of a Rollout stands in: the Rollout itself, or the Deployment that its
// workloadRef names.
type origin struct {
	kind     string
	meta     metav1.ObjectMeta
	template v1alpha1.PodTemplate
}

const (
	inRollout    = "Rollout"
	inDeployment = "Deployment"
)

func (o origin) String() string { return o.kind + " " + o.meta.Name }

// origin reads where the template of a Rollout stands.
func (c *cluster) origin(ctx context.Context, r *v1alpha1.Rollout) (origin, error) {
	if r.Spec.WorkloadRef == nil {
		return origin{kind: inRollout, meta: r.ObjectMeta, template: r.Spec.Template}, nil
	}
	name := r.Spec.WorkloadRef.Name
	apps, err := c.apps()
	if err != nil {
		return origin{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, oneRequest)
	defer cancel()
	// Not through Go types: they would lose what this program is too old to know.
	text, err := apps.RESTClient().Get().Namespace(r.Namespace).Resource("deployments").Name(name).Do(ctx).Raw()
	switch {
	case apierrors.IsNotFound(err):
		return origin{}, fmt.Errorf("%s takes its template from Deployment %s (spec.workloadRef), and namespace %s has none of that name",
			r.Name, name, r.Namespace)
	case err != nil:
		return origin{}, c.explain(fmt.Sprintf("read Deployment %s/%s", r.Namespace, name), "", err)
	}
	var deployment templated
	if err := json.Unmarshal(text, &deployment); err != nil {
		return origin{}, fmt.Errorf("read Deployment %s/%s: %w", r.Namespace, name, err)
	}
	return origin{kind: inDeployment, meta: deployment.Metadata, template: deployment.Spec.Template}, nil
}

// borrowed is the template that a Rollout takes from a Deployment. A change of it is none of the Rollout, whose generation stays,
// and so its status may be of the time before.
type borrowed struct {
	deployment string
	generation int64
}

// borrowed is what a status has to have seen. It is nothing where the template is the Rollout's own, and where the Deployment
// can't be read: the status is all there is then.
func (c *cluster) borrowed(ctx context.Context, r *v1alpha1.Rollout) borrowed {
	if r.Spec.WorkloadRef == nil {
		return borrowed{}
	}
	o, err := c.origin(ctx, r)
	if err != nil {
		return borrowed{}
	}
	return borrowed{o.meta.Name, o.meta.Generation}
}

// unseen says that a status is older than the template, and is empty if it is not.
func (b borrowed) unseen(r *v1alpha1.Rollout) string {
	if r.Status.WorkloadObservedGeneration >= b.generation {
		return ""
	}
	return fmt.Sprintf("Waiting: the controller has not seen the last change of Deployment %s yet: generation %d, it is at %d",
		b.deployment, b.generation, r.Status.WorkloadObservedGeneration)
}

// templated is as much of a Deployment or a ReplicaSet as it takes to copy its template with all fields.
type templated struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     struct {
		Template v1alpha1.PodTemplate `json:"template"`
	} `json:"spec"`
}

func (c *cluster) apps() (*appsclient.AppsV1Client, error) {
	apps, err := appsclient.NewForConfig(c.config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", c.config.Host, err)
	}
	return apps, nil
}

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// unchanged are the operations that let a patch pass only if an object is still the one that was read.
func unchanged(meta metav1.ObjectMeta) []operation {
	return []operation{
		{"test", "/metadata/uid", meta.UID},
		{"test", "/metadata/resourceVersion", meta.ResourceVersion},
	}
}

func replaceTemplate(template v1alpha1.PodTemplate) operation {
	return operation{"replace", templatePath, template}
}

// patch changes the object that the template stands in. It returns a conflict if the object is not the one that was read
// any more.
func (c *cluster) patch(ctx context.Context, r *v1alpha1.Rollout, o origin, operations []operation) error {
	body, err := json.Marshal(operations)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, oneRequest)
	defer cancel()
	options := metav1.PatchOptions{FieldManager: fieldManager}
	if o.kind == inRollout {
		_, err = c.client.Rollouts(r.Namespace).Patch(bounded, o.meta.Name, types.JSONPatchType, body, options)
	} else {
		apps, failed := c.apps()
		if failed != nil {
			return failed
		}
		_, err = apps.Deployments(r.Namespace).Patch(bounded, o.meta.Name, types.JSONPatchType, body, options)
	}
	if !apierrors.IsInvalid(err) {
		return err
	}
	// The server answers a failed test like an object that violates its schema. Only a look can tell.
	now, again := c.get(ctx, r.Name)
	if again != nil {
		return again
	}
	current, again := c.origin(ctx, now)
	if again != nil {
		return again
	}
	if current.meta.UID != o.meta.UID || current.meta.ResourceVersion != o.meta.ResourceVersion {
		return apierrors.NewConflict(schema.GroupResource{Resource: o.kind}, o.meta.Name, err)
	}
	return err
}

// rewrite changes the template where it stands, by what edit makes of it, and again if something changed meanwhile. An
// edit without operations ends it.
func (c *cluster) rewrite(ctx context.Context, name string, edit func(*v1alpha1.Rollout, origin) ([]operation, error)) error {
	for range writeAttempts {
		rollout, err := c.get(ctx, name)
		if err != nil {
			return err
		}
		o, err := c.origin(ctx, rollout)
		if err != nil {
			return err
		}
		operations, err := edit(rollout, o)
		if err != nil || len(operations) == 0 {
			return err
		}
		err = c.patch(ctx, rollout, o, operations)
		if !apierrors.IsConflict(err) {
			if err != nil {
				return c.explain(fmt.Sprintf("change the template of %s", o), "", err)
			}
			return nil
		}
	}
	return fmt.Errorf("the template of %s was not changed: something changed between reading and writing %d times in a row; try again",
		name, writeAttempts)
}

// sameTemplate says whether two templates make the same revision: order of keys, white space and fields that are null
// don't count.
func sameTemplate(a, b v1alpha1.PodTemplate) bool {
	left, errLeft := tree(a)
	right, errRight := tree(b)
	return errLeft == nil && errRight == nil && reflect.DeepEqual(left, right)
}

func tree(template v1alpha1.PodTemplate) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(template.Raw()))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, err
	}
	dropNulls(object)
	return object, nil
}

func dropNulls(value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, field := range v {
			if field == nil {
				delete(v, key)
				continue
			}
			dropNulls(field)
		}
	case []any:
		for _, element := range v {
			dropNulls(element)
		}
	}
}
