package gatewayapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/rest"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gateway "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"

	"github.com/rollout-dev/rollout/providers/gatewayapi"
)

// object is a stored object as plain JSON, so that nothing in it depends on the Go types of a route.
type object = map[string]any

// apiServer answers GET and PATCH of routes as the Kubernetes API server does: resource versions and generations that count
// changes, JSON patches that apply as a whole or not at all, 404 with a Status for objects and without one for kinds.
type apiServer struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	objects map[string]object // by the path of their URL
	served  map[string]bool   // resources
	version int
	writes  int

	// refuse is what a validation rule says to every write; empty for none.
	refuse string
	failIn int
	lost   bool
	failed bool
	before func()
}

var resources = map[string]string{"HTTPRoute": "httproutes", "GRPCRoute": "grpcroutes"}

func newAPIServer(t *testing.T) *apiServer {
	s := &apiServer{t: t, objects: map[string]object{}, served: map[string]bool{"httproutes": true, "grpcroutes": true}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// router reads from a cache that is never behind.
func (s *apiServer) router() *gatewayapi.Router { return s.routerWith(s) }

func (s *apiServer) routerWith(cached gatewayapi.Cache) *gatewayapi.Router {
	client, err := gateway.NewForConfig(&rest.Config{Host: s.url, QPS: -1})
	require.NoError(s.t, err)
	return gatewayapi.New(client, cached)
}

func path(kind, namespace, name string) string {
	return fmt.Sprintf("/apis/gateway.networking.k8s.io/v1/namespaces/%s/%s/%s", namespace, resources[kind], name)
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPatch {
		s.mu.Lock()
		before := s.before
		s.before = nil
		s.mu.Unlock()
		if before != nil {
			before()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failIn--
	fails := s.failIn == 0
	s.failed = s.failed || fails
	var code int
	var body any
	if !fails || s.lost {
		code, body = s.answer(r)
	}
	if fails {
		code, body = status(apierrors.NewInternalError(errors.New("etcdserver: request timed out")))
	}
	if text, plain := body.(string); plain {
		http.Error(w, text, code)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(canonical(body))
}

// answer is a status code and an object, a metav1.Status or a plain page.
func (s *apiServer) answer(r *http.Request) (int, any) {
	parts := strings.Split(r.URL.Path, "/")
	resource, name := parts[len(parts)-2], parts[len(parts)-1]
	if !s.served[resource] {
		return http.StatusNotFound, "404 page not found"
	}
	current, there := s.objects[r.URL.Path]
	if !there {
		return status(apierrors.NewNotFound(schema.GroupResource{Group: gatewayv1.GroupName, Resource: resource}, name))
	}
	switch r.Method {
	case http.MethodGet:
		return http.StatusOK, current
	case http.MethodPatch:
		s.writes++
		return s.patch(r, resource, current)
	}
	return http.StatusMethodNotAllowed, "405 method not allowed"
}

func (s *apiServer) patch(r *http.Request, resource string, current object) (int, any) {
	if r.Header.Get("Content-Type") != "application/json-patch+json" || r.URL.Query().Get("fieldManager") == "" {
		return http.StatusUnsupportedMediaType, "a JSON patch with a field manager is wanted"
	}
	body, err := io.ReadAll(r.Body)
	require.NoError(s.t, err)
	patch, err := jsonpatch.DecodePatch(body)
	require.NoError(s.t, err)
	patched, err := patch.Apply(canonical(current))
	if err != nil {
		return status(apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", err.Error(), 0, false))
	}
	if s.refuse != "" {
		return status(apierrors.NewInvalid(schema.GroupKind{Kind: resource}, r.URL.Path, field.ErrorList{field.Invalid(field.NewPath("spec"), "", s.refuse)}))
	}
	next := parse(patched)
	if next["metadata"].(object)["resourceVersion"] != current["metadata"].(object)["resourceVersion"] {
		return status(apierrors.NewConflict(schema.GroupResource{Resource: resource}, r.URL.Path, errors.New("the object has been modified")))
	}
	s.store(r.URL.Path, next)
	return http.StatusOK, s.objects[r.URL.Path]
}

// store keeps a change, if it is one.
func (s *apiServer) store(path string, next object) {
	previous, there := s.objects[path]
	if there && bytes.Equal(canonical(previous), canonical(next)) {
		return
	}
	s.version++
	meta := next["metadata"].(object)
	meta["resourceVersion"] = strconv.Itoa(s.version)
	switch {
	case !there:
		meta["uid"] = fmt.Sprint("uid-", s.version)
		meta["generation"] = json.Number("1")
	case !bytes.Equal(canonical(previous["spec"]), canonical(next["spec"])):
		generation, err := meta["generation"].(json.Number).Int64()
		require.NoError(s.t, err)
		meta["generation"] = json.Number(strconv.FormatInt(generation+1, 10))
	}
	s.objects[path] = next
}

func status(err *apierrors.StatusError) (int, any) {
	// Without these two a client takes it for a plain page.
	err.ErrStatus.Kind, err.ErrStatus.APIVersion = "Status", "v1"
	return int(err.ErrStatus.Code), err.ErrStatus
}

// canonical is the JSON of a value with its keys in order.
func canonical(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}

func parse(text []byte) object {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // a large number must not change on its way through a float
	var out object
	if err := decoder.Decode(&out); err != nil {
		panic(err)
	}
	return out
}

// HTTPRoute and GRPCRoute answer as a stripped cache that is never behind.
func (s *apiServer) HTTPRoute(namespace, name string) (*gatewayv1.HTTPRoute, bool) {
	return cached(s, "HTTPRoute", namespace, name, gatewayapi.StripHTTPRoute)
}

func (s *apiServer) GRPCRoute(namespace, name string) (*gatewayv1.GRPCRoute, bool) {
	return cached(s, "GRPCRoute", namespace, name, gatewayapi.StripGRPCRoute)
}

func cached[T any](s *apiServer, kind, namespace, name string, strip func(*T) *T) (*T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, there := s.objects[path(kind, namespace, name)]
	if !there {
		return nil, false
	}
	var out T
	require.NoError(s.t, json.Unmarshal(canonical(stored), &out))
	return strip(&out), true
}

// change edits a copy of an object and stores it.
func (s *apiServer) change(path string, edit func(object)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := object{}
	if stored, there := s.objects[path]; there {
		next = parse(canonical(stored))
	}
	edit(next)
	s.store(path, next)
}
