package controller

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// Kind is a kind of objects that carry traffic, and its cache. Its CRD may not be installed.
type Kind struct {
	name     string
	resource schema.GroupVersionResource
	cache    kindCache
	onChange func(func(engine.Key))
}

// kindCache is what the caches need of a store, whatever its type.
type kindCache interface {
	WantedWhen(wanted func() bool)
	RunWhenServed(ctx context.Context, d engine.Discovery, gvr schema.GroupVersionResource, poll time.Duration)
	Synced() bool
	WaitSynced(ctx context.Context) error
	SyncedTo(resourceVersion string) bool
}

// NewKind makes a kind of a store that is not run by anybody else.
func NewKind[T engine.Object](name string, resource schema.GroupVersionResource, store *engine.Store[T]) Kind {
	return Kind{name: name, resource: resource, cache: store, onChange: func(changed func(engine.Key)) {
		store.OnChange(func(before, after T) { changed(keyOf(either(before, after))) })
	}}
}
