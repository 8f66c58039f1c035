package engine

import (
	"sync"

	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// OwnWrites remembers what the passes over each key wrote, so that the next pass can wait until the caches show it. Without
// this guard a pass that follows closely on a write decides on the world as it was before, and creates, scales or deletes a
// second time; stale reads of this sort are the largest class of bugs found in controllers.
//
// It holds one entry per key and cache, and only while a write is not visible. It does not survive a restart, and
// need not: a Store's first list is consistent, so it shows everything that this process' predecessor wrote.
type OwnWrites struct {
	mu      sync.Mutex
	pending map[Key]map[syncedTo]string // follows mu: the newest version written, per key and cache
}

// syncedTo is what OwnWrites needs of a Store.
type syncedTo = interface{ SyncedTo(string) bool }

// NewOwnWrites returns an empty memory.
func NewOwnWrites() *OwnWrites {
	return &OwnWrites{pending: map[Key]map[syncedTo]string{}}
}

// Wrote records that a pass over key wrote an object which the API server answered with resourceVersion, and which is read
// back through cache. The cache must be a pointer, and that of the written object's kind: versions of two kinds have no
// order. An empty version (the answer to some deletions) records nothing. Where several writes go through one cache, the
// newest is waited for.
func (w *OwnWrites) Wrote(key Key, cache interface{ SyncedTo(string) bool }, resourceVersion string) {
	if resourceVersion == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pending[key] == nil {
		w.pending[key] = map[syncedTo]string{}
	}
	// A late answer must not replace a newer version by an older one.
	if order, err := resourceversion.CompareResourceVersion(w.pending[key][cache], resourceVersion); err == nil && order > 0 {
		return
	}
	w.pending[key][cache] = resourceVersion
}

// Visible reports whether the caches show everything that was written for key, and forgets what they show.
func (w *OwnWrites) Visible(key Key) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for cache, version := range w.pending[key] {
		if cache.SyncedTo(version) {
			delete(w.pending[key], cache)
		}
	}
	if len(w.pending[key]) > 0 {
		return false
	}
	delete(w.pending, key)
	return true
}

// Forget drops what was written for key, for an object that is gone.
func (w *OwnWrites) Forget(key Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.pending, key)
}
