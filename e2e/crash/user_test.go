//go:build integration

package crash

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/rollout-dev/rollout/e2e/stage"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// user is somebody who works on one application, straight at the API server.
type user struct {
	namespace string
	// What their manifests say.
	version  string
	replicas int
	strategy string
	// borrows: the pods come from a Deployment.
	borrows bool
	// request is the last request, asked how many there were.
	request *v1alpha1.Request
	asked   int
	// first are the pods that there were when the luck turned.
	first []types.UID
}

// deed is one thing that a user does or waits for.
type deed struct {
	what string
	do   func(context.Context, *user) error
}

// release changes the version of the application.
func release(version string) deed {
	return deed{"release " + version, func(ctx context.Context, u *user) error {
		u.version = version
		return u.apply(ctx)
	}}
}

// scale changes the number of replicas.
func scale(replicas int) deed {
	return deed{fmt.Sprintf("scale to %d", replicas), func(ctx context.Context, u *user) error {
		u.replicas = replicas
		return u.apply(ctx)
	}}
}

// change changes the strategy.
func change(strategy string) deed {
	return deed{"change the strategy", func(ctx context.Context, u *user) error {
		u.strategy = strategy
		return u.apply(ctx)
	}}
}

// undo goes back to an earlier version: with the template of then, and a request in the same write.
func undo(version string) deed {
	return deed{"undo to " + version, func(ctx context.Context, u *user) error {
		versions, err := u.versions(ctx)
		if err != nil {
			return err
		}
		u.version = version
		for revision, runs := range versions {
			if runs == version {
				u.newRequest(v1alpha1.Request{Verb: v1alpha1.VerbUndo, Revision: revision})
			}
		}
		return u.apply(ctx)
	}}
}

// ask makes a request about what the user sees at that moment.
func ask(verb v1alpha1.Verb) deed {
	return deed{string(verb), func(ctx context.Context, u *user) error {
		rollouts := cluster.Rollouts.Rollouts(u.namespace)
		r, err := rollouts.Get(ctx, appName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		request := v1alpha1.Request{Verb: verb}
		if r.Status.Release != nil {
			request.Revision, request.Step = r.Status.Release.Revision, r.Status.Release.StepIndex
		}
		u.newRequest(request)
		patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.RequestAnnotation, u.request.Annotation())
		_, err = rollouts.Patch(ctx, appName, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: stage.FieldManager})
		return err
	}}
}

func (u *user) newRequest(r v1alpha1.Request) {
	u.asked++
	r.ID, r.By = fmt.Sprintf("request-%d", u.asked), "user"
	u.request = &r
}

// deploy applies the Deployment alone and waits until it is rolled out.
func deploy(version string) deed {
	return deed{"deploy " + version, func(ctx context.Context, u *user) error {
		u.version = version
		if err := cluster.Apply(ctx, u.namespace, u.deployment()); err != nil {
			return err
		}
		return stage.Wait(ctx, "the Deployment", u.rolledOut)
	}}
}

func (u *user) rolledOut(ctx context.Context) error {
	d, err := cluster.Kubernetes.AppsV1().Deployments(u.namespace).Get(ctx, appName, metav1.GetOptions{})
	if err == nil && (d.Status.ObservedGeneration < d.Generation || int(d.Status.AvailableReplicas) < u.replicas || d.Status.Replicas > d.Status.UpdatedReplicas) {
		err = fmt.Errorf("it has %d pods, %d available", d.Status.Replicas, d.Status.AvailableReplicas)
	}
	return err
}

// remove deletes the Rollout and waits until it is gone.
func remove() deed {
	return deed{"delete the Rollout", func(ctx context.Context, u *user) error {
		if err := cluster.Rollouts.Rollouts(u.namespace).Delete(ctx, appName, metav1.DeleteOptions{}); err != nil {
			return err
		}
		return u.follow(ctx, func(kind watch.EventType, _ *v1alpha1.Rollout) (bool, error) { return kind == watch.Deleted, nil })
	}}
}

