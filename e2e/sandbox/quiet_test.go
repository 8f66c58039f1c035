//go:build integration

package sandbox

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// recorder stands between a controller and the API server and remembers every request that isn't a watch.
type recorder struct {
	mu       sync.Mutex
	requests []string
}

func (r *recorder) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.requests...)
}

// recording starts a recorder and returns a kubeconfig that leads through it.
func recording(t *testing.T) (*recorder, string) {
	t.Helper()
	r := &recorder{}
	host, err := url.Parse(cluster.config.Host)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(host)
	proxy.FlushInterval = -1
	proxy.Transport, err = rest.TransportFor(cluster.config)
	require.NoError(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if request.URL.Query().Get("watch") == "" && !strings.Contains(request.URL.Path, "/leases") {
			r.mu.Lock()
			r.requests = append(r.requests, request.Method+" "+request.URL.Path)
			r.mu.Unlock()
		}
		proxy.ServeHTTP(w, request)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: server.URL}},
		Contexts:       map[string]*clientcmdapi.Context{"c": {Cluster: "c"}},
		CurrentContext: "c",
	}, file))
	return r, file
}

func TestIdleRolloutsCostNoRequest(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.services()
	a.route()
	through, kubeconfig := recording(t)
	a.engine("--kubeconfig", kubeconfig)
	a.strategy += roles
	a.release("v1")
	a.waitPods("the pods to say that they are stable", a.waitPhase(v1alpha1.PhaseHealthy).Status.StableRevision, 4, role("stable"))
	// What is quiet stays quiet: the count must not grow over several times the longest wait of a release.
	last, since := len(through.seen()), time.Now()
	eventually(t, "ten seconds without a request", func() (bool, string) {
		if n := len(through.seen()); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > 10*time.Second, strings.Join(through.seen(), "\n")
	})
}

func TestMetricsThatKeepPassingCostFewWrites(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.services()
	a.route()
	through, kubeconfig := recording(t)
	a.engine("--kubeconfig", kubeconfig)
	a.strategy = `
      stableService: checkout-stable
      canaryService: checkout-canary
      trafficRouting: {settleSeconds: 1, drainSeconds: 1, gatewayAPI: {routes: [{kind: HTTPRoute, name: checkout}]}}
      steps: [{setWeight: 20}, {pause: {}}]
      analysis:
        metrics:
        - {name: one, query: vector(1), threshold: {min: "1"}, interval: 1s}
        - {name: two, query: vector(1), threshold: {min: "1"}, interval: 1s}
        - {name: three, query: vector(1), threshold: {min: "1"}, interval: 1s}`
	a.release("v1")
	a.waitPhase(v1alpha1.PhaseHealthy)
	a.release("v2")
	passes := func(least int32) int32 {
		r := a.waitFor("all metrics to pass", func(r *v1alpha1.Rollout) bool {
			return r.Status.Phase == v1alpha1.PhasePaused && !slices.ContainsFunc(r.Status.Release.Metrics, func(m v1alpha1.MetricStatus) bool { return m.Passes < least })
		})
		return r.Status.Release.Metrics[0].Passes
	}
	before, writes := passes(1), through.statusWrites()
	measured := passes(before+30) - before
	writes = through.statusWrites() - writes
	t.Logf("%d writes for %d measurements of each of three metrics", writes, measured)
	require.LessOrEqual(t, writes, int(measured)/5)
}

// statusWrites is how often the status was written.
func (r *recorder) statusWrites() int {
	n := 0
	for _, request := range r.seen() {
		if strings.HasPrefix(request, http.MethodPut) && strings.HasSuffix(request, "/rollouts/checkout/status") {
			n++
		}
	}
	return n
}

func TestARestartedControllerRepeatsNothingAndRedeploysNothing(t *testing.T) {
	t.Parallel()
	a, e := installed(t)
	before := a.rollout()
	e.kill()
	through, kubeconfig := recording(t)
	a.engine("--kubeconfig", kubeconfig)
	eventually(t, "the new controller to have read everything", func() (bool, string) {
		holder, err := cluster.kubernetes.CoordinationV1().Leases(a.namespace).Get(t.Context(), "rollout-controller", metav1.GetOptions{})
		require.NoError(t, err)
		return *holder.Spec.LeaseTransitions > 0, "it doesn't lead"
	})
	// A change that needs an answer shows that the controller has looked at everything by then.
	a.cli("abort", "checkout")
	for _, request := range through.seen() {
		require.True(t, strings.HasPrefix(request, http.MethodGet) || strings.Contains(request, "/events") ||
			strings.HasSuffix(request, "/rollouts/checkout/status"), request)
	}
	require.Equal(t, before.Status.StableRevision, a.rollout().Status.StableRevision)
}

func TestFieldsThatTheEngineDoesNotKnowReachThePodsAndNoDefaultIsAddedToTheTemplate(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.services()
	a.route()
	a.engine()
	a.apply(strings.Replace(a.manifest("v1"), "    spec:\n      containers:", "    spec:\n      notKnownYet: {a: [1, 2]}\n      containers:", 1))
	a.waitPhase(v1alpha1.PhaseHealthy)
	var template map[string]any
	require.NoError(t, json.Unmarshal(a.rollout().Spec.Template.Raw(), &template))
	require.Equal(t, map[string]any{"a": []any{1.0, 2.0}}, template["spec"].(map[string]any)["notKnownYet"])
	require.NotContains(t, template["spec"], "restartPolicy")
}

