package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
)

const defaultDiscoveryPoll = 30 * time.Second

// Discovery is the part of a discovery client that tells whether a kind is served.
type Discovery interface {
	ServerResourcesForGroupVersion(groupVersion string) (*metav1.APIResourceList, error)
}

// WantedWhen limits the discovery calls of RunWhenServed to the times when wanted returns true, for instance because some
// object refers to the kind. It is called about once per poll while the kind is not served, and must be quick. Without
// it, the kind is always wanted. Call it before RunWhenServed.
func (s *Store[T]) WantedWhen(wanted func() bool) { s.wanted = wanted }

// RunWhenServed is Run for a kind whose CRD may not be installed, or not yet. It asks d once at the start whether gvr is
// served. Until the answer is there, Synced is false. While the answer is no, the Store is empty, Synced is true and
// Available false, and d is asked again at most once per poll (0: 30 s), and only while the kind is wanted (WantedWhen).
// Once the answer is yes, Available becomes true with the first list, whose objects reach the handlers as added.
//
// If the CRD is removed later, d confirms it, the objects reach the handlers as deleted, and it starts all over. A
// discovery call that fails changes nothing and is repeated after poll.
func (s *Store[T]) RunWhenServed(ctx context.Context, d Discovery, gvr schema.GroupVersionResource, poll time.Duration) {
	if poll <= 0 {
		poll = defaultDiscoveryPoll
	}
	for ctx.Err() == nil {
		asked := time.Now()
		isServed, err := served(d, gvr)
		known := err == nil
		switch {
		case !known:
			klog.FromContext(ctx).Error(err, "Cannot tell whether an optional kind is served", "retryIn", poll)
		case isServed:
			s.runUntilGone(ctx)
			known = false // That it is gone was said by a list, and one such answer is not enough to drop all objects.
		default:
			s.clear()
		}
		s.pause(ctx, asked.Add(poll), poll, known)
	}
}

// pause waits until the time has come for the next discovery call. If what is known is that nobody has the kind, the
// call is put off further while nobody wants it.
func (s *Store[T]) pause(ctx context.Context, until time.Time, poll time.Duration, known bool) {
	for {
		if endsWithin(ctx.Done(), time.Until(until)) || !known || s.wanted == nil || s.wanted() {
			return
		}
		until = time.Now().Add(poll)
	}
}

func (s *Store[T]) runUntilGone(ctx context.Context) {
	ctx, gone := context.WithCancel(ctx)
	defer gone()
	s.run(ctx, untilGone{s.lw, gone})
}

// clear says that the kind is not served: what was stored is deleted, and there is nothing to wait for.
func (s *Store[T]) clear() {
	s.available.Store(false)
	before := map[Key]T{}
	for _, obj := range s.List() {
		before[keyOf(obj)] = obj
	}
	_ = s.objects.Replace(nil, "") // Fails only for objects without a name, and there are none.
	feed[T]{s}.announceDifference(before, nil)
	s.markSynced()
}

// served asks whether the server has the resource. Neither a missing group version nor a missing resource is an error.
func served(d Discovery, gvr schema.GroupVersionResource) (bool, error) {
	list, err := d.ServerResourcesForGroupVersion(gvr.GroupVersion().String())
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("discover %s: %w", gvr, err)
	}
	return slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == gvr.Resource }), nil
}
