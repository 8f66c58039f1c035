package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"
)

// Object is what a Store holds: a pointer to an API type.
type Object interface {
	metav1.Object
	runtime.Object
}

// Store is a read cache of one kind, fed by a list and a watch.
//
// It never starts from an old picture: it streams its first list (WatchList) where the server can, which begins at the
// most recent version, and otherwise lists with a quorum read. A controller that starts from a lagging API server's cache
// would act on a state from before its predecessor's last writes.
//
// What it returns is shared and must not be modified, and comes in no particular order. An idle Store costs an open
// connection: there is no resync.
type Store[T Object] struct {
	lw      ListWatcher
	example T
	strip   func(T) T
	objects cache.Indexer

	handlers []func(before, after T)
	wanted   func() bool

	// seen is the version up to which objects shows the server. cache.Store.LastStoreSyncResourceVersion says the same, but
	// is always empty when the environment switches client-go's gate AtomicFIFO off, and the guard against stale reads
	// must not hang on that.
	seen      atomic.Pointer[string]
	available atomic.Bool
	synced    chan struct{}
	syncOnce  sync.Once
}

// NewStore makes a Store of the kind of example, which serves as a type only (an *unstructured.Unstructured must have its
// apiVersion and kind set).
//
// strip (nil: keep all) is called with every object before it is stored, so that the fields nobody reads never take memory.
// It may modify its argument, must keep name, namespace, uid and resourceVersion, and is sometimes called with its own result.
// Each of the indexers (nil: none) maps an object to the values under which ByIndex finds it, and must not be changed later.
func NewStore[T Object](lw ListWatcher, example T, strip func(T) T, indexers map[string]func(T) []string) *Store[T] {
	if strip == nil {
		strip = func(obj T) T { return obj }
	}
	s := &Store[T]{lw: lw, example: example, strip: strip, synced: make(chan struct{})}
	byName := cache.Indexers{}
	for name, values := range indexers {
		byName[name] = func(obj any) ([]string, error) { return values(obj.(T)), nil }
	}
	s.objects = cache.NewIndexer(cache.MetaNamespaceKeyFunc, byName)
	return s
}

// Get returns the object named key.
func (s *Store[T]) Get(key Key) (T, bool) {
	obj, found, _ := s.objects.GetByKey(key.String()) // The error is always nil for a store in memory.
	if !found {
		var none T
		return none, false
	}
	return obj.(T), true
}

// ByIndex returns the objects that the named index files under value. A name that was not given to NewStore panics.
func (s *Store[T]) ByIndex(index, value string) []T {
	found, err := s.objects.ByIndex(index, value)
	if err != nil {
		panic(fmt.Sprintf("store of %T: %v", s.example, err))
	}
	return typed[T](found)
}

// List returns all objects.
func (s *Store[T]) List() []T { return typed[T](s.objects.List()) }

func typed[T Object](objs []any) []T {
	list := make([]T, len(objs))
	for i, obj := range objs {
		list[i] = obj.(T)
	}
	return list
}

// OnChange registers a handler, before Run. It is called for each change after the Store shows it, from the goroutine
// that feeds the Store: it should do no more than map the object to keys and add them to a Queue. before is nil for an
// added object, after for a deleted one; a deletion that the watch missed comes with the last object that was known. If
// the object was deleted and created again meanwhile, before and after differ in their UID.
func (s *Store[T]) OnChange(handler func(before, after T)) {
	s.handlers = append(s.handlers, handler)
}

// Run feeds the Store until ctx ends. Against a server that does not answer it retries for ever, every 30 to 60 seconds in
// the end, and may then take as long to return.
func (s *Store[T]) Run(ctx context.Context) { s.run(ctx, s.lw) }

func (s *Store[T]) run(ctx context.Context, lw ListWatcher) {
	cache.NewReflectorWithOptions(consistent{lw}, s.example, feed[T]{s},
		cache.ReflectorOptions{Name: fmt.Sprintf("store of %T", s.example)}).RunWithContext(ctx)
}

// Synced reports whether the Store can be read: its first list is in and handed to the handlers, or it is known that its
// kind is not served (RunWhenServed). It never becomes false again.
func (s *Store[T]) Synced() bool {
	select {
	case <-s.synced:
		return true
	default:
		return false
	}
}

// WaitSynced returns nil as soon as Synced is true, or an error that names the kind when ctx ends before.
func (s *Store[T]) WaitSynced(ctx context.Context) error {
	select {
	case <-s.synced:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the first list of %T: %w", s.example, context.Cause(ctx))
	}
}

