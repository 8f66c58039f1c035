//go:build e2e

package release

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func TestAGoodReleaseReachesEveryoneWithoutLosingARequest(t *testing.T) {
	t.Parallel()
	s, clients := openBusyShop(t, plan{manifest: "routed.yaml", strategy: `
canary:
  stableService: stable
  canaryService: canary
  trafficRouting:
    gatewayAPI: {routes: [{kind: HTTPRoute, name: shop}]}
  analysis:
    metrics:
    - {name: success-rate, interval: 2s, window: 10s, threshold: {min: "0.99"}}
    - {name: latency, quantile: "0.9", interval: 2s, window: 10s, threshold: {max: 500ms}}
  steps:
  - setWeight: 10
  - pause: {}
  - setWeight: 30
  - pause: {}
  - setWeight: 60
  - pause: {}
`})
	old := s.rollout().Status.StableRevision

	began := time.Now()
	s.release(version{name: "v2"})
	for i, weight := range []int32{10, 30, 60} {
		s.awaitPause(2*i + 2)
		require.Equal(t, [2]int32{100 - weight, weight}, s.weights())
		clients.requireShare(float64(weight))
		s.ask("promote", "shop")
	}
	out, code := s.cli("status", "shop")
	require.Zero(t, code, out)
	took := time.Since(began)

	r := s.awaitPhase(v1alpha1.PhaseHealthy)
	require.NotEqual(t, old, r.Status.StableRevision)
	s.awaitPods(r.Status.StableRevision)
	require.Equal(t, map[string]int32{r.Status.StableRevision: replicas}, s.pods())
	ended := time.Now()
	clients.awaitRequests(requestsPerSecond, ended)
	clients.Stop()
	require.Equal(t, 1.0, clients.Answers().Since(ended).Share("v2"))
	clients.requireNoFailure()
	s.figures.add("good release", "%s, %s", took.Round(time.Second), clients.Answers())
}
