package istio_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/rollout-dev/rollout/providers/istio"
)

// odd is a VirtualService that Istio's own Go types can't read: it has one field under two names.
const odd = `{"metadata": {"name": "odd", "namespace": "shop", "resourceVersion": "5"}, "spec": {"http": [{"mirrorPercent": 1, "mirror_percent": 2}]}}`

// answering serves one body to every request and remembers the last URL.
func answering(t *testing.T, code int, body string) (url string, last *string) {
	last = new(string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*last = r.URL.String()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL, last
}

func TestListsHoldObjectsAsTheyAreHoweverOdd(t *testing.T) {
	url, last := answering(t, http.StatusOK, `{"metadata": {"resourceVersion": "9"}, "items": [`+odd+`]}`)
	list, err := istio.VirtualServices(clientOf(t, url), metav1.NamespaceAll).List(t.Context(), metav1.ListOptions{Limit: 3})
	require.NoError(t, err)
	require.Equal(t, "/apis/networking.istio.io/v1/virtualservices?limit=3", *last)
	require.Equal(t, "9", list.ResourceVersion)
	require.Len(t, list.Items, 1)
	require.JSONEq(t, `{"http": [{"mirrorPercent": 1, "mirror_percent": 2}]}`, string(list.Items[0].Spec))
	require.Equal(t, list, list.DeepCopyObject())
}

func TestWatchesTellObjectsAsTheyAre(t *testing.T) {
	url, last := answering(t, http.StatusOK, `{"type": "ADDED", "object": `+odd+`}
		{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "8", "annotations": {"k8s.io/initial-events-end": "true"}}}}
		{"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}
		{"type": "ADDED", "object": []}`)
	seconds := int64(60)
	w, err := istio.DestinationRules(clientOf(t, url), "shop").Watch(t.Context(), metav1.ListOptions{ResourceVersion: "4", AllowWatchBookmarks: true, TimeoutSeconds: &seconds})
	require.NoError(t, err)
	defer w.Stop()
	require.Equal(t, "/apis/networking.istio.io/v1/namespaces/shop/destinationrules?allowWatchBookmarks=true&resourceVersion=4&timeout=1m0s&timeoutSeconds=60&watch=true", *last)
	added, bookmark, gone, broken := <-w.ResultChan(), <-w.ResultChan(), <-w.ResultChan(), <-w.ResultChan()
	require.Equal(t, watch.Added, added.Type)
	require.Equal(t, "odd", added.Object.(*istio.Object).Name)
	require.Equal(t, watch.Bookmark, bookmark.Type)
	require.Equal(t, "true", bookmark.Object.(*istio.Object).Annotations[metav1.InitialEventsAnnotationKey])
	require.Equal(t, watch.Error, gone.Type)
	require.True(t, apierrors.IsResourceExpired(apierrors.FromObject(gone.Object)))
	require.Equal(t, watch.Error, broken.Type)
	_, open := <-w.ResultChan()
	require.False(t, open)
}

func TestARefusedWatchIsAnError(t *testing.T) {
	url, _ := answering(t, http.StatusForbidden, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403}`)
	_, err := istio.VirtualServices(clientOf(t, url), "shop").Watch(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsForbidden(err))
}

func TestStrippedObjectsKeepWhatIsReadAndCanBeStrippedAgain(t *testing.T) {
	o := &istio.Object{ObjectMeta: metav1.ObjectMeta{
		Name: "checkout", Namespace: "shop", UID: "u", ResourceVersion: "7", Generation: 3,
		Labels: map[string]string{"a": "b"}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
	}, Spec: []byte(`{"http": []}`), Status: []byte(`{}`)}
	stripped := istio.Strip(o.DeepCopyObject().(*istio.Object))
	require.Equal(t, metav1.ObjectMeta{Name: "checkout", Namespace: "shop", UID: "u", ResourceVersion: "7", Generation: 3}, stripped.ObjectMeta)
	require.Equal(t, o.Spec, stripped.Spec)
	require.Equal(t, o.Status, stripped.Status)
	require.Equal(t, stripped, istio.Strip(stripped.DeepCopyObject().(*istio.Object)))
}