// until waits for a phase of what the user has last applied and asked for.
func until(phase v1alpha1.Phase) deed {
	return when(string(phase), func(r *v1alpha1.Rollout) bool { return r.Status.Phase == phase })
}

// when waits for a status. It has to be one that lasts, or that no way through the release leaves out: a controller may die
// before it writes what it has just done, and its successor begin with what comes next.
func when(what string, holds func(*v1alpha1.Rollout) bool) deed {
	return deed{"wait for " + what, func(ctx context.Context, u *user) error {
		return u.follow(ctx, func(_ watch.EventType, r *v1alpha1.Rollout) (bool, error) {
			answered, err := u.answered(r)
			return answered && holds(r), err
		})
	}}
}

// patience bounds every wait of a user; late watches multiply what everything takes.
const patience = 3 * time.Minute

// follow looks at the Rollout after each change until it has seen enough.
func (u *user) follow(ctx context.Context, enough func(watch.EventType, *v1alpha1.Rollout) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %s", patience))
	defer cancel()
	changes, err := cluster.Rollouts.Rollouts(u.namespace).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + appName})
	if err != nil {
		return err
	}
	defer changes.Stop()
	var last string
	for {
		select {
		case change, open := <-changes.ResultChan():
			r, is := change.Object.(*v1alpha1.Rollout)
			if !open || !is {
				return errors.New("the watch has ended")
			}
			if done, err := enough(change.Type, r); done || err != nil {
				return err
			}
			last = fmt.Sprintf("%s: %s", r.Status.Phase, r.Status.Message)
		case <-ctx.Done():
			return fmt.Errorf("%w; last it was %s", context.Cause(ctx), last)
		}
	}
}

// answered says whether the status is about what the user wants.
func (u *user) answered(r *v1alpha1.Rollout) (bool, error) {
	if r.Status.ObservedGeneration != r.Generation {
		return false, nil
	}
	if u.request == nil {
		return true, nil
	}
	answer := r.Status.LastRequest
	if answer == nil || answer.ID != u.request.ID {
		return false, nil
	}
	if answer.Outcome != v1alpha1.OutcomeAccepted {
		return false, fmt.Errorf("the request to %s was refused: %s", answer.Verb, answer.Message)
	}
	return true, nil
}

// versions are those of the application by revision.
func (u *user) versions(ctx context.Context) (map[string]string, error) {
	sets, err := cluster.Kubernetes.AppsV1().ReplicaSets(u.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	versions := map[string]string{}
	for _, set := range sets.Items {
		versions[set.Labels[v1alpha1.PodTemplateHashLabel]] = versionOf(set.Spec.Template)
	}
	return versions, nil
}

// apply applies what the user's manifests say now.
func (u *user) apply(ctx context.Context) error {
	manifest := u.rollout()
	if u.borrows {
		manifest += "---\n" + u.deployment()
	}
	return cluster.Apply(ctx, u.namespace, manifest)
}

func (u *user) rollout() string {
	pods := fmt.Sprintf("  replicas: %d\n%s", u.replicas, u.pods())
	if u.borrows {
		pods = "  workloadRef: {name: shop}\n"
	}
	annotations := ""
	if u.request != nil {
		annotations = fmt.Sprintf("\n  annotations: {%s: '%s'}", v1alpha1.RequestAnnotation, u.request.Annotation())
	}
	return fmt.Sprintf(`apiVersion: rollout.dev/v1alpha1
kind: Rollout
metadata:
  name: shop%s
spec:
%s  strategy:
    %s
`, annotations, pods, strings.ReplaceAll(strings.TrimSpace(u.strategy), "\n", "\n    "))
}

func (u *user) deployment() string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: %d
%s`, u.replicas, u.pods())
}

// pods are lines of a spec. A pod is ready almost at once.
func (u *user) pods() string {
	return fmt.Sprintf(`  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}, annotations: {sandbox.rollout.dev/ready-after: 100ms}}
    spec:
      containers:
      - {name: app, image: shop, env: [{name: VERSION, value: %s}]}
`, u.version)
}
