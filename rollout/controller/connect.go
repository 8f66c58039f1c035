package controller

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// Connect makes every change that matters to a Rollout bring it to the queue. Changes that no decision depends on, such as
// a new resource version alone, bring nothing.
func (c *Caches) Connect(queue *engine.Queue) {
	c.Rollouts.OnChange(func(before, after *v1alpha1.Rollout) {
		queue.Add(keyOf(either(before, after)))
		// Those that waited for a Service of this one may go on.
		for _, service := range letGo(before, after) {
			c.addIndexed(queue, byService, service)
		}
	})
	c.ReplicaSets.OnChange(func(before, after *appsv1.ReplicaSet) {
		set := either(before, after)
		if owner := metav1.GetControllerOf(set); owner != nil && !sameSet(before, after) {
			queue.Add(engine.Key{Namespace: set.Namespace, Name: owner.Name})
		}
	})
	c.Services.OnChange(func(before, after *corev1.Service) {
		if before == nil || after == nil || !apiequality.Semantic.DeepEqual(before.Spec, after.Spec) {
			c.addIndexed(queue, byService, keyOf(either(before, after)).String())
		}
	})
	c.Endpoints.OnChange(func(before, after *discoveryv1.EndpointSlice) {
		if before == nil || after == nil || !apiequality.Semantic.DeepEqual(before.Endpoints, after.Endpoints) {
			c.addIndexed(queue, byService, indexEndpoints(either(before, after))[0])
		}
	})
	c.connectSources(queue)
	for _, kind := range c.kinds {
		kind.onChange(func(route engine.Key) { c.addIndexed(queue, byRoute, routeKey(kind.name, route.Namespace, route.Name)) })
	}
}

// letGo are the Services, as the cache files them, that a Rollout no longer has a hand on after a change.
func letGo(before, after *v1alpha1.Rollout) []string {
	if before == nil {
		return nil
	}
	gone := indexServices(before)
	if after != nil {
		kept := indexServices(after)
		gone = slices.DeleteFunc(gone, func(service string) bool { return slices.Contains(kept, service) })
	}
	return gone
}

// sameSet says whether nothing about a ReplicaSet has changed that the engine reads.
func sameSet(before, after *appsv1.ReplicaSet) bool {
	return before != nil && after != nil && apiequality.Semantic.DeepEqual(before.Status, after.Status) &&
		apiequality.Semantic.DeepEqual(before.Spec, after.Spec) && apiequality.Semantic.DeepEqual(before.Annotations, after.Annotations) &&
		apiequality.Semantic.DeepEqual(before.OwnerReferences, after.OwnerReferences)
}

// isNil says whether an object of a change is missing: an interface that holds a nil pointer is not nil itself.
func isNil[T engine.Object](object T) bool {
	var none T
	return engine.Object(object) == engine.Object(none)
}

func (c *Caches) addIndexed(queue *engine.Queue, index, value string) {
	for _, r := range c.Rollouts.ByIndex(index, value) {
		queue.Add(keyOf(r))
	}
}

// either is the newest known state of an object that changed.
func either[T engine.Object](before, after T) T {
	if isNil(after) {
		return before
	}
	return after
}

func keyOf(o metav1.Object) engine.Key {
	return engine.Key{Namespace: o.GetNamespace(), Name: o.GetName()}
}