// Available reports whether the Store shows its kind: false before the first list, and while the kind is not served.
func (s *Store[T]) Available() bool { return s.available.Load() }

// SyncedTo reports whether the Store shows everything of its kind up to resourceVersion, be it that the change came, that a
// later one did, or that the server's bookmark says there is none. Of a kind that is not served nothing will ever come, so
// it is true then. It is also true where one of the versions is no number, because such a server gives no order to wait for
// and the wait would never end; Kubernetes promises comparable numbers for its own kinds and for CRDs (KEP-5504).
func (s *Store[T]) SyncedTo(resourceVersion string) bool {
	if !s.Available() {
		return s.Synced()
	}
	order, err := resourceversion.CompareResourceVersion(*s.seen.Load(), resourceVersion)
	return err != nil || order >= 0
}

func (s *Store[T]) announce(before, after T) {
	for _, handler := range s.handlers {
		handler(before, after)
	}
}

func (s *Store[T]) markSynced() { s.syncOnce.Do(func() { close(s.synced) }) }

// feed is the Store as a reflector fills it. It takes the place of a shared informer, which would put two more goroutines with
// buffers of their own between the watch and the objects, for many listeners that come and go.
type feed[T Object] struct{ store *Store[T] }

var (
	_ cache.TransformingStore      = feed[Object]{}
	_ cache.ReflectorBookmarkStore = feed[Object]{}
)

func (f feed[T]) Transformer() cache.TransformFunc {
	return func(obj any) (any, error) { return f.stripped(obj) }
}

func (f feed[T]) stripped(obj any) (T, error) {
	t, ok := obj.(T)
	if !ok {
		var none T
		return none, fmt.Errorf("store of %T was given a %T", f.store.example, obj)
	}
	return f.store.strip(t), nil
}

// Add stores an object that is new, or that the watch repeats.
func (f feed[T]) Add(obj any) error { return f.Update(obj) }

// Update stores an object and tells the handlers.
func (f feed[T]) Update(obj any) error {
	after, err := f.stripped(obj)
	if err != nil {
		return err
	}
	before, _ := f.store.Get(keyOf(after))
	if err := f.store.objects.Update(after); err != nil {
		return fmt.Errorf("store %s: %w", keyOf(after), err)
	}
	f.saw(after.GetResourceVersion())
	f.store.announce(before, after)
	return nil
}

// Delete removes an object and tells the handlers. The version of the deletion is in obj.
func (f feed[T]) Delete(obj any) error {
	gone, err := f.stripped(obj)
	if err != nil {
		return err
	}
	before, known := f.store.Get(keyOf(gone))
	if err := f.store.objects.Delete(gone); err != nil {
		return fmt.Errorf("remove %s: %w", keyOf(gone), err)
	}
	f.saw(gone.GetResourceVersion())
	if known {
		var none T
		f.store.announce(before, none)
	}
	return nil
}

// Replace takes the list that a stream begins with, the first one or one after the watch was interrupted for too long. The
// handlers hear of what differs from what was known.
func (f feed[T]) Replace(objs []any, version string) error {
	before := map[Key]T{}
	for _, obj := range f.store.List() {
		before[keyOf(obj)] = obj
	}
	for i, obj := range objs {
		after, err := f.stripped(obj)
		if err != nil {
			return err
		}
		objs[i] = after
	}
	after := typed[T](objs)
	if err := f.store.objects.Replace(objs, version); err != nil {
		return fmt.Errorf("store a list of %d: %w", len(objs), err)
	}
	f.saw(version)
	f.store.available.Store(true)
	f.announceDifference(before, after)
	f.store.markSynced()
	return nil
}

func (f feed[T]) announceDifference(before map[Key]T, after []T) {
	var none T
	for _, obj := range after {
		old, known := before[keyOf(obj)]
		delete(before, keyOf(obj))
		switch {
		case !known:
			f.store.announce(none, obj)
		case old.GetResourceVersion() != obj.GetResourceVersion() || old.GetUID() != obj.GetUID():
			f.store.announce(old, obj)
		}
	}
	for _, gone := range before {
		f.store.announce(gone, none)
	}
}

// Bookmark notes that nothing of this kind changed up to version.
func (f feed[T]) Bookmark(version string) error {
	f.saw(version)
	return nil
}

// Resync is never called, because the resync period is zero.
func (f feed[T]) Resync() error { return nil }

// saw comes after the objects have changed: whoever sees the version also sees the objects.
func (f feed[T]) saw(version string) { f.store.seen.Store(&version) }

func keyOf(obj metav1.Object) Key { return Key{Namespace: obj.GetNamespace(), Name: obj.GetName()} }
