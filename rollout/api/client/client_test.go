package client

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// connect returns a client of a server, configured as for core types: with protobuf.
func connect(t *testing.T, handler http.HandlerFunc) Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := New(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/vnd.kubernetes.protobuf"}})
	require.NoError(t, err)
	return c
}

func write(w http.ResponseWriter, code int, object any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(object)
}

const template = `{"spec":{"fieldNewerThanThisProgram":1}}`

func rolloutWithTemplate() *v1alpha1.Rollout {
	r := &v1alpha1.Rollout{
		TypeMeta:   metav1.TypeMeta{APIVersion: "rollout.dev/v1alpha1", Kind: "Rollout"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout", ResourceVersion: "7"},
	}
	r.Spec.Template = v1alpha1.NewPodTemplate([]byte(template))
	return r
}

func TestStatusIsWrittenToItsSubresourceAsJSON(t *testing.T) {
	var method, path, contentType string
	c := connect(t, func(w http.ResponseWriter, r *http.Request) {
		method, path, contentType = r.Method, r.URL.Path, r.Header.Get("Content-Type")
		write(w, http.StatusOK, rolloutWithTemplate())
	})
	_, err := c.Rollouts("shop").UpdateStatus(t.Context(), rolloutWithTemplate(), metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Equal(t, http.MethodPut, method)
	require.Equal(t, "/apis/rollout.dev/v1alpha1/namespaces/shop/rollouts/checkout/status", path)
	require.Equal(t, "application/json", contentType)
}

func TestTemplatesKeepFieldsThatThisProgramDoesNotKnow(t *testing.T) {
	c := connect(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") != "" {
			write(w, http.StatusOK, map[string]any{"type": "ADDED", "object": rolloutWithTemplate()})
			return
		}
		write(w, http.StatusOK, rolloutWithTemplate())
	})
	read, err := c.Rollouts("shop").Get(t.Context(), "checkout", metav1.GetOptions{})
	require.NoError(t, err)
	require.JSONEq(t, template, string(read.Spec.Template.Raw()))

	events, err := c.Rollouts(metav1.NamespaceAll).Watch(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	defer events.Stop()
	event := <-events.ResultChan()
	require.Equal(t, watch.Added, event.Type)
	watched, ok := event.Object.(*v1alpha1.Rollout)
	require.True(t, ok)
	require.JSONEq(t, template, string(watched.Spec.Template.Raw()))
}

func TestRefusalsOfTheServerCanBeToldApart(t *testing.T) {
	for reason, is := range map[metav1.StatusReason]func(error) bool{
		metav1.StatusReasonConflict: apierrors.IsConflict,
		metav1.StatusReasonNotFound: apierrors.IsNotFound,
	} {
		c := connect(t, func(w http.ResponseWriter, _ *http.Request) {
			write(w, http.StatusConflict, metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
				Status: metav1.StatusFailure, Reason: reason, Code: http.StatusConflict})
		})
		_, err := c.Rollouts("shop").Update(t.Context(), rolloutWithTemplate(), metav1.UpdateOptions{})
		require.True(t, is(err), "%v", err)
	}
}

func TestListingAllNamespacesNamesNone(t *testing.T) {
	var path string
	c := connect(t, func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		write(w, http.StatusOK, v1alpha1.RolloutList{
			TypeMeta: metav1.TypeMeta{APIVersion: "rollout.dev/v1alpha1", Kind: "RolloutList"},
			Items:    []v1alpha1.Rollout{*rolloutWithTemplate()},
		})
	})
	list, err := c.Rollouts(metav1.NamespaceAll).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Equal(t, "/apis/rollout.dev/v1alpha1/rollouts", path)
	require.Len(t, list.Items, 1)
}

func TestConfigIsLeftAsItWas(t *testing.T) {
	config := &rest.Config{Host: "http://127.0.0.1:1"}
	_, err := New(config)
	require.NoError(t, err)
	require.Equal(t, &rest.Config{Host: "http://127.0.0.1:1"}, config)

	_, err = New(&rest.Config{Host: "http://127.0.0.1:1", TLSClientConfig: rest.TLSClientConfig{CAFile: "/nowhere"}})
	require.ErrorContains(t, err, "connect to http://127.0.0.1:1: ")
}
