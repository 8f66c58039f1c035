//go:build e2e

package release

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// lingering makes the application serve longer after it was told to end. Where pods end while they have a share, nothing but
// that keeps the requests of a gateway that lags, and on a machine that builds something else meanwhile it lags by seconds.
func lingering() map[string]string { return map[string]string{"SHUTDOWN_DELAY": "12s"} }

func TestARollingUpdateLosesNoRequest(t *testing.T) {
	t.Parallel()
	s, clients := openBusyShop(t, plan{manifest: "plain.yaml", env: lingering(), strategy: `canary: {maxSurge: 1, maxUnavailable: 0}`})
	s.releaseToTheEnd(clients, func() {})
}

func TestStepsByReplicaCountLoseNoRequest(t *testing.T) {
	t.Parallel()
	s, clients := openBusyShop(t, plan{manifest: "plain.yaml", env: lingering(), strategy: `
canary:
  maxSurge: 1
  maxUnavailable: 0
  steps:
  - setWeight: 25
  - pause: {}
  - setWeight: 50
  - pause: {}
`})
	s.releaseToTheEnd(clients, func() {
		for i, weight := range []float64{25, 50} {
			s.awaitPause(2*i + 2)
			clients.requireShare(weight)
			s.ask("promote", "shop")
		}
	})
}

func TestAnAbortByReplicaCountLosesNoRequest(t *testing.T) {
	t.Parallel()
	s, clients := openBusyShop(t, plan{manifest: "plain.yaml", env: lingering(), strategy: `
canary:
  maxSurge: 1
  maxUnavailable: 0
  abortScaleDownDelaySeconds: 0
  steps:
  - setWeight: 50
  - pause: {}
`})
	stable := s.rollout().Status.StableRevision
	s.release(version{name: "v2"})
	s.awaitPause(2)
	s.ask("abort", "shop")
	s.awaitPhase(v1alpha1.PhaseDegraded)
	s.awaitPods(stable)
	ended := time.Now()
	clients.awaitRequests(requestsPerSecond, ended)
	clients.Stop()
	require.Equal(t, 1.0, clients.Answers().Since(ended).Share("v1"))
	clients.requireNoFailure()
}

// releaseToTheEnd releases v2 and requires that it gets everything and that nobody noticed. during happens meanwhile.
func (s *shop) releaseToTheEnd(clients *clients, during func()) {
	t := s.t
	t.Helper()
	began := time.Now()
	s.release(version{name: "v2"})
	during()
	out, code := s.cli("status", "shop")
	require.Zero(t, code, out)
	s.awaitPods(s.awaitPhase(v1alpha1.PhaseHealthy).Status.StableRevision)
	ended := time.Now()
	clients.awaitRequests(requestsPerSecond, ended)
	clients.Stop()
	require.Equal(t, 1.0, clients.Answers().Since(ended).Share("v2"))
	clients.requireNoFailure()
	s.figures.add(t.Name(), "%s, %s", ended.Sub(began).Round(time.Second), clients.Answers())
}
