// Package apiserver is a double of the Kubernetes API server for the tests of routers.
package apiserver

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
)

// Object is a stored object as plain JSON with json.Number for numbers, so that nothing in it depends on anybody's Go types.
type Object = map[string]any

// Server answers GET and PATCH of objects as the Kubernetes API server does: resource versions and generations that count
// changes, JSON patches that apply as a whole or not at all, 404 with a Status for objects and without one for kinds.
type Server struct {
	// URL is where it listens.
	URL string

	t         *testing.T
	group     schema.GroupVersion
	resources map[string]string

	mu      sync.Mutex
	objects map[string]Object // by the path of their URL
	absent  map[string]bool   // resources that are not installed
	version int
	writes  int
	refusal string
	unknown string
	failIn  int
	lost    bool
	failed  bool
	before  func()
}

// New starts a server that ends with the test. It serves one version of one group: resources holds the plural of each kind.
func New(t *testing.T, group schema.GroupVersion, resources map[string]string) *Server {
	s := &Server{t: t, group: group, resources: resources, objects: map[string]Object{}, absent: map[string]bool{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Uninstall removes a kind.
func (s *Server) Uninstall(kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.absent[s.resources[kind]] = true
}

// Refuse makes every write fail as a validation rule makes it, with a reason; none for "".
func (s *Server) Refuse(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = reason
}

// Forget makes the installed version of the API one that doesn't know a field: it is dropped from the spec, or refused if the client
// asks for that.
func (s *Server) Forget(field string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unknown = field
}

// Fail makes the n-th request from now fail, see routertest.Server.
func (s *Server) Fail(n int, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failIn, s.lost, s.failed = n, lost, false
}

// Failed says whether the request of the last Fail has come.
func (s *Server) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// BeforeWrite is called once, when the next write arrives and before it is carried out.
func (s *Server) BeforeWrite(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = do
}

// Writes counts the requests to write so far.
func (s *Server) Writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// Object is a copy of what is stored.
func (s *Server) Object(kind, namespace, name string) (Object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, there := s.objects[s.path(kind, namespace, name)]
	if !there {
		return nil, false
	}
	return Parse(Canonical(stored)), true
}

// Change edits a copy of an object, which is empty if there is none, and stores it.
func (s *Server) Change(kind, namespace, name string, edit func(Object)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := s.path(kind, namespace, name)
	next := Object{}
	if stored, there := s.objects[path]; there {
		next = Parse(Canonical(stored))
	}
	edit(next)
	if next["metadata"] == nil {
		next["metadata"] = Object{}
	}
	meta := next["metadata"].(Object)
	next["apiVersion"], next["kind"], meta["namespace"], meta["name"] = s.group.String(), kind, namespace, name
	s.store(path, next)
}

// Remove deletes an object.
func (s *Server) Remove(kind, namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, s.path(kind, namespace, name))
}

// path of an object; those without a namespace are the cluster's.
func (s *Server) path(kind, namespace, name string) string {
	if namespace == "" {
		return fmt.Sprintf("/apis/%s/%s/%s", s.group, s.resources[kind], name)
	}
	return fmt.Sprintf("/apis/%s/namespaces/%s/%s/%s", s.group, namespace, s.resources[kind], name)
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
	_, _ = w.Write(Canonical(body)) //nolint:gosec // it answers tests with what they stored
}

// answer is a status code and an object, a metav1.Status or a plain page.
func (s *Server) answer(r *http.Request) (int, any) {
	parts := strings.Split(r.URL.Path, "/")
	resource, name := parts[len(parts)-2], parts[len(parts)-1]
	if s.absent[resource] {
		return http.StatusNotFound, "404 page not found"
	}
	current, there := s.objects[r.URL.Path]
	if !there {
		return status(apierrors.NewNotFound(schema.GroupResource{Group: s.group.Group, Resource: resource}, name))
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

func (s *Server) patch(r *http.Request, resource string, current Object) (int, any) {
	if r.Header.Get("Content-Type") != "application/json-patch+json" || r.URL.Query().Get("fieldManager") == "" {
		return http.StatusUnsupportedMediaType, "a JSON patch with a field manager is wanted"
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return http.StatusBadRequest, err.Error()
	}
	patch, err := jsonpatch.DecodePatch(body)
	if err != nil {
		return http.StatusBadRequest, err.Error()
	}
	patched, err := patch.Apply(Canonical(current))
	if err != nil {
		return status(apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", err.Error(), 0, false))
	}
	if s.refusal != "" {
		return status(apierrors.NewInvalid(schema.GroupKind{Kind: resource}, r.URL.Path, field.ErrorList{field.Invalid(field.NewPath("spec"), "", s.refusal)}))
	}
	next := Parse(patched)
	if s.unknown != "" && drop(next["spec"], s.unknown) && r.URL.Query().Get("fieldValidation") == "Strict" {
		return status(apierrors.NewBadRequest(fmt.Sprintf("strict decoding error: unknown field %q", s.unknown)))
	}
	if next["metadata"].(Object)["resourceVersion"] != current["metadata"].(Object)["resourceVersion"] {
		return status(apierrors.NewConflict(schema.GroupResource{Resource: resource}, r.URL.Path, errors.New("the object has been modified")))
	}
	s.store(r.URL.Path, next)
	return http.StatusOK, s.objects[r.URL.Path]
}

// drop removes a field wherever it is, and says whether it was anywhere.
func drop(value any, field string) (found bool) {
	switch value := value.(type) {
	case Object:
		_, found = value[field]
		delete(value, field)
		for _, inner := range value {
			found = drop(inner, field) || found
		}
	case []any:
		for _, inner := range value {
			found = drop(inner, field) || found
		}
	}
	return found
}

// store keeps a change, if it is one.
func (s *Server) store(path string, next Object) {
	previous, there := s.objects[path]
	if there && bytes.Equal(Canonical(previous), Canonical(next)) {
		return
	}
	s.version++
	meta := next["metadata"].(Object)
	meta["resourceVersion"] = strconv.Itoa(s.version)
	switch {
	case !there:
		meta["uid"] = fmt.Sprint("uid-", s.version)
		meta["generation"] = json.Number("1")
	case !bytes.Equal(Canonical(previous["spec"]), Canonical(next["spec"])):
		meta["generation"] = json.Number(strconv.FormatInt(Generation(next)+1, 10))
	}
	// As the next reader will find it, whatever Go types the editor has used.
	s.objects[path] = Parse(Canonical(next))
}

// Generation of an object.
func Generation(o Object) int64 {
	generation, err := o["metadata"].(Object)["generation"].(json.Number).Int64()
	if err != nil {
		panic(err)
	}
	return generation
}

func status(err *apierrors.StatusError) (int, any) {
	// Without these two a client takes it for a plain page.
	err.ErrStatus.Kind, err.ErrStatus.APIVersion = "Status", "v1"
	return int(err.ErrStatus.Code), err.ErrStatus
}

// Canonical is the JSON of a value with its keys in order.
func Canonical(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}

// Parse reads an object.
func Parse(text []byte) Object {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // a large number must not change on its way through a float
	var out Object
	if err := decoder.Decode(&out); err != nil {
		panic(err)
	}
	return out
}

// As reads an object into a Go type.
func As[T any](t *testing.T, o Object) *T {
	t.Helper()
	out := new(T)
	require.NoError(t, json.Unmarshal(Canonical(o), out))
	return out
}
