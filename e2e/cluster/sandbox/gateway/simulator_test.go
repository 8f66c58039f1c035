package gateway

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var shop = routeKey{kindHTTPRoute, "default", "shop"}

var epoch = time.Unix(1_700_000_000, 0)

func application(revision string) *pod {
	return &pod{revision: revision, version: "v" + revision, latency: 20 * time.Millisecond}
}

func split(key routeKey, backends ...backend) table {
	return table{{key: key, rules: []rule{{backends: backends}}}}
}

// play advances the simulator by the time, in ticks, and returns the time it is then.
func play(s *simulator, from time.Time, span time.Duration) time.Time {
	end := from.Add(span)
	for now := from.Add(tick); !now.After(end); now = now.Add(tick) {
		s.advance(now)
	}
	return end
}

func TestClientsReceiveTheSharesOfTheWeights(t *testing.T) {
	s := newSimulator(100, epoch, 1)
	s.adopt(split(shop,
		backend{label: "stable", weight: 90, pods: []*pod{application("1"), application("1")}},
		backend{label: "canary", weight: 10, pods: []*pod{application("2")}}))
	now := play(s, epoch, 20*time.Second)

	report := s.report(now)
	require.Len(t, report.Routes, 1)
	got := report.Routes[0]
	require.InDelta(t, 2000, got.Total.Requests, 5)
	require.Zero(t, got.Total.Failed)
	require.InDelta(t, 500, got.Total.Last5s.Requests, 2)
	require.Equal(t, "1", got.Revisions[0].Revision)
	require.InDelta(t, 0.9, got.Revisions[0].Last5s.Share, 0.01)
	require.InDelta(t, 0.1, got.Revisions[1].Last5s.Share, 0.01)
	require.Equal(t, "v2", got.Versions[1].Version)
}

func TestNewWeightsHoldFromTheNextRequestOn(t *testing.T) {
	s := newSimulator(100, epoch, 1)
	stable, canary := backend{weight: 50, pods: []*pod{application("1")}}, backend{weight: 50, pods: []*pod{application("2")}}
	s.adopt(split(shop, stable, canary))
	now := play(s, epoch, 10*time.Second)
	stable.weight, canary.weight = 100, 0
	s.adopt(split(shop, stable, canary))
	last := *s.report(now).Routes[0].Revisions[1].Last
	now = play(s, now, 10*time.Second)

	revisions := s.report(now).Routes[0].Revisions
	require.LessOrEqual(t, revisions[1].Last.Sub(last), 50*time.Millisecond, "only what was in flight may be counted later")
	require.Equal(t, 1.0, revisions[0].Last5s.Share)
}

func TestRequestsInFlightFailWhenTheirPodGoes(t *testing.T) {
	s := newSimulator(100, epoch, 1)
	p := application("1")
	p.latency = time.Minute
	s.adopt(split(shop, backend{weight: 1, pods: []*pod{p}}))
	now := play(s, epoch, time.Second)
	require.Empty(t, s.report(now).Routes)
	p.gone.Store(true)
	s.adopt(nil)
	now = play(s, now, 2*time.Minute)

	total := s.report(now).Routes[0].Total
	require.InDelta(t, 100, total.Requests, 1)
	require.Equal(t, total.Requests, total.Dropped)
}

func TestRequestsWithoutAPodAreDroppedAndNeverReachAService(t *testing.T) {
	gone := application("1")
	gone.gone.Store(true)
	for name, each := range map[string]struct {
		backend
		metered bool
	}{
		"no ready endpoint": {backend{label: "s", weight: 1}, false},
		"no such service":   {backend{label: "s", weight: 1, broken: true}, false},
		"no weight at all":  {backend{label: "s", weight: 0, pods: []*pod{application("1")}}, false},
		"a stale endpoint":  {backend{label: "s", weight: 1, pods: []*pod{gone}}, true},
	} {
		s := newSimulator(100, epoch, 1)
		s.adopt(split(shop, each.backend))
		total := s.report(play(s, epoch, time.Second)).Routes[0].Total
		require.InDelta(t, 100, total.Requests, 1, name)
		require.Equal(t, total.Requests, total.Dropped, name)
		families, err := s.metrics.registry.Gather()
		require.NoError(t, err)
		require.Equal(t, each.metered, len(families) > 0, name)
	}
}

