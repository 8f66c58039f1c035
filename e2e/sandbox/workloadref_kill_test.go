//go:build integration

package sandbox

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// fuse stands between a controller and the API server. The write that blows it is carried out, and nobody hears of it.
type fuse struct {
	// left is how many writes it stands, if it is positive.
	left  atomic.Int64
	blown chan struct{}
}

// newFuse makes one that stands everything, and a kubeconfig that leads through it.
func newFuse(t *testing.T) (*fuse, string) {
	t.Helper()
	f := &fuse{blown: make(chan struct{})}
	host, err := url.Parse(cluster.config.Host)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(host)
	proxy.FlushInterval = -1
	proxy.Transport, err = rest.TransportFor(cluster.config)
	require.NoError(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		path := request.URL.Path
		// Neither a lease nor an event decides anything.
		if request.Method == http.MethodGet || strings.Contains(path, "/leases") || strings.Contains(path, "/events") || f.left.Add(-1) != 0 {
			proxy.ServeHTTP(w, request)
			return
		}
		proxy.ServeHTTP(httptest.NewRecorder(), request)
		close(f.blown)
		<-request.Context().Done()
	}))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"fuse": {Server: server.URL}},
		Contexts:       map[string]*clientcmdapi.Context{"fuse": {Cluster: "fuse"}},
		CurrentContext: "fuse",
	}, file))
	return f, file
}

// mortal is a borrower whose engine dies of its fuse and is started again.
type mortal struct {
	*borrower
	fuse   *fuse
	engine *engine
	deaths int
}

func newMortal(t *testing.T) *mortal {
	t.Helper()
	m := &mortal{borrower: newBorrower(t)}
	m.strategy = untilPromoted
	var kubeconfig string
	m.fuse, kubeconfig = newFuse(t)
	m.engine = m.app.engine("--kubeconfig", kubeconfig)
	return m
}

// wait is eventually, with an engine that may die meanwhile.
func (m *mortal) wait(what string, holds func() (bool, string)) {
	m.t.Helper()
	eventually(m.t, what, func() (bool, string) {
		select {
		case <-m.fuse.blown:
			if m.deaths == 0 {
				m.deaths++
				m.engine.kill()
				m.engine.run()
			}
		default:
		}
		return holds()
	})
}

func (m *mortal) waitTaken() {
	m.t.Helper()
	m.wait("the pods to be taken over", func() (bool, string) {
		r := m.rollout()
		return r.Status.Phase == v1alpha1.PhaseHealthy && m.owned("Rollout") == len(m.sets()), r.Status.Message
	})
}

func (m *mortal) removed() {
	m.t.Helper()
	require.NoError(m.t, cluster.rollouts.Rollouts(m.namespace).Delete(m.t.Context(), "checkout", metav1.DeleteOptions{}))
	m.wait("the Rollout to be gone", func() (bool, string) {
		r, err := cluster.rollouts.Rollouts(m.namespace).Get(m.t.Context(), "checkout", metav1.GetOptions{})
		return apierrors.IsNotFound(err), fmt.Sprintf("it has the finalizers %v", r.Finalizers)
	})
}

// calmly is more writes than any play has.
const calmly = 1000

// TestTheEngineMayDieAfterAnyWriteOfATakeOverAndOfAHandBack counts the writes of a play, and then kills the engine after the first,
// after the second, and so on.
func TestTheEngineMayDieAfterAnyWriteOfATakeOverAndOfAHandBack(t *testing.T) {
	t.Parallel()
	nothing := func(*mortal) {}
	taken := func(m *mortal) { m.borrow(); m.waitTaken() }
	plays := map[string]struct{ begin, play func(*mortal) }{
		"take-over": {begin: nothing, play: taken},
		"hand-back": {begin: taken, play: func(m *mortal) { m.removed(); m.requireHandedBack() }},
		"hand-back in the middle": {
			begin: func(m *mortal) {
				taken(m)
				m.deploy("v2")
				m.waitPhase(v1alpha1.PhasePaused)
			},
			play: func(m *mortal) {
				m.removed()
				require.True(m.t, m.read().Spec.Paused)
				require.Contains(m.t, m.read().Annotations["rollout.dev/handed-back"], "in the middle of a release")
				require.Equal(m.t, len(m.sets()), m.owned(""))
			},
		},
	}
	for name, p := range plays {
		play := func(t *testing.T, n int64) (deaths int, writes int64) {
			t.Helper()
			m := newMortal(t)
			p.begin(m)
			before, pods := m.received(), m.uids()
			m.fuse.left.Store(n)
			p.play(m)
			require.Equal(t, pods, m.uids(), "no pod was restarted, and none was added")
			require.Zero(t, m.failedSince(before))
			return m.deaths, n - m.fuse.left.Load()
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, writes := play(t, calmly)
			t.Logf("%d writes", writes)
			for n := range writes {
				t.Run(fmt.Sprintf("after write %d", n+1), func(t *testing.T) {
					t.Parallel()
					deaths, _ := play(t, n+1)
					if n == 0 {
						require.Equal(t, 1, deaths, "the fuse works")
					}
				})
			}
		})
	}
}
