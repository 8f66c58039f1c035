package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/e2e/load"
)

func TestSimulatedClientsAreThoseOfTheirOwnRoute(t *testing.T) {
	rate := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			rate = r.URL.Query().Get("rps")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		fmt.Fprint(w, `{"routes": [
			{"name": "other", "total": {"requests": 1000, "dropped": 50}},
			{"name": "checkout", "total": {"requests": 100, "failed": 6, "dropped": 2}, "versions": [
				{"version": "v3", "requests": 10, "failed": 5, "dropped": 1, "last": "2026-03-04T12:00:00.5Z", "last1s": {"share": 0.05}}]}]}`)
	}))
	defer server.Close()
	c := simulatedClients{url: server.URL, route: "checkout"}

	require.NoError(t, c.start(t.Context()))
	require.Equal(t, "100", rate)
	got, err := c.received(t.Context())
	require.NoError(t, err)
	require.Equal(t, received{Sent: 100, Lost: 2, Versions: map[string]answers{
		"v3": {Requests: 10, Errors: 4, Share: 0.05, Last: time.Date(2026, 3, 4, 12, 0, 0, 5e8, time.UTC)},
	}}, got)
}

func TestAGatewayThatRefusesIsAnError(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	_, err := simulatedClients{url: server.URL}.received(t.Context())
	require.ErrorContains(t, err, "404")
}

func TestRealAnswersAreCountedByVersionAndLossesByNobody(t *testing.T) {
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	got := tally(load.Answers{
		{Sent: ago(3 * time.Second), Version: "v1", Status: 200},
		{Sent: ago(1500 * time.Millisecond), Latency: 800 * time.Millisecond, Version: "v4", Status: 200},
		{Sent: ago(500 * time.Millisecond), Version: "v1", Status: 200},
		{Sent: ago(400 * time.Millisecond), Version: "v1", Status: 500, Injected: true},
		{Sent: ago(300 * time.Millisecond), Err: errors.New("connection refused")},
	}, now)
	require.Equal(t, received{Sent: 5, Lost: 1, Versions: map[string]answers{
		"v1": {Requests: 3, Errors: 1, Last: ago(400 * time.Millisecond), Share: 0.5},
		"v4": {Requests: 1, Last: ago(1500 * time.Millisecond), Share: 0.25},
	}}, got)
}
