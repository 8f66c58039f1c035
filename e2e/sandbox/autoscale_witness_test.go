//go:build integration

package sandbox

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// witness remembers what others do to an app.
type witness struct {
	namespace string

	mu sync.Mutex // for all that follows
	// replicas are the values that spec.replicas had.
	replicas []int32
	// misled are the moments at which an autoscaler would have read another number in the status than it asked for.
	misled []string
	// overloads are the moments at which the route sent a Service more than its pods can carry.
	overloads []string
	// blind says why something may have been missed.
	blind []string
}

func (w *witness) followReplicas(t *testing.T) {
	t.Helper()
	rollouts, err := cluster.rollouts.Rollouts(w.namespace).Watch(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	w.follow(t, rollouts, w.sawRollout)
}

func (w *witness) followTraffic(t *testing.T) {
	t.Helper()
	routes, err := cluster.routes.GatewayV1().HTTPRoutes(w.namespace).Watch(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	generation := int64(0)
	w.follow(t, routes, func(object runtime.Object) {
		if route, ok := object.(*gatewayv1.HTTPRoute); ok && route.Generation != generation {
			generation = route.Generation
			w.checkCapacity(t.Context())
		}
	})
	services, err := cluster.kubernetes.CoreV1().Services(w.namespace).Watch(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	w.follow(t, services, func(runtime.Object) { w.checkCapacity(t.Context()) })
}

// follow hands on every object that a watch brings until the test ends.
func (w *witness) follow(t *testing.T, watcher watch.Interface, saw func(runtime.Object)) {
	t.Helper()
	ended, done := t.Context(), make(chan struct{})
	go func() {
		defer close(done)
		for event := range watcher.ResultChan() {
			saw(event.Object)
		}
		if ended.Err() == nil {
			w.note(&w.blind, "a watch ended early")
		}
	}()
	t.Cleanup(func() {
		watcher.Stop()
		<-done
	})
}

func (w *witness) note(where *[]string, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*where = append(*where, what)
}

// sawRollout notes what was asked for, and what autoscalers are told there is. They write that number back as long as the
// load is about right for it. So it has to be what they asked for, or asked for before: neither a pod that a release has beyond
// it nor one that is being replaced may show.
func (w *witness) sawRollout(object runtime.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := object.(*v1alpha1.Rollout)
	if !ok || r.Spec.Replicas == nil {
		w.blind = append(w.blind, fmt.Sprintf("unexpected object %v", object))
		return
	}
	if len(w.replicas) == 0 || w.replicas[len(w.replicas)-1] != *r.Spec.Replicas {
		w.replicas = append(w.replicas, *r.Spec.Replicas)
	}
	if told := r.Status.ServingReplicas; r.Status.StableRevision != "" && !slices.Contains(w.replicas, told) {
		w.misled = append(w.misled, fmt.Sprintf("status.servingReplicas was %d of %d: %s", told, *r.Spec.Replicas, r.Status.Message))
	}
}

// checkCapacity looks whether every Service has the ready pods for its share right after the shares have changed. Pods take
// most of a second to become ready, so those that come too late are still missing.
func (w *witness) checkCapacity(ctx context.Context) {
	backends, replicas, err := w.read(ctx)
	if err != nil && ctx.Err() == nil {
		w.note(&w.blind, err.Error())
	}
	for _, b := range backends {
		if need := (b.percent*replicas + 99) / 100; len(b.pods) < need {
			w.note(&w.overloads, fmt.Sprintf("Service %s gets %d%% and needs %d pods, but %d are ready", b.service, b.percent, need, len(b.pods)))
		}
	}
}

func (w *witness) read(ctx context.Context) ([]backend, int, error) {
	backends, _, err := readTraffic(ctx, w.namespace)
	if err != nil {
		return nil, 0, err
	}
	r, err := cluster.rollouts.Rollouts(w.namespace).Get(ctx, "checkout", metav1.GetOptions{})
	if err != nil {
		return nil, 0, err
	}
	return backends, int(*r.Spec.Replicas), nil
}

// requireReplicas fails unless spec.replicas went from one of these values straight to the next, autoscalers never had reason to ask
// for another one, and no Service ever got more than it can carry.
func (w *witness) requireReplicas(t *testing.T, want ...int32) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Empty(t, w.blind)
	require.Equal(t, want, turns(w.replicas), "where spec.replicas turned, of %v", w.replicas)
	require.Empty(t, w.misled)
	require.Empty(t, w.overloads)
}

// turns leaves out what lies on the way from one value to another. An autoscaler that has no metrics of a pod yet takes it for busy, and
// goes down in two steps.
func turns(values []int32) []int32 {
	var turning []int32
	for i, v := range values {
		passed := i > 0 && i < len(values)-1 && (values[i-1] < v) == (v < values[i+1])
		if !passed {
			turning = append(turning, v)
		}
	}
	return turning
}
