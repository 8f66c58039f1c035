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
	deployment(ctx context.Context, key engine.Key) (*deployment, error)
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
	// source is where the template comes from, nil for the Rollout itself.
	source *source
	// services are those that exist of the ones that are in force or that the spec names, by name.
	services map[string]*corev1.Service
	slices   []*discoveryv1.EndpointSlice
	target   traffic.Target
	// wanted are the routes that the spec names, observed for what is wrong with them.
	wanted traffic.Observation
	// subsets are the backends in force if they are subsets; wantedSubsets are those that the spec names.
	subsets, wantedSubsets traffic.Subsets
	// pods is the template as far as this program knows it, nil if it can't be read.
	pods *corev1.PodTemplateSpec
	// outfits are what the pods of each role are to carry besides the template.
	outfits map[rollout.Role]v1alpha1.PodMetadata
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
	w := &world{key: key, object: object, services: map[string]*corev1.Service{}, read: read}
	w.observed.Now = now
	w.observed.Status = readStatus(object.Status)
	w.observed.Request = readRequest(object.Annotations)
	if err := c.observeWorkloads(ctx, from, w); err != nil {
		return nil, err
	}
	if err := c.observeSource(ctx, from, w); err != nil {
		return nil, err
	}
	w.other = claimedBy(object, c.Caches.claimants(object))
	resolved := c.resolve(w)
	w.observed.Spec, w.observed.Problems, w.pods, w.outfits = resolved.spec, resolved.problems, resolved.pods, resolved.outfits
	if err := c.observeTraffic(ctx, from, w); err != nil {
		return nil, err
	}
	if err := c.observeWanted(ctx, from, w); err != nil {
		return nil, err
	}
	if err := c.observeRestart(ctx, w); err != nil {
		return nil, err
	}
	w.observed.Problems = append(w.observed.Problems, w.referenceProblems()...)
	c.checkTemplate(ctx, w)
	w.observed.Measurements = c.Measurer.Results(key)
	c.observeReceived(w)
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
		w.observed.Workloads = append(w.observed.Workloads, workload(revision, set, w.object.Spec.MinReadySeconds))
	}
	return nil
}

// observeTraffic reads what carries the traffic: Services, their endpoints and routes. It is what is in force that counts; the
// spec may name something else by now.
func (c *Controller) observeTraffic(ctx context.Context, from reader, w *world) (err error) {
	wiring := w.inForce()
	w.target = target(w.key.Namespace, wiring, w.observed.Status.Swapped)
	w.target.Managed.Rules = w.observed.Rules()
	if err := c.observeBackends(ctx, from, w); err != nil {
		return err
	}
	if wiring.Mode != rollout.ByRoutes {
		return nil
	}
	w.observed.Routes, err = c.observeRoutes(ctx, from, w.target)
	return err
}

// observeBackends reads the two backends of the target.
func (c *Controller) observeBackends(ctx context.Context, from reader, w *world) (err error) {
	pair := w.target.Pair
	if pair.SubsetsOf != "" {
		return c.observeSubsets(ctx, from, w)
	}
	if w.observed.Stable, err = c.observeBackend(ctx, from, w, pair.Stable); err != nil {
		return err
	}
	w.observed.Canary, err = c.observeBackend(ctx, from, w, pair.Canary)
	return err
}

func (c *Controller) observeBackend(ctx context.Context, from reader, w *world, name string) (rollout.Backend, error) {
	backend := rollout.Backend{Name: name}
	if name == "" {
		return backend, nil
	}
	service, err := c.readService(ctx, from, w, name)
	if err != nil || service == nil {
		backend.Missing = true
		return backend, err
	}
	key := engine.Key{Namespace: w.key.Namespace, Name: name}
	slices, err := from.endpoints(ctx, key)
	if err != nil {
		return backend, fmt.Errorf("list EndpointSlices of Service %s: %w", key, err)
	}
	w.slices = append(w.slices, slices...)
	backend.Revision = service.Spec.Selector[v1alpha1.PodTemplateHashLabel]
	backend.Endpoints = readyEndpoints(slices, w.sets)
	return backend, nil
}

// readService reads a Service once; it is nil if there is none.
func (c *Controller) readService(ctx context.Context, from reader, w *world, name string) (*corev1.Service, error) {
	if known := w.services[name]; known != nil {
		return known, nil
	}
	key := engine.Key{Namespace: w.key.Namespace, Name: name}
	service, err := from.service(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read Service %s: %w", key, err)
	}
	if service != nil {
		w.services[name] = service
	}
	return service, nil
}

func (c *Controller) observeRoutes(ctx context.Context, from reader, t traffic.Target) (traffic.Observation, error) {
	routes, err := c.Router.Observe(ctx, t, from.isLive())
	if err != nil {
		return routes, fmt.Errorf("read routes: %w", err)
	}
	return routes, nil
}

// observeWanted reads what the spec names and is not in force: nothing is given up for it as long as it is missing or unfit.
func (c *Controller) observeWanted(ctx context.Context, from reader, w *world) (err error) {
	wanted := w.observed.Spec.Wiring
	if wanted == w.inForce() {
		w.wanted, w.wantedSubsets = w.observed.Routes, w.subsets
		return nil
	}
	for _, ref := range references(w.object.Spec.Strategy) {
		if _, err := c.readService(ctx, from, w, ref.service); err != nil {
			return err
		}
	}
	if wanted.Mode != rollout.ByRoutes {
		return nil
	}
	to := target(w.key.Namespace, wanted, false)
	if to.Pair.SubsetsOf != "" {
		if w.wantedSubsets, err = c.readSubsets(ctx, from, w, to); err != nil {
			return err
		}
	}
	w.wanted, err = c.observeRoutes(ctx, from, to)
	return err
}
