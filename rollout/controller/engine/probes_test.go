package engine

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func ask(p Probes, path string) (int, string) {
	response := httptest.NewRecorder()
	p.Handler().ServeHTTP(response, httptest.NewRequest(http.MethodGet, path, nil))
	return response.Code, response.Body.String()
}

func TestReadyOnceAllCachesAreSynced(t *testing.T) {
	routes, sets := false, false
	p := Probes{Synced: map[string]func() bool{
		"routes": func() bool { return routes }, "replicasets": func() bool { return sets },
	}}
	code, body := ask(p, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, "not synced: replicasets, routes\n", body)
	sets = true
	_, body = ask(p, "/readyz")
	require.Equal(t, "not synced: routes\n", body)
	routes = true
	code, _ = ask(p, "/readyz")
	require.Equal(t, http.StatusOK, code)
}

func TestStandbyIsAliveAndReadyWithoutRunningItsQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(reconcilerFunc(func(context.Context, Key) (time.Time, error) { return time.Time{}, nil }), QueueOptions{})
		q.Add(a)
		time.Sleep(time.Hour)
		p := Probes{Queues: []*Queue{q}}
		for _, path := range []string{"/healthz", "/readyz"} {
			code, _ := ask(p, path)
			require.Equal(t, http.StatusOK, code, path)
		}
		inBackground(t, q.Run)
	})
}

func TestPassThatIsStuckMakesTheProcessUnhealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		q := NewQueue(reconcilerFunc(func(context.Context, Key) (time.Time, error) {
			<-release
			return time.Time{}, nil
		}), QueueOptions{Name: "widgets"})
		inBackground(t, q.Run)
		q.Add(a)
		time.Sleep(3 * time.Minute)
		code, body := ask(Probes{Queues: []*Queue{q}}, "/healthz")
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.Equal(t, "queue widgets: the pass over ns/a has been running for 3m0s\n", body)
		close(release)
		synctest.Wait()
		code, _ = ask(Probes{Queues: []*Queue{q}}, "/healthz")
		require.Equal(t, http.StatusOK, code)
	})
}

func TestMetricsAreServedWhereThereAreAny(t *testing.T) {
	code, _ := ask(Probes{}, "/metrics")
	require.Equal(t, http.StatusNotFound, code)

	registry := prometheus.NewRegistry()
	newQueueMetrics(QueueOptions{Name: "q", Metrics: registry}, func() int { return 3 })
	code, body := ask(Probes{Metrics: registry}, "/metrics")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, `queue_depth{queue="q"} 3`)
}

func TestProbesAreServedUntilTheContextEnds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Probes{}.ServeOn(ctx, listener) }()
	response, err := http.Get("http://" + listener.Addr().String() + "/healthz")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	cancel()
	require.NoError(t, <-ended)
}

func TestAddressThatCannotBeServedIsNamed(t *testing.T) {
	require.ErrorContains(t, Probes{}.Serve(t.Context(), "127.0.0.1:99999"), `serve probes on "127.0.0.1:99999"`)
}
