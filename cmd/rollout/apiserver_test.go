package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// apiServer is as much of a Kubernetes API server as the command line needs: Rollouts that can be read, listed, watched
// and patched under a precondition, ReplicaSets that can be listed, and Deployments that can be read and patched.
type apiServer struct {
	url string

	mu       sync.Mutex
	version  int
	rollouts map[string]*v1alpha1.Rollout
	// sets are ReplicaSets, as Go types or as maps.
	sets []any
	// deployments are maps, by name, to show that fields nobody knows are left alone.
	deployments map[string]map[string]any
	log         []logged
	// grown is closed and replaced whenever the log grows.
	grown chan struct{}
	// beforePatch runs before a patch is applied, afterPatch after it, both outside the lock.
	beforePatch, afterPatch func(*apiServer)
	// breakWatches is closed and replaced to end all watches, as a server that restarts does.
	breakWatches chan struct{}
	// compacted is the oldest version a watch can start from.
	compacted int
	// fail answers a request instead of the server, if it returns true.
	fail func(http.ResponseWriter, *http.Request) bool
	// selectors are those that ReplicaSets were listed by.
	selectors []string
	// patches counts what was written.
	patches int
}

type logged struct {
	version int
	kind    string
	rollout *v1alpha1.Rollout
}

func newAPIServer(t *testing.T) *apiServer {
	s := &apiServer{rollouts: map[string]*v1alpha1.Rollout{}, deployments: map[string]map[string]any{}, grown: make(chan struct{}), breakWatches: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /apis/rollout.dev/v1alpha1/rollouts", s.list)
	mux.HandleFunc("GET /apis/rollout.dev/v1alpha1/namespaces/{namespace}/rollouts", s.list)
	mux.HandleFunc("GET /apis/rollout.dev/v1alpha1/namespaces/{namespace}/rollouts/{name}", s.get)
	mux.HandleFunc("PATCH /apis/rollout.dev/v1alpha1/namespaces/{namespace}/rollouts/{name}", s.patch)
	mux.HandleFunc("GET /apis/apps/v1/namespaces/{namespace}/replicasets", s.listSets)
	mux.HandleFunc("GET /apis/apps/v1/namespaces/{namespace}/deployments/{name}", s.getDeployment)
	mux.HandleFunc("PATCH /apis/apps/v1/namespaces/{namespace}/deployments/{name}", s.patchDeployment)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		fail := s.fail
		s.mu.Unlock()
		if fail == nil || !fail(w, r) {
			mux.ServeHTTP(w, r)
		}
	}))
	s.url = server.URL
	t.Cleanup(func() {
		s.endWatches()
		server.Close()
	})
	return s
}

// put stores a Rollout and tells the watches.
func (s *apiServer) put(r *v1alpha1.Rollout) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store(r.DeepCopy())
}

func (s *apiServer) store(r *v1alpha1.Rollout) {
	kind := "MODIFIED"
	if s.rollouts[r.Namespace+"/"+r.Name] == nil {
		kind = "ADDED"
	}
	s.version++
	r.ResourceVersion = strconv.Itoa(s.version)
	s.rollouts[r.Namespace+"/"+r.Name] = r
	s.tell(kind, r)
}

func (s *apiServer) tell(kind string, r *v1alpha1.Rollout) {
	s.log = append(s.log, logged{s.version, kind, r})
	close(s.grown)
	s.grown = make(chan struct{})
}

// change applies a change to the Rollout checkout, which most tests are about.
func (s *apiServer) change(edit func(*v1alpha1.Rollout)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rollouts["shop/checkout"].DeepCopy()
	edit(r)
	s.store(r)
}

func (s *apiServer) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := s.rollouts[name].DeepCopy()
	delete(s.rollouts, name)
	s.version++
	gone.ResourceVersion = strconv.Itoa(s.version)
	s.tell("DELETED", gone)
}

// forget replaces a Rollout in a way that no watch tells of, as when the server compacts its history between two watches.
func (s *apiServer) forget(r *v1alpha1.Rollout) {
	s.mu.Lock()
	s.version++
	s.compacted = s.version
	r.ResourceVersion = strconv.Itoa(s.version)
	s.rollouts[r.Namespace+"/"+r.Name] = r
	s.mu.Unlock()
	s.endWatches()
}

func (s *apiServer) endWatches() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.breakWatches)
	s.breakWatches = make(chan struct{})
}

// stored is the Rollout checkout as it is now.
func (s *apiServer) stored() *v1alpha1.Rollout {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rollouts["shop/checkout"].DeepCopy()
}

func (s *apiServer) get(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rollout := s.rollouts[r.PathValue("namespace")+"/"+r.PathValue("name")]
	if rollout == nil {
		s.refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound, r.PathValue("name"))
		return
	}
	s.answer(w, rollout)
}

func selected(r *http.Request) func(*v1alpha1.Rollout) bool {
	name, one := strings.CutPrefix(r.URL.Query().Get("fieldSelector"), "metadata.name=")
	namespace := r.PathValue("namespace")
	return func(rollout *v1alpha1.Rollout) bool {
		return (!one || rollout.Name == name) && (namespace == "" || rollout.Namespace == namespace)
	}
}

