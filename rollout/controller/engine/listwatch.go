package engine

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/watchlist"
)

// ListWatcher lists and watches one kind; a *cache.ListWatch is one. ListWatch makes one of a typed client.
type ListWatcher = cache.ListerWatcher

// Lister is the reading part of a client for one kind, such as clientset.AppsV1().ReplicaSets(metav1.NamespaceAll).
type Lister[L runtime.Object] interface {
	List(ctx context.Context, opts metav1.ListOptions) (L, error)
	Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)
}

// ListWatch makes a ListWatcher of a client for one kind. The clientset that it comes from is asked whether it can stream
// lists, which the fake ones cannot.
func ListWatch[L runtime.Object](clientset any, client Lister[L]) ListWatcher {
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
			return client.List(ctx, opts)
		},
		WatchFuncWithContext: client.Watch,
	}, clientset)
}

// consistent turns the reflector's "any version will do" (resourceVersion 0, its habit for the first list on servers that
// cannot stream one) into a read of the most recent version.
type consistent struct{ ListWatcher }

// ListWithContext lists at no version older than what the caller knows, and at the most recent one if it knows nothing.
func (c consistent) ListWithContext(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
	if opts.ResourceVersion == "0" {
		opts.ResourceVersion = ""
	}
	return cache.ToListerWithContext(c.ListWatcher).ListWithContext(ctx, opts)
}

// WatchWithContext passes on.
func (c consistent) WatchWithContext(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	return cache.ToWatcherWithContext(c.ListWatcher).WatchWithContext(ctx, opts)
}

// IsWatchListSemanticsUnSupported passes on whether the client cannot stream lists; client-go asks for it under this name.
func (c consistent) IsWatchListSemanticsUnSupported() bool {
	return watchlist.DoesClientNotSupportWatchListSemantics(c.ListWatcher)
}

// untilGone tells when the server does not know the kind any more.
type untilGone struct {
	ListWatcher
	gone func()
}

// ListWithContext calls gone when the answer is that there is no such resource. A list of a kind that is served is never
// "not found", be it empty. (A watch needs no such care: the reflector lists after a watch failed.)
func (u untilGone) ListWithContext(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
	list, err := cache.ToListerWithContext(u.ListWatcher).ListWithContext(ctx, opts)
	if apierrors.IsNotFound(err) {
		u.gone()
	}
	return list, err
}

// WatchWithContext passes on.
func (u untilGone) WatchWithContext(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	return cache.ToWatcherWithContext(u.ListWatcher).WatchWithContext(ctx, opts)
}

// IsWatchListSemanticsUnSupported passes on, see consistent.
func (u untilGone) IsWatchListSemanticsUnSupported() bool {
	return watchlist.DoesClientNotSupportWatchListSemantics(u.ListWatcher)
}