func TestErrorsOfAnApplicationAreFailedButNotDropped(t *testing.T) {
	s := newSimulator(1000, epoch, 1)
	p := application("1")
	p.errorRate = 0.2
	s.adopt(split(shop, backend{weight: 1, pods: []*pod{p}}))
	total := s.report(play(s, epoch, 10*time.Second)).Routes[0].Total
	require.InDelta(t, 0.2, float64(total.Failed)/float64(total.Requests), 0.02)
	require.Zero(t, total.Dropped)
}

func TestAllRulesOfARouteAreUsed(t *testing.T) {
	s := newSimulator(100, epoch, 1)
	s.adopt(table{{key: shop, rules: []rule{
		{backends: []backend{{weight: 1, pods: []*pod{application("1")}}}},
		{backends: []backend{{weight: 1, pods: []*pod{application("2")}}}},
	}}})
	revisions := s.report(play(s, epoch, 10*time.Second)).Routes[0].Revisions
	require.InDelta(t, revisions[0].Requests, revisions[1].Requests, 1)
}

func TestASleepingMachineCausesNoBurst(t *testing.T) {
	s := newSimulator(100, epoch, 1)
	s.adopt(split(shop, backend{weight: 1, pods: []*pod{application("1")}}))
	now := epoch.Add(time.Hour)
	s.advance(now)
	require.InDelta(t, 100, s.report(play(s, now, 50*time.Millisecond)).Routes[0].Total.Requests, 5)
}

func TestMetricsAreThoseOfTraefik(t *testing.T) {
	s := newSimulator(100, epoch, 1)
	p := application("1")
	p.latency = 200 * time.Millisecond
	s.adopt(append(split(shop, backend{label: "default-shop-http-80@kubernetesgateway", weight: 1, pods: []*pod{p}}),
		split(routeKey{kindGRPCRoute, "default", "shop"}, backend{label: "default-shop-80-grpc@kubernetesgateway", weight: 1, pods: []*pod{p}})...))
	play(s, epoch, 2*time.Second)

	recorder := httptest.NewRecorder()
	handler(s, func() bool { return true }).ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		`traefik_service_requests_total{code="200",method="GET",protocol="http",service="default-shop-http-80@kubernetesgateway"} `,
		`traefik_service_requests_total{code="0",method="POST",protocol="grpc",service="default-shop-80-grpc@kubernetesgateway"} `,
		`traefik_service_request_duration_seconds_bucket{code="200",method="GET",protocol="http",service="default-shop-http-80@kubernetesgateway",le="0.1"} 0`,
		`traefik_service_request_duration_seconds_bucket{code="200",method="GET",protocol="http",service="default-shop-http-80@kubernetesgateway",le="0.3"} 18`,
	} {
		require.Contains(t, recorder.Body.String(), line)
	}
}

func TestRateCanBeChangedAndABadOneIsRefused(t *testing.T) {
	s := newSimulator(100, epoch, 1)
	post := func(query string) int {
		recorder := httptest.NewRecorder()
		handler(s, func() bool { return true }).ServeHTTP(recorder, httptest.NewRequest("POST", "/traffic/rate?"+query, nil))
		return recorder.Code
	}
	require.Equal(t, 204, post("rps=7"))
	require.Equal(t, 7.0, s.report(epoch).RequestsPerSecond)
	for _, bad := range []string{"", "rps=", "rps=-1", "rps=NaN", "rps=Inf", "rps=many"} {
		require.Equal(t, 400, post(bad), bad)
	}
	require.Equal(t, 7.0, s.report(epoch).RequestsPerSecond)
}
