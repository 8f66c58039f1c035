package engine

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

// apiServer serves config maps the way a real API server does, as far as a reflector can tell: a version that counts all
// writes, lists, watches from a version, and streamed lists if it can.
type apiServer struct {
	mu       sync.Mutex
	streams  bool
	served   bool
	version  int
	objects  map[string]*corev1.ConfigMap
	watches  []*watch.RaceFreeFakeWatcher
	requests []metav1.ListOptions
}

func newAPIServer(streams bool) *apiServer {
	return &apiServer{streams: streams, served: true, version: 1, objects: map[string]*corev1.ConfigMap{}}
}

// write creates or updates a config map in namespace "ns" and returns its new version.
func (s *apiServer) write(name, value string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	event := watch.Modified
	obj := s.objects[name].DeepCopy()
	if obj == nil {
		event = watch.Added
		obj = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: name, UID: types.UID(strconv.Itoa(s.version)),
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "someone"}},
		}}
	}
	obj.Data = map[string]string{"value": value}
	obj.ResourceVersion = s.next()
	s.objects[name] = obj
	s.send(event, obj)
	return obj.ResourceVersion
}

func (s *apiServer) remove(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	obj := s.objects[name].DeepCopy()
	obj.ResourceVersion = s.next()
	delete(s.objects, name)
	s.send(watch.Deleted, obj)
	return obj.ResourceVersion
}

// bookmark tells the watches how far they have got, after writes to other kinds moved the version on.
func (s *apiServer) bookmark() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	mark := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{ResourceVersion: s.next()}}
	s.send(watch.Bookmark, mark)
	return mark.ResourceVersion
}

// interrupt ends all watches in a way that makes the clients list again; changes in between never reach a watch.
func (s *apiServer) interrupt(changes func()) {
	s.mu.Lock()
	broken := s.watches
	s.watches = nil
	s.mu.Unlock()
	changes()
	for _, w := range broken {
		status := apierrors.NewResourceExpired("too old").ErrStatus
		w.Error(&status)
	}
}

// uninstall drops the kind with all its objects.
func (s *apiServer) uninstall() {
	s.interrupt(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.served = false
		s.objects = map[string]*corev1.ConfigMap{}
	})
}

func (s *apiServer) setServed(served bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served = served
}

func (s *apiServer) seen() []metav1.ListOptions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]metav1.ListOptions(nil), s.requests...)
}

func (s *apiServer) next() string {
	s.version++
	return strconv.Itoa(s.version)
}

func (s *apiServer) send(event watch.EventType, obj *corev1.ConfigMap) {
	for _, w := range s.watches {
		w.Action(event, obj.DeepCopy())
	}
}

func (s *apiServer) List(_ context.Context, opts metav1.ListOptions) (*corev1.ConfigMapList, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, opts)
	if !s.served {
		return nil, apierrors.NewNotFound(configMaps.GroupResource(), "")
	}
	list := &corev1.ConfigMapList{ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(s.version)}}
	for _, obj := range s.objects {
		list.Items = append(list.Items, *obj.DeepCopy())
	}
	return list, nil
}

func (s *apiServer) Watch(_ context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, opts)
	streamed := opts.SendInitialEvents != nil
	switch {
	case !s.served:
		return nil, apierrors.NewNotFound(configMaps.GroupResource(), "")
	case streamed && !s.streams:
		return nil, apierrors.NewInvalid(schema.GroupKind{Kind: "ListOptions"}, "", nil)
	}
	w := watch.NewRaceFreeFake()
	if streamed {
		for _, obj := range s.objects {
			w.Add(obj.DeepCopy())
		}
		w.Action(watch.Bookmark, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			ResourceVersion: strconv.Itoa(s.version), Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"},
		}})
	}
	s.watches = append(s.watches, w)
	return w, nil
}

// discovery answers for an apiServer and counts the questions.
type discovery struct {
	server *apiServer
	mu     sync.Mutex
	calls  int
	err    error
}

func (d *discovery) ServerResourcesForGroupVersion(string) (*metav1.APIResourceList, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.err != nil {
		return nil, d.err
	}
	d.server.mu.Lock()
	defer d.server.mu.Unlock()
	if !d.server.served {
		return nil, apierrors.NewNotFound(schema.GroupResource{}, "v1")
	}
	return &metav1.APIResourceList{APIResources: []metav1.APIResource{{Name: "secrets"}, {Name: configMaps.Resource}}}, nil
}

func (d *discovery) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *discovery) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// change is what a handler was told: the values of a config map before and after, "-" for nil.
type change struct{ name, before, after string }

type changes struct {
	mu   sync.Mutex
	list []change
}

func (c *changes) record(before, after *corev1.ConfigMap) {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := change{before: "-", after: "-"}
	if before != nil {
		got.name, got.before = before.Name, before.Data["value"]
	}
	if after != nil {
		got.name, got.after = after.Name, after.Data["value"]
	}
	c.list = append(c.list, got)
}

// take returns what was recorded since the last call.
func (c *changes) take() []change {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.list
	c.list = nil
	return list
}

func newConfigMapStore(server *apiServer) *Store[*corev1.ConfigMap] {
	strip := func(cm *corev1.ConfigMap) *corev1.ConfigMap {
		cm.ManagedFields = nil
		return cm
	}
	return NewStore(ListWatch(nil, server), &corev1.ConfigMap{}, strip, map[string]func(*corev1.ConfigMap) []string{
		"value": func(cm *corev1.ConfigMap) []string { return []string{cm.Data["value"]} },
	})
}

// inBackground runs f until the test (or its synctest bubble) ends, and fails if it does not return then.
func inBackground(t *testing.T, f func(ctx context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func requireValue(t *testing.T, s *Store[*corev1.ConfigMap], name, value string) {
	t.Helper()
	obj, found := s.Get(Key{"ns", name})
	require.True(t, found, "%s is not in the store", name)
	require.Equal(t, value, obj.Data["value"])
}
