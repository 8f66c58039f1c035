package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

func environment(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

func TestACallTellsVersionAndPod(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	calls := grpc.NewServer()
	calls.RegisterService(description(), &shop{version: "v1", pod: "shop-1"})
	ended := make(chan error, 1)
	go func() { ended <- calls.Serve(listener) }()
	connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer func() { require.NoError(t, connection.Close()) }()

	answer := visit(t.Context(), connection)
	require.NoError(t, answer.Err)
	require.Equal(t, "v1", answer.Version)
	require.Equal(t, "shop-1", answer.Pod)
	require.False(t, answer.Failed())

	calls.Stop()
	require.NoError(t, <-ended)
	require.True(t, visit(t.Context(), connection).Failed())
}

func TestTheVersionThatAnswersCallsAlsoAnswersHTTP(t *testing.T) {
	app := &shop{version: "v1", pod: "shop-1"}
	visitWeb := func(path string) *http.Response {
		recorder := httptest.NewRecorder()
		app.handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
		return recorder.Result()
	}
	answer := visitWeb("/")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "v1", answer.Header.Get("X-Version"))
	require.Equal(t, "shop-1", answer.Header.Get("X-Pod"))
	require.Empty(t, answer.Header.Get("Connection"))
	require.Equal(t, http.StatusOK, visitWeb("/healthz").StatusCode)

	app.leaving.Store(true)
	require.Equal(t, http.StatusOK, visitWeb("/").StatusCode)
	require.Equal(t, "close", visitWeb("/").Header.Get("Connection"))
	require.Equal(t, http.StatusServiceUnavailable, visitWeb("/healthz").StatusCode)
}

func TestHeadersAreReadFromTheEnvironment(t *testing.T) {
	headers, err := readHeaders("x-tester=yes,x-country=ch")
	require.NoError(t, err)
	require.Equal(t, metadata.Pairs("x-tester", "yes", "x-country", "ch"), headers)
	headers, err = readHeaders("")
	require.NoError(t, err)
	require.Empty(t, headers)
}

func TestBadSettingsAreRefusedByName(t *testing.T) {
	for want, variables := range map[string]map[string]string{
		`RATE is "many"`:    {"RATE": "many"},
		`RATE is "0"`:       {"RATE": "0"},
		`HEADERS has "yes"`: {"RATE": "1", "HEADERS": "yes"},
		"TARGET is empty":   {"RATE": "1"},
	} {
		require.ErrorContains(t, call(t.Context(), environment(variables)), want)
	}
	require.ErrorContains(t, serve(t.Context(), environment(map[string]string{"SHUTDOWN_DELAY": "soon"})), `SHUTDOWN_DELAY is "soon"`)
}