func TestDeletingTheRolloutLeavesRoutesAndServicesAsTheyAre(t *testing.T) {
	t.Parallel()
	a, _ := installed(t)
	a.strategy = usualStrategy + "\n      - pause: {}"
	a.release("v2")
	a.waitPhase(v1alpha1.PhasePaused)
	route := a.httpRoute()
	stable, err := cluster.kubernetes.CoreV1().Services(a.namespace).Get(t.Context(), "checkout-stable", metav1.GetOptions{})
	require.NoError(t, err)
	require.NoError(t, cluster.rollouts.Rollouts(a.namespace).Delete(t.Context(), "checkout", metav1.DeleteOptions{}))
	eventually(t, "its ReplicaSets to be collected", func() (bool, string) {
		sets, err := cluster.kubernetes.AppsV1().ReplicaSets(a.namespace).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		return len(sets.Items) == 0, "they are there"
	})
	require.Equal(t, route.Spec, a.httpRoute().Spec)
	after, err := cluster.kubernetes.CoreV1().Services(a.namespace).Get(t.Context(), "checkout-stable", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, stable.Spec.Selector, after.Spec.Selector)
}

func TestARolloutThatWasDeletedWithoutItsPodsTakesThemOverWhenItIsBack(t *testing.T) {
	t.Parallel()
	a, _ := installed(t)
	a.release("v2")
	a.waitPhase(v1alpha1.PhaseHealthy)
	pods := func() map[string]bool {
		list, err := cluster.kubernetes.CoreV1().Pods(a.namespace).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		ids := map[string]bool{}
		for _, pod := range list.Items {
			if pod.DeletionTimestamp == nil {
				ids[string(pod.UID)] = true
			}
		}
		return ids
	}
	eventually(t, "the pods of v2 alone", func() (bool, string) { return len(pods()) == 4, "there are others" })
	serving, before := pods(), a.received()
	orphan := metav1.DeletePropagationOrphan
	require.NoError(t, cluster.rollouts.Rollouts(a.namespace).Delete(t.Context(), "checkout", metav1.DeleteOptions{PropagationPolicy: &orphan}))
	eventually(t, "the Rollout to be gone and its ReplicaSets to be nobody's", func() (bool, string) {
		sets, err := cluster.kubernetes.AppsV1().ReplicaSets(a.namespace).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		_, gone := cluster.rollouts.Rollouts(a.namespace).Get(t.Context(), "checkout", metav1.GetOptions{})
		return gone != nil && !slices.ContainsFunc(sets.Items, func(s appsv1.ReplicaSet) bool { return len(s.OwnerReferences) > 0 }), "not yet"
	})
	a.release("v2")
	a.waitPhase(v1alpha1.PhaseHealthy)
	require.Equal(t, serving, pods())
	require.Zero(t, a.failedSince(before))
}

func TestAStandbyTakesOverWhenTheLeaderIsKilled(t *testing.T) {
	t.Parallel()
	a, leader := installed(t)
	a.engine()
	before := a.received()
	a.release("v2")
	a.waitFor("the release to be under way", func(r *v1alpha1.Rollout) bool { return r.Status.Traffic.CanaryWeight > 0 })
	leader.kill()
	a.waitPhase(v1alpha1.PhaseHealthy)
	require.Zero(t, a.failedSince(before))
}

// It runs before the tests that share the machine: what is counted depends on how many changes a pass finds together.
func TestAReleaseCostsAFewDozenRequests(t *testing.T) {
	analysis := "      analysis:\n        metrics:"
	for _, metric := range []string{"success-rate", "error-rate", "request-rate"} {
		analysis += "\n        - {name: " + metric + ", threshold: {min: \"0\"}, interval: 10s, window: 10s}"
	}
	for name, release := range map[string]struct {
		analysis string
		most     int
	}{
		"without metrics": {"", 170},
		// What is measured goes along with what the status says anyway, or together.
		"with three metrics for a minute": {analysis + "\n", 190},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // With the other one, and without the tests that keep the machine busy.
			require.Less(t, requestsOfARelease(t, release.analysis), release.most)
		})
	}
}

// requestsOfARelease is how many requests a release with four weights costs, beside watches and the lease.
func requestsOfARelease(t *testing.T, analysis string) int {
	t.Helper()
	a := newApp(t)
	a.services()
	a.route()
	through, kubeconfig := recording(t)
	a.engine("--kubeconfig", kubeconfig)
	a.strategy = strings.Split(usualStrategy, "      analysis:")[0] + analysis +
		"      steps: [{setWeight: 10}, {setWeight: 25}, {setWeight: 50}, {setWeight: 75}]"
	a.release("v1")
	a.waitPhase(v1alpha1.PhaseHealthy)
	before := len(through.seen())
	begun := time.Now()
	a.release("v2")
	a.waitPhase(v1alpha1.PhaseHealthy)
	kinds := map[string]int{}
	for _, request := range through.seen()[before:] {
		method, path, _ := strings.Cut(request, " ")
		kinds[method+" "+strings.ReplaceAll(path[strings.LastIndex(path, a.namespace)+len(a.namespace):], "checkout", "")]++
	}
	t.Logf("a release with four weights: %d requests in %s: %v", len(through.seen())-before, time.Since(begun).Round(time.Second), kinds)
	return len(through.seen()) - before
}
