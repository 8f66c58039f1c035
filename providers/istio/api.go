package istio

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"istio.io/client-go/pkg/clientset/versioned"
	"istio.io/client-go/pkg/clientset/versioned/scheme"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/gentype"
	"k8s.io/client-go/rest"

	"github.com/rollout-dev/rollout/traffic"
)

// fieldManager is the name under which the API server remembers who set the weights.
const fieldManager = "rollout"

// Objects reaches the objects of one kind in one namespace, or lists and watches all of them in metav1.NamespaceAll.
type Objects struct {
	client     *gentype.ClientWithList[*Object, *ObjectList]
	connection rest.Interface
	resource   string
	namespace  string
}

// VirtualServices reaches VirtualServices.
func VirtualServices(client versioned.Interface, namespace string) Objects {
	return newObjects(client, "virtualservices", namespace)
}

// DestinationRules reaches DestinationRules.
func DestinationRules(client versioned.Interface, namespace string) Objects {
	return newObjects(client, "destinationrules", namespace)
}

func newObjects(client versioned.Interface, resource, namespace string) Objects {
	connection := client.NetworkingV1().RESTClient()
	return Objects{
		client: gentype.NewClientWithList(resource, connection, scheme.ParameterCodec, namespace,
			func() *Object { return &Object{} }, func() *ObjectList { return &ObjectList{} }),
		connection: connection, resource: resource, namespace: namespace,
	}
}

// Get reads one object from the API server.
func (o Objects) Get(ctx context.Context, name string, opts metav1.GetOptions) (*Object, error) {
	return o.client.Get(ctx, name, opts)
}

// List reads all that the options select.
func (o Objects) List(ctx context.Context, opts metav1.ListOptions) (*ObjectList, error) {
	return o.client.List(ctx, opts)
}

// patch applies a JSON patch.
func (o Objects) patch(ctx context.Context, name string, patch []byte, validation string) (*Object, error) {
	return o.client.Patch(ctx, name, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: fieldManager, FieldValidation: validation})
}

// Watch follows all that the options select. Events are decoded here, because the clientset would decode them into its own types.
func (o Objects) Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	opts.Watch = true
	var timeout time.Duration
	if opts.TimeoutSeconds != nil {
		timeout = time.Duration(*opts.TimeoutSeconds) * time.Second
	}
	request := o.connection.Get().NamespaceIfScoped(o.namespace, o.namespace != "").Resource(o.resource)
	stream, err := request.VersionedParams(&opts, scheme.ParameterCodec).Timeout(timeout).Stream(ctx)
	if err != nil {
		return nil, err
	}
	reporter := apierrors.NewClientErrorReporter(http.StatusInternalServerError, http.MethodGet, "ClientWatchDecoding")
	return watch.NewStreamWatcher(&events{stream: stream, decoder: json.NewDecoder(stream)}, reporter), nil
}

// events decodes the answer to a watch.
type events struct {
	stream  io.ReadCloser
	decoder *json.Decoder
}

// Decode returns the next event; it blocks until there is one.
func (e *events) Decode() (watch.EventType, runtime.Object, error) {
	var event struct {
		Type   watch.EventType `json:"type"`
		Object json.RawMessage `json:"object"`
	}
	if err := e.decoder.Decode(&event); err != nil {
		return "", nil, err
	}
	var object runtime.Object = &Object{}
	if event.Type == watch.Error {
		object = &metav1.Status{}
	}
	if err := json.Unmarshal(event.Object, object); err != nil {
		return "", nil, fmt.Errorf("read a watch event of type %s: %w", event.Type, err)
	}
	return event.Type, object, nil
}

// Close ends the watch.
func (e *events) Close() { _ = e.stream.Close() }

// Cache answers from what a watch has seen; an object that it doesn't have need not be missing.
type Cache interface {
	VirtualService(namespace, name string) (*Object, bool)
	DestinationRule(namespace, name string) (*Object, bool)
}

// reader reads and writes the objects of one kind.
type reader struct {
	kind   string
	cached func(namespace, name string) (*Object, bool)
	api    func(namespace string) Objects
}

func readers(client versioned.Interface, cached Cache) (virtualServices, destinationRules reader) {
	return reader{"VirtualService", cached.VirtualService, func(namespace string) Objects { return VirtualServices(client, namespace) }},
		reader{"DestinationRule", cached.DestinationRule, func(namespace string) Objects { return DestinationRules(client, namespace) }}
}

// read returns what the cache has, unless it is to be live. An object that the cache doesn't have is read from the API server: it may
// be newer than the cache, and only the server can tell an object that doesn't exist from a kind that isn't installed.
func (r reader) read(ctx context.Context, namespace, name string, live bool) (*Object, error) {
	if !live {
		if found, there := r.cached(namespace, name); there {
			return found, nil
		}
	}
	return r.api(namespace).Get(ctx, name, metav1.GetOptions{})
}

// version reads the very version that was observed. The cache may be ahead of it or behind.
func (r reader) version(ctx context.Context, namespace, name, uid, resourceVersion string) (*Object, error) {
	if found, there := r.cached(namespace, name); there && isVersion(found, uid, resourceVersion) {
		return found, nil
	}
	found, err := r.read(ctx, namespace, name, true)
	if apierrors.IsNotFound(err) || err == nil && !isVersion(found, uid, resourceVersion) {
		return nil, traffic.ErrChanged
	}
	return found, err
}

// change is a JSON patch for the version of an object that was observed.
type change struct {
	namespace, name      string
	uid, resourceVersion string
	patch                []byte
	// validation is how the API server treats fields that it doesn't know; empty for its default.
	validation string
}

func (r reader) write(ctx context.Context, c change) (newVersion string, err error) {
	written, err := r.api(c.namespace).patch(ctx, c.name, c.patch, c.validation)
	switch {
	case err == nil:
		return written.ResourceVersion, nil
	case apierrors.IsNotFound(err):
		return "", traffic.ErrChanged
	case apierrors.IsInvalid(err) || apierrors.IsConflict(err):
		// The API server answers a failed test like an object that violates its schema. Only a look can tell.
		current, again := r.read(ctx, c.namespace, c.name, true)
		if apierrors.IsNotFound(again) || again == nil && !isVersion(current, c.uid, c.resourceVersion) {
			return "", traffic.ErrChanged
		}
	}
	return "", err
}

func isVersion(o *Object, uid, resourceVersion string) bool {
	return string(o.UID) == uid && o.ResourceVersion == resourceVersion
}

// isKindMissing tells that a path doesn't exist, which the API server says with a plain page, from that an object doesn't exist,
// which it says with a Status.
func isKindMissing(err error) bool {
	return apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// notInstalled is the way out if it is missing.
func (r reader) notInstalled() string {
	return fmt.Sprintf("the cluster has no %s kind of version networking.istio.io/v1; install Istio 1.22 or newer (https://istio.io)", r.kind)
}
