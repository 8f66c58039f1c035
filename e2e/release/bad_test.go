//go:build e2e

package release

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/providers/prometheus"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// rollbackTime is how long after the first scrape that shows the breach the last client may reach the bad version.
const rollbackTime = scrapeInterval + 2*time.Second

// analyzed is the strategy of the releases that are taken back; window is that of its metrics.
const (
	window   = "5s"
	analyzed = `
canary:
  stableService: stable
  canaryService: canary
  trafficRouting:
    gatewayAPI: {routes: [{kind: HTTPRoute, name: shop}]}
    settleSeconds: 1
    drainSeconds: 2
  abortScaleDownDelaySeconds: 0
  analysis:
    metrics:
    - {name: success-rate, interval: 1s, window: 5s, threshold: {min: "0.99"}}
    - {name: latency, quantile: "0.9", interval: 1s, window: 5s, threshold: {max: 500ms}}
  steps:
  - setWeight: 20
  - pause: {duration: 10m}
`
)

func TestAFailingReleaseTakesItselfBack(t *testing.T) {
	for name, rate := range map[string]string{"every request": "1", "every other request": "0.5"} {
		t.Run(name, func(t *testing.T) {
			s, clients := openBusyShop(t, plan{manifest: "routed.yaml", strategy: analyzed})
			s.releaseBad(clients, version{name: "v2", env: map[string]string{"ERROR_RATE": rate}}, breach{
				metric: "success-rate", series: "traefik_service_requests_total",
				expression: prometheus.TraefikSuccessRate(prometheus.Backend{Namespace: s.namespace, Service: "canary", Window: window}),
				breaches:   func(rate float64) bool { return rate < 0.99 },
			})
			require.NotEmpty(t, clients.Answers().Of("v2").Injected())
			require.Equal(t, clients.Answers().Injected(), clients.Answers().Of("v2").Injected())
		})
	}
}

func TestASlowReleaseTakesItselfBack(t *testing.T) {
	s, clients := openBusyShop(t, plan{manifest: "routed.yaml", strategy: analyzed})
	s.releaseBad(clients, version{name: "v2", env: map[string]string{"LATENCY": "800ms"}}, breach{
		metric: "latency", series: "traefik_service_request_duration_seconds_count",
		expression: prometheus.TraefikLatency(prometheus.Backend{Namespace: s.namespace, Service: "canary", Window: window}, "0.9"),
		breaches:   func(seconds float64) bool { return seconds > 0.5 },
	})
	require.Empty(t, clients.Answers().Injected())
}

// breach is how Prometheus shows that a version is bad.
type breach struct {
	// metric is its name in the Rollout; the message has to name it.
	metric string
	// series has a sample for each scrape of the canary.
	series string
	// expression is what the engine asks for, and breaches says which answers miss the threshold.
	expression string
	breaches   func(float64) bool
}

// releaseBad releases a bad version and requires that the engine takes it back in time, and that nobody but those who met
// the bad version noticed.
func (s *shop) releaseBad(clients *clients, bad version, b breach) {
	t := s.t
	t.Helper()
	began := time.Now()
	s.release(bad)
	out, code := s.cli("status", "shop")
	require.Equal(t, 3, code, out)

	r := s.awaitPhase(v1alpha1.PhaseDegraded)
	require.Contains(t, r.Status.Message, b.metric)
	require.Contains(t, out, b.metric)
	require.Equal(t, "Analysis", r.Status.Release.Cause)
	require.Equal(t, [2]int32{100, 0}, s.weights())
	require.NotEqual(t, r.Status.StableRevision, r.Status.Release.Revision)
	s.awaitPods(r.Status.StableRevision)
	ended := time.Now()
	clients.awaitRequests(requestsPerSecond, ended)
	clients.Stop()

	clients.requireNoFailure()
	met := clients.Answers().Of(bad.name)
	require.NotEmpty(t, met)
	require.Equal(t, 1.0, clients.Answers().Since(ended).Share("v1"))
	scrapes := s.scrapes(b.series, began)
	shown := s.firstBreach(b.expression, scrapes, b.breaches)
	toZero := met.Last().Sub(shown)
	s.figures.add(t.Name(), "%d requests met the bad version within %s; %s from the first scrape that shows the breach to the last of them "+
		"(%s from the first scrape of the canary)", len(met), met.Last().Sub(met.First()).Round(time.Millisecond),
		toZero.Round(time.Millisecond), met.Last().Sub(scrapes[0]).Round(time.Millisecond))
	require.LessOrEqual(t, toZero, rollbackTime, "the breach was shown at %s, the last client met the bad version at %s", shown, met.Last())
}
