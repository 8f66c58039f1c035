package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// errExpired says that a plan took too long to be carried out.
var errExpired = errors.New("the observation is too old to act on")

// shortestExpiry bounds from below how old an observation may become, for data planes that settle at once.
const shortestExpiry = time.Second

// outcome is what became of an action that didn't fail.
type outcome struct {
	// acted: something was changed. An action that waits for somebody else changes nothing for now.
	acted bool
	// unfinished: it was interrupted to let others have a turn, and goes on with the next pass.
	unfinished bool
}

// execution is what became of the actions of a plan.
type execution struct {
	// done are the actions that changed something.
	done       []rollout.Action
	unfinished bool
}

// execute carries the actions out in their order and stops at the first that fails. Every action states an end state, so
// repeating a plan that stopped half way is safe.
//
// A plan older than the settle time is not carried out. A process that was frozen meanwhile may have lost the lease, and its
// successor can have given traffic to what this plan is about to change; the precondition on the one object says nothing of
// the other.
func (c *Controller) execute(ctx context.Context, w *world, actions []rollout.Action) (execution, error) {
	var e execution
	for _, action := range actions {
		if c.expired(w) {
			return e, fmt.Errorf("%s: %w", describe(w, action), errExpired)
		}
		o, err := c.do(ctx, w, action)
		if err != nil {
			return e, fmt.Errorf("%s: %w", describe(w, action), err)
		}
		if o.acted {
			e.done = append(e.done, action)
		}
		e.unfinished = e.unfinished || o.unfinished
	}
	return e, nil
}

func (c *Controller) expired(w *world) bool {
	return c.Clock().Sub(w.read) > max(w.observed.Spec.Settle, shortestExpiry)
}

func (c *Controller) do(ctx context.Context, w *world, action rollout.Action) (outcome, error) {
	done := outcome{acted: true}
	switch a := action.(type) {
	case rollout.CreateWorkload:
		return done, c.create(ctx, w, a)
	case rollout.Scale:
		return done, c.scale(ctx, w, a)
	case rollout.Point:
		return done, c.point(ctx, w, a.Service, a.SubsetOf, a.Revision)
	case rollout.Widen:
		return done, c.point(ctx, w, a.Service, a.SubsetOf, "")
	case rollout.Shift:
		return done, c.shift(ctx, w, a)
	case rollout.Evict:
		return c.evict(ctx, w, a)
	case rollout.Dress:
		return c.dress(ctx, w, a)
	case rollout.TakeOver:
		return c.takeOver(ctx, w)
	case rollout.DeleteWorkload:
		return done, c.delete(ctx, w, a)
	}
	return outcome{}, fmt.Errorf("no way to carry out a %T", action)
}

// describe says what was attempted, without the reason.
func describe(w *world, action rollout.Action) string {
	switch a := action.(type) {
	case rollout.CreateWorkload:
		return "create the ReplicaSet of revision " + a.Revision
	case rollout.Scale:
		return fmt.Sprintf("scale revision %s to %d pods", a.Revision, a.Replicas)
	case rollout.Point:
		return fmt.Sprintf("point the %s at revision %s", backendText(w.backendName(a.Backend), a.Service, a.SubsetOf), a.Revision)
	case rollout.Widen:
		return "take the revision out of what the " + backendText(w.backendName(a.Backend), a.Service, a.SubsetOf) + " selects"
	case rollout.Shift:
		return fmt.Sprintf("set canary weight %d", a.Percent)
	case rollout.Evict:
		return fmt.Sprintf("replace pods of revision %s that were created until %s", a.Revision, a.Until.UTC().Format(time.RFC3339))
	case rollout.Dress:
		return fmt.Sprintf("put on the pods of revision %s what the strategy asks for", a.Revision)
	case rollout.TakeOver:
		return "take the pods of the Deployment over"
	case rollout.DeleteWorkload:
		return "delete the ReplicaSet of revision " + a.Revision
	}
	return fmt.Sprintf("%T", action)
}

func (c *Controller) scale(ctx context.Context, w *world, a rollout.Scale) error {
	set := w.sets[a.Revision]
	if set == nil {
		return fmt.Errorf("revision %s has no ReplicaSet", a.Revision)
	}
	return c.patchSet(ctx, w, a.Revision, set, map[string]any{"spec": map[string]any{"replicas": a.Replicas}})
}

// patchSet merges a patch into a ReplicaSet, unless it is another one by now than the one that was decided on. Later actions of
// the same plan go on from the result.
func (c *Controller) patchSet(ctx context.Context, w *world, revision rollout.Revision, set *appsv1.ReplicaSet, patch map[string]any) error {
	text, err := json.Marshal(conditional(set, patch))
	if err != nil {
		return err
	}
	after, err := c.Kubernetes.AppsV1().ReplicaSets(w.key.Namespace).Patch(ctx, set.Name, types.MergePatchType, text, metav1.PatchOptions{})
	if err != nil {
		return err
	}
	w.sets[revision] = after
	c.ownWrites.Wrote(w.key, c.Caches.ReplicaSets, after.ResourceVersion)
	return nil
}

// conditional makes a merge patch fail unless the object is the one that was decided on.
func conditional(decidedOn metav1.Object, patch map[string]any) map[string]any {
	metadata := object(patch, "metadata")
	metadata["uid"], metadata["resourceVersion"] = decidedOn.GetUID(), decidedOn.GetResourceVersion()
	return patch
}

// point makes a backend reach a revision, or all of them for none.
func (c *Controller) point(ctx context.Context, w *world, name, subsetOf, revision string) error {
	switch {
	case subsetOf != "":
		return c.pointSubset(ctx, w, name, revision)
	case revision == "":
		return c.selectHash(ctx, w, name, nil)
	}
	return c.selectHash(ctx, w, name, revision)
}

// selectHash sets the one key of the Service's selector that belongs to the engine, or removes it.
func (c *Controller) selectHash(ctx context.Context, w *world, name string, revision any) error {
	service := w.services[name]
	if service == nil {
		return fmt.Errorf("there is no Service %q", name)
	}
	patch, err := json.Marshal(conditional(service, map[string]any{
		"spec": map[string]any{"selector": map[string]any{v1alpha1.PodTemplateHashLabel: revision}},
	}))
	if err != nil {
		return err
	}
	after, err := c.Kubernetes.CoreV1().Services(w.key.Namespace).Patch(ctx, service.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return err
	}
	w.services[service.Name] = after
	c.ownWrites.Wrote(w.key, c.Caches.Services, after.ResourceVersion)
	return nil
}

func (c *Controller) shift(ctx context.Context, w *world, a rollout.Shift) error {
	to := w.target
	if !a.Rules {
		to.Managed.Rules = nil
	}
	writes, err := c.Router.Apply(ctx, to, w.observed.Routes, a.Percent)
	for _, write := range writes {
		c.Caches.sees(c.ownWrites, w.key, write.RouteName, write.ResourceVersion)
	}
	return err
}

func (c *Controller) delete(ctx context.Context, w *world, a rollout.DeleteWorkload) error {
	set := w.sets[a.Revision]
	if set == nil {
		return nil
	}
	background := metav1.DeletePropagationBackground
	err := c.Kubernetes.AppsV1().ReplicaSets(w.key.Namespace).Delete(ctx, set.Name, metav1.DeleteOptions{
		Preconditions:     &metav1.Preconditions{UID: &set.UID, ResourceVersion: &set.ResourceVersion},
		PropagationPolicy: &background,
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

var _ engine.Reconciler = (*Controller)(nil)
