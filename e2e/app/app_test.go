package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func environment(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

func ask(a *app, path string) *http.Response {
	recorder := httptest.NewRecorder()
	a.handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	return recorder.Result()
}

func TestAnswersTellVersionAndPod(t *testing.T) {
	a := newApp(settings{version: "v1", pod: "shop-1"})
	a.enter(serving)

	answer := ask(a, "/cart")

	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "v1", answer.Header.Get("X-Version"))
	require.Equal(t, "shop-1", answer.Header.Get("X-Pod"))
	require.Empty(t, answer.Header.Get("X-Injected"))
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, "version v1, pod shop-1\n", string(body))
}

func TestInjectedErrorsSayThatTheyAre(t *testing.T) {
	a := newApp(settings{version: "v2", errorRate: 1})
	a.enter(serving)

	answer := ask(a, "/")

	require.Equal(t, http.StatusInternalServerError, answer.StatusCode)
	require.Equal(t, "v2", answer.Header.Get("X-Version"))
	require.Equal(t, "true", answer.Header.Get("X-Injected"))
}

func TestLatencyIsAddedToEveryAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(settings{latency: 800 * time.Millisecond})
		a.enter(serving)
		start := time.Now()
		require.Equal(t, http.StatusOK, ask(a, "/").StatusCode)
		require.Equal(t, 800*time.Millisecond, time.Since(start))
	})
}

func TestNothingIsServedBeforeTheAppIsReady(t *testing.T) {
	a := newApp(settings{version: "v1"})

	require.Equal(t, http.StatusServiceUnavailable, ask(a, "/healthz").StatusCode)
	answer := ask(a, "/")
	require.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
	require.Empty(t, answer.Header.Get("X-Version"))

	a.enter(serving)
	require.Equal(t, http.StatusOK, ask(a, "/healthz").StatusCode)
	require.Equal(t, http.StatusOK, ask(a, "/").StatusCode)
}

func TestALeavingAppIsUnreadyAndStillServes(t *testing.T) {
	a := newApp(settings{version: "v1"})
	a.enter(leaving)

	require.Equal(t, http.StatusServiceUnavailable, ask(a, "/healthz").StatusCode)
	answer := ask(a, "/")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "close", answer.Header.Get("Connection"))
}

// idleListener has no clients. Real sockets don't know the clock of a synctest bubble.
type idleListener struct{ closed chan struct{} }

func (l idleListener) Accept() (net.Conn, error) {
	<-l.closed
	return nil, net.ErrClosed
}

func (l idleListener) Close() error {
	close(l.closed)
	return nil
}

func (l idleListener) Addr() net.Addr { return &net.TCPAddr{} }

func TestTheAppIsReadyAfterTheStartDelayAndLeavesAfterTheShutdownDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(settings{startDelay: 2 * time.Second, shutdownDelay: 5 * time.Second})
		ctx, terminate := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- a.serve(ctx, idleListener{make(chan struct{})}) }()

		start := time.Now()
		<-time.After(2*time.Second - time.Nanosecond)
		synctest.Wait()
		require.Equal(t, starting, a.in())
		<-time.After(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, serving, a.in())

		terminate()
		synctest.Wait()
		require.Equal(t, leaving, a.in())
		require.NoError(t, <-ended)
		require.Equal(t, 7*time.Second, time.Since(start))
	})
}

func TestSettingsComeFromTheEnvironment(t *testing.T) {
	s, err := readSettings(environment(map[string]string{"VERSION": "v3", "ERROR_RATE": "0.5", "LATENCY": "800ms", "START_DELAY": "2s", "SHUTDOWN_DELAY": "0s"}))
	require.NoError(t, err)
	require.Equal(t, settings{version: "v3", errorRate: 0.5, latency: 800 * time.Millisecond, startDelay: 2 * time.Second}, s)

	s, err = readSettings(environment(nil))
	require.NoError(t, err)
	require.Equal(t, settings{version: "unknown", shutdownDelay: 5 * time.Second}, s)
}

func TestBadSettingsAreRefusedByName(t *testing.T) {
	for name, value := range map[string]string{"ERROR_RATE": "150%", "LATENCY": "800", "START_DELAY": "-1s", "SHUTDOWN_DELAY": "soon"} {
		_, err := readSettings(environment(map[string]string{name: value}))
		require.ErrorContains(t, err, name+" is \""+value+"\"")
	}
	_, err := readSettings(environment(map[string]string{"ERROR_RATE": "NaN"}))
	require.ErrorContains(t, err, "ERROR_RATE")
}
