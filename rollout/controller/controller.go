package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/client"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
	"github.com/rollout-dev/rollout/traffic"
)

// disagreementPause is when to look again after the caches and the API server led to different plans. The change that
// makes them agree normally brings the object back sooner.
const disagreementPause = 250 * time.Millisecond

// Options are what a Controller needs. All fields but Clock are required.
type Options struct {
	Kubernetes kubernetes.Interface
	Rollouts   client.Client
	// Sources reaches Deployments.
	Sources *Sources
	// Router carries the splits.
	Router traffic.Router
	// Pointer points subsets at revisions.
	Pointer traffic.Pointer
	// Caches feed the passes; they run before the Controller does.
	Caches *Caches
	// Measurer asks the metric source.
	Measurer *Measurer
	// Queries makes the queries of metrics.
	Queries Queries
	// Events tells people what happened.
	Events record.EventRecorder
	Log    *zap.Logger
	// Clock is time.Now unless a test sets another.
	Clock func() time.Time
}

// Controller does one pass over one Rollout at a time; it is an engine.Reconciler.
type Controller struct {
	Options
	ownWrites *engine.OwnWrites
	templates *templateChecks
	written   *writeTimes
	memory    *sourceMemory
}

// New makes a Controller.
func New(o Options) *Controller {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return &Controller{Options: o, ownWrites: engine.NewOwnWrites(), templates: newTemplateChecks(o.Kubernetes),
		written: &writeTimes{times: map[engine.Key]time.Time{}}, memory: newSourceMemory()}
}

// Reconcile observes, decides, and carries the plan out.
func (c *Controller) Reconcile(ctx context.Context, key engine.Key) (time.Time, error) {
	if !c.ownWrites.Visible(key) {
		return time.Time{}, engine.ErrStale
	}
	// Microseconds are what survives in the API; a finer time would differ from itself after it was read back.
	now := c.Clock().Truncate(time.Microsecond)
	w, err := c.observe(ctx, c.Caches, key, now)
	if err != nil {
		return time.Time{}, fmt.Errorf("observe Rollout %s: %w", key, err)
	}
	if w == nil {
		return c.depart(ctx, key, now)
	}
	if named, err := c.nameReplicas(ctx, w); named {
		return now.Add(disagreementPause), err
	}
	plan := rollout.Decide(w.observed)
	if plan.Confirm {
		confirmed, again, err := c.confirm(ctx, key, now, plan)
		if err != nil {
			return time.Time{}, err
		}
		if confirmed == nil {
			return now.Add(disagreementPause), nil
		}
		w, plan = confirmed, again
	}
	return c.carryOut(ctx, w, plan)
}

// confirm decides once more on what the API server says now. It returns nil unless that leads to the same plan.
func (c *Controller) confirm(ctx context.Context, key engine.Key, now time.Time, plan rollout.Plan) (*world, rollout.Plan, error) {
	w, err := c.observe(ctx, c.live(), key, now)
	if err != nil {
		return nil, rollout.Plan{}, fmt.Errorf("observe Rollout %s live: %w", key, err)
	}
	if w == nil {
		return nil, rollout.Plan{}, nil
	}
	c.catchUp(w)
	again := rollout.Decide(w.observed)
	if !plan.Agrees(again) {
		c.Log.Debug("caches and API server lead to different plans", zap.Stringer("rollout", key),
			zap.Stringers("cached", plan.Actions), zap.Stringers("live", again.Actions))
		return nil, rollout.Plan{}, nil
	}
	return w, again, nil
}

// catchUp makes the next pass wait until the caches show what was read live. A pass from older caches would else persist
// the past as what is so since now.
func (c *Controller) catchUp(w *world) {
	c.ownWrites.Wrote(w.key, c.Caches.Rollouts, w.object.ResourceVersion)
	for _, set := range w.sets {
		c.ownWrites.Wrote(w.key, c.Caches.ReplicaSets, set.ResourceVersion)
	}
	if w.source.isHeld() {
		c.ownWrites.Wrote(w.key, c.Caches.held, w.source.deployment.ResourceVersion)
	}
	for _, service := range w.services {
		c.ownWrites.Wrote(w.key, c.Caches.Services, service.ResourceVersion)
	}
	for _, slice := range w.slices {
		c.ownWrites.Wrote(w.key, c.Caches.Endpoints, slice.ResourceVersion)
	}
	for _, subsets := range []traffic.Subsets{w.subsets, w.wantedSubsets} {
		if subsets.ResourceVersion != "" {
			c.Caches.sees(c.ownWrites, w.key, subsets.RouteName, subsets.ResourceVersion)
		}
	}
	for _, route := range slices.Concat(w.observed.Routes.Routes, w.wanted.Routes) {
		c.Caches.sees(c.ownWrites, w.key, route.RouteName, route.ResourceVersion)
	}
}

// carryOut executes the plan, writes the status last, and tells people.
func (c *Controller) carryOut(ctx context.Context, w *world, plan rollout.Plan) (time.Time, error) {
	executed, failed := c.execute(ctx, w, plan.Actions)
	if errors.Is(failed, errExpired) || errors.Is(failed, traffic.ErrChanged) || apierrors.IsConflict(failed) {
		// Somebody else was faster. What they wrote brings the object back, and this is no error of anybody's.
		c.Log.Debug("the plan is out of date", zap.Stringer("rollout", w.key), zap.Error(failed))
		return w.observed.Now.Add(disagreementPause), nil
	}
	if apierrors.HasStatusCause(failed, corev1.NamespaceTerminatingCause) {
		// Nothing can be created any more, and the Rollout goes as well: there is nobody left to tell.
		c.Log.Debug("the namespace is on its way out", zap.Stringer("rollout", w.key), zap.Error(failed))
		return time.Time{}, nil
	}
	later, err := c.writeStatus(ctx, w, plan, failed)
	if err != nil {
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			return w.observed.Now.Add(disagreementPause), nil
		}
		return time.Time{}, fmt.Errorf("write the status of Rollout %s: %w", w.key, err)
	}
	c.tell(w, plan, executed.done, failed)
	if later.IsZero() {
		// Otherwise what was measured is not persisted yet, and has to be observed again.
		c.Measurer.Want(w.key, plan.Measure)
		c.Measurer.receive(w.key, c.receiptsOf(w, plan))
		c.record(ctx, w, plan.Analyses)
	}
	if failed != nil {
		return time.Time{}, fmt.Errorf("carry out the plan for Rollout %s: %w", w.key, failed)
	}
	switch {
	case executed.unfinished:
		return w.observed.Now, nil
	case !later.IsZero():
		return earlier(plan.Wake, later), nil
	}
	return plan.Wake, nil
}

// earlier is the earlier of two times, of which the first may be missing.
func earlier(a, b time.Time) time.Time {
	if !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

// forget drops what is kept for a Rollout that is gone. Its pods go with it; its routes and Services stay as they are.
func (c *Controller) forget(key engine.Key) {
	c.ownWrites.Forget(key)
	c.written.forget(key)
	c.Measurer.Want(key, nil)
	c.Measurer.receive(key, nil)
}