func (s *apiServer) list(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("watch") == "true" {
		s.watch(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := v1alpha1.RolloutList{ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(s.version)}}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("RolloutList"))
	for _, rollout := range s.rollouts {
		if selected(r)(rollout) {
			list.Items = append(list.Items, *rollout)
		}
	}
	s.answer(w, list)
}

func (s *apiServer) watch(w http.ResponseWriter, r *http.Request) {
	from, err := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	if err != nil {
		s.refuse(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, "")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.(http.Flusher).Flush()
	s.mu.Lock()
	broken, compacted := s.breakWatches, s.compacted
	s.mu.Unlock()
	if from < compacted {
		_ = json.NewEncoder(w).Encode(map[string]any{"type": "ERROR", "object": metav1.Status{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure,
			Reason: metav1.StatusReasonExpired, Code: http.StatusGone, Message: "too old"}})
		return
	}
	next := 0
	for {
		s.mu.Lock()
		entries, grown := s.log[next:], s.grown
		next = len(s.log)
		s.mu.Unlock()
		for _, entry := range entries {
			if entry.version > from && selected(r)(entry.rollout) {
				_ = json.NewEncoder(w).Encode(map[string]any{"type": entry.kind, "object": typed(entry.rollout)})
			}
		}
		w.(http.Flusher).Flush()
		select {
		case <-grown:
		case <-broken:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (s *apiServer) patch(w http.ResponseWriter, r *http.Request) {
	if s.beforePatch != nil {
		s.beforePatch(s)
	}
	if s.apply(w, r) && s.afterPatch != nil {
		s.afterPatch(s)
	}
}

func (s *apiServer) apply(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	old := s.rollouts[r.PathValue("namespace")+"/"+r.PathValue("name")]
	if err != nil || old == nil {
		s.refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound, r.PathValue("name"))
		return false
	}
	patched := &v1alpha1.Rollout{}
	switch types.PatchType(r.Header.Get("Content-Type")) {
	case types.MergePatchType:
		var wanted metav1.PartialObjectMetadata
		if json.Unmarshal(body, &wanted) != nil || wanted.UID != old.UID || wanted.ResourceVersion != old.ResourceVersion {
			s.refuse(w, http.StatusConflict, metav1.StatusReasonConflict, r.PathValue("name"))
			return false
		}
		// Decoding into what is there merges objects and maps, as a merge patch without deletions does.
		patched = old.DeepCopy()
		err = json.Unmarshal(body, patched)
	case types.JSONPatchType:
		err = applyJSONPatch(body, typed(old), patched)
	default:
		err = errors.ErrUnsupported
	}
	if err != nil {
		// A JSON patch whose test failed is answered like an object that violates its schema.
		s.refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, r.PathValue("name"))
		return false
	}
	patched.Generation++
	if bytes.Equal(patched.Spec.Template.Raw(), old.Spec.Template.Raw()) {
		patched.Generation = old.Generation
	}
	s.store(patched)
	s.patches++
	s.answer(w, patched)
	return true
}

func applyJSONPatch(body []byte, old, patched any) error {
	operations, err := jsonpatch.DecodePatch(body)
	if err != nil {
		return err
	}
	text, err := json.Marshal(old)
	if err != nil {
		return err
	}
	if text, err = operations.Apply(text); err != nil {
		return err
	}
	return json.Unmarshal(text, patched)
}

func (s *apiServer) listSets(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.selectors = append(s.selectors, r.URL.Query().Get("labelSelector"))
	s.answer(w, map[string]any{"apiVersion": "apps/v1", "kind": "ReplicaSetList", "items": s.sets})
}

func (s *apiServer) getDeployment(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	deployment := s.deployments[r.PathValue("name")]
	if deployment == nil {
		s.refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound, r.PathValue("name"))
		return
	}
	s.answer(w, deployment)
}

func (s *apiServer) patchDeployment(w http.ResponseWriter, r *http.Request) {
	if s.beforePatch != nil {
		s.beforePatch(s)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	patched := map[string]any{}
	if err != nil || r.Header.Get("Content-Type") != string(types.JSONPatchType) ||
		applyJSONPatch(body, s.deployments[r.PathValue("name")], &patched) != nil {
		s.refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, r.PathValue("name"))
		return
	}
	s.storeDeployment(r.PathValue("name"), patched)
	s.patches++
	s.answer(w, patched)
}

func (s *apiServer) storeDeployment(name string, deployment map[string]any) {
	s.version++
	deployment["metadata"].(map[string]any)["resourceVersion"] = strconv.Itoa(s.version)
	s.deployments[name] = deployment
}

func typed(r *v1alpha1.Rollout) *v1alpha1.Rollout {
	r = r.DeepCopy()
	r.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))
	return r
}

func (s *apiServer) answer(w http.ResponseWriter, object any) {
	if r, ok := object.(*v1alpha1.Rollout); ok {
		object = typed(r)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object)
}

func (s *apiServer) refuse(w http.ResponseWriter, code int, reason metav1.StatusReason, name string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Reason: reason, Code: int32(code),
		Message: "the server refused: " + string(reason), Details: &metav1.StatusDetails{Name: name},
	})
}
