package controller

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
	"github.com/rollout-dev/rollout/traffic"
)

// reader is where an observation comes from: the caches, or the API server. What does not exist is nil without an error.
type reader interface {
	rollout(ctx context.Context, key engine.Key) (*v1alpha1.Rollout, error)
	workloads(ctx context.Context, owner *v1alpha1.Rollout) ([]*appsv1.ReplicaSet, error)
	service(ctx context.Context, key engine.Key) (*corev1.Service, error)
	endpoints(ctx context.Context, service engine.Key) ([]*discoveryv1.EndpointSlice, error)
	// isLive is passed on to the router.
	isLive() bool
}

// world is an observation together with the objects it was made of, which carry the preconditions of writes.
type world struct {
	key      engine.Key
	object   *v1alpha1.Rollout
	observed rollout.Observed
	sets     map[rollout.Revision]*appsv1.ReplicaSet
	services map[rollout.Role]*corev1.Service
	slices   []*discoveryv1.EndpointSlice
	target   traffic.Target
	// read is when reading began, by the clock that Clock is.
	read time.Time
	// other says which other Rollout has an older claim on a Service, empty for none.
	other string
}

// observe reads everything that a decision needs. It returns nil for a Rollout that doesn't exist or is being deleted:
// then nothing is done, least of all to traffic.
func (c *Controller) observe(ctx context.Context, from reader, key engine.Key, now time.Time) (*world, error) {
	read := c.Clock()
	object, err := from.rollout(ctx, key)
	if err != nil || object == nil || object.DeletionTimestamp != nil {
		return nil, err
	}
	w := &world{key: key, object: object, services: map[rollout.Role]*corev1.Service{}, read: read}
	w.observed.Now = now
	w.observed.Status = readStatus(object.Status)
	w.observed.Request = readRequest(object.Annotations)
	if err := c.observeWorkloads(ctx, from, w); err != nil {
		return nil, err
	}
	w.other = claimedBy(object, c.Caches.claimants(object))
	resolved := c.resolve(w)
	w.observed.Spec = resolved.spec
	w.observed.Problems = resolved.problems
	if resolved.spec.Routed {
		if err := c.observeTraffic(ctx, from, w); err != nil {
			return nil, err
		}
	}
	c.checkTemplate(ctx, w)
	w.observed.Measurements = c.Measurer.Results(key)
	return w, nil
}

func (c *Controller) observeWorkloads(ctx context.Context, from reader, w *world) error {
	sets, err := from.workloads(ctx, w.object)
	if err != nil {
		return fmt.Errorf("list ReplicaSets: %w", err)
	}
	w.sets = make(map[rollout.Revision]*appsv1.ReplicaSet, len(sets))
	for _, set := range sets {
		revision := set.Labels[v1alpha1.PodTemplateHashLabel]
		w.sets[revision] = set
		w.observed.Workloads = append(w.observed.Workloads, workload(revision, set))
	}
	return nil
}

// observeTraffic reads Services, their endpoints and the routes, and what is wrong with them.
func (c *Controller) observeTraffic(ctx context.Context, from reader, w *world) error {
	canary := w.object.Spec.Strategy.Canary
	for role, name := range map[rollout.Role]string{rollout.StableRole: canary.StableService, rollout.CanaryRole: canary.CanaryService} {
		backend, err := c.observeBackend(ctx, from, w, role, name)
		if err != nil {
			return err
		}
		if role == rollout.StableRole {
			w.observed.Stable = backend
		} else {
			w.observed.Canary = backend
		}
	}
	w.target = target(w.object)
	routes, err := c.Router.Observe(ctx, w.target, from.isLive())
	if err != nil {
		return fmt.Errorf("read routes: %w", err)
	}
	w.observed.Routes = routes
	w.observed.Problems = append(w.observed.Problems, w.trafficProblems()...)
	return nil
}

func (c *Controller) observeBackend(ctx context.Context, from reader, w *world, role rollout.Role, name string) (rollout.Backend, error) {
	key := engine.Key{Namespace: w.key.Namespace, Name: name}
	backend := rollout.Backend{Name: name, Missing: true}
	service, err := from.service(ctx, key)
	if err != nil {
		return backend, fmt.Errorf("read Service %s: %w", key, err)
	}
	if service == nil {
		return backend, nil
	}
	slices, err := from.endpoints(ctx, key)
	if err != nil {
		return backend, fmt.Errorf("list EndpointSlices of Service %s: %w", key, err)
	}
	w.services[role] = service
	w.slices = append(w.slices, slices...)
	backend.Missing = false
	backend.Revision = service.Spec.Selector[v1alpha1.PodTemplateHashLabel]
	backend.Endpoints = readyEndpoints(slices, w.sets)
	return backend, nil
}

// target names the pair of backends and the routes.
func target(r *v1alpha1.Rollout) traffic.Target {
	canary := r.Spec.Strategy.Canary
	t := traffic.Target{
		Namespace: r.Namespace,
		Pair:      traffic.Pair{Stable: canary.StableService, Canary: canary.CanaryService},
	}
	if canary.TrafficRouting == nil || canary.TrafficRouting.GatewayAPI == nil {
		return t
	}
	for _, route := range canary.TrafficRouting.GatewayAPI.Routes {
		t.Routes = append(t.Routes, traffic.RouteName{Kind: route.Kind, Name: route.Name})
	}
	return t
}
