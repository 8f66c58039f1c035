package controller

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/budget"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// counting is a source that takes a second for an answer, and counts questions by their text.
func counting(asked map[string]int) analysis.Source {
	turn := make(chan struct{}, 1)
	turn <- struct{}{}
	return answering(func(_ context.Context, q analysis.Query) (analysis.Sample, error) {
		<-turn
		asked[strings.Fields(q.Text)[0]]++
		turn <- struct{}{}
		time.Sleep(time.Second)
		return analysis.Number(1), nil
	})
}

// old is a run that is older than every window.
func old(metrics ...analysis.Metric) *rollout.Measure {
	return &rollout.Measure{Run: 1, Metrics: metrics, Since: time.Now().Add(-time.Hour)}
}

func named(i int) engine.Key { return engine.Key{Namespace: "shop", Name: fmt.Sprint("app-", i)} }

func TestEqualQuestionsThatWaitForASlotAreAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := map[string]int{}
		m, woken := measuring(t, 1, counting(asked))
		busy, shared := metric(t, "busy"), metric(t, "shared")
		busy.Query, shared.Query = "busy", "shared"
		m.Want(checkout, old(busy))
		synctest.Wait()
		for i := range 1000 {
			m.Want(named(i), old(shared))
		}
		begun := time.Now().Add(time.Second)
		advance(3 * time.Second)
		require.Equal(t, map[string]int{"busy": 1, "shared": 1}, asked)
		require.EqualValues(t, 1001, woken.Load())
		for i := range 1000 {
			results := m.Results(named(i))
			require.Len(t, results, 1)
			require.Equal(t, analysis.Pass, results[0].Verdict)
			require.Equal(t, begun, results[0].At, "an answer is as old as its question")
		}
	})
}

func TestAQuestionThatHasBeenAskedIsNotJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := map[string]int{}
		m, _ := measuring(t, 4, counting(asked))
		shared := metric(t, "shared")
		shared.Query = "shared"
		m.Want(named(1), old(shared))
		advance(500 * time.Millisecond)
		m.Want(named(2), old(shared))
		advance(2 * time.Second)
		require.Equal(t, 2, asked["shared"])
		require.True(t, m.Results(named(2))[0].At.After(m.Results(named(1))[0].At))
	})
}

func TestOnlyWhatIsEqualIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := map[string]int{}
		m, _ := measuring(t, 1, counting(asked))
		one := metric(t, "one")
		one.Query, one.Interval = "shared", time.Hour
		wider, own, compared := one, one, one
		wider.Window = 2 * time.Minute
		own.Source = counting(asked)
		compared.Baseline = &analysis.Baseline{Query: "stable", By: analysis.Difference}
		young := old(one)
		young.Since = time.Now()
		m.Want(named(0), old(one))
		for i, want := range []*rollout.Measure{old(wider), old(own), old(compared), young} {
			m.Want(named(1+i), want)
		}
		advance(time.Minute)
		require.Equal(t, map[string]int{"shared": 5, "stable": 1}, asked)
	})
}

func TestWhoLeavesTakesTheQuestionFromNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := map[string]int{}
		m, _ := measuring(t, 1, counting(asked))
		busy, shared := metric(t, "busy"), metric(t, "shared")
		busy.Query, shared.Query = "busy", "shared"
		m.Want(checkout, old(busy))
		synctest.Wait()
		m.Want(named(1), old(shared))
		synctest.Wait()
		m.Want(named(2), old(shared))
		synctest.Wait()
		m.Want(named(1), nil)
		advance(3 * time.Second)
		require.Empty(t, m.Results(named(1)))
		require.Len(t, m.Results(named(2)), 1)
	})
}

func TestOnlyQuestionsThatDoNothingAreSharedAndOnlyWithinANamespace(t *testing.T) {
	provided := func(namespace string, p v1alpha1.MetricProvider) analysis.Metric {
		m := metric(t, "a")
		m.Source = &providerSource{request: ProviderRequest{Namespace: namespace, Name: "checkout-a", Provider: p}}
		return m
	}
	same := func(a, b analysis.Metric) bool {
		hourAgo := time.Now().Add(-time.Hour)
		one, first := shared(a, hourAgo)
		other, second := shared(b, hourAgo)
		return first && second && one == other
	}
	datadog := v1alpha1.MetricProvider{Datadog: &v1alpha1.DatadogProvider{APIKey: v1alpha1.SecretKey{Name: "datadog", Key: "api"}}}
	one, other := provided("shop", datadog), provided("shop", *datadog.DeepCopy())
	other.Source.(*providerSource).request.Name = "cart-a"
	require.True(t, same(one, other), "another Rollout of the namespace asks the same")
	require.False(t, same(one, provided("bank", datadog)), "its Secret is another one")
	keys := *datadog.DeepCopy()
	keys.Datadog.APIKey.Key = "other"
	require.False(t, same(one, provided("shop", keys)), "the credentials are others")
	require.False(t, same(one, metric(t, "a")), "the engine's own Prometheus is somebody else")

	another := one
	another.Query = "other"
	require.False(t, same(one, another))
	compared := one
	compared.Baseline = &analysis.Baseline{Source: provided("shop", keys).Source}
	require.True(t, same(compared, compared))
	require.False(t, same(one, compared))

	web := func(p v1alpha1.WebProvider) analysis.Metric {
		p.URL = "http://checks.example.com"
		return provided("shop", v1alpha1.MetricProvider{Web: &p})
	}
	for name, m := range map[string]analysis.Metric{
		"a Job": provided("shop", v1alpha1.MetricProvider{Job: &v1alpha1.JobProvider{}}),
		"POST":  web(v1alpha1.WebProvider{Method: "POST"}),
		"body":  web(v1alpha1.WebProvider{Body: "{}"}),
		"a gate": {Source: &gateSource{request: ProviderRequest{Namespace: "shop",
			Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebProvider{URL: "http://gate"}}}}},
		"an error": {Source: refusal("no template")},
	} {
		require.False(t, same(m, m), name)
	}
	require.True(t, same(web(v1alpha1.WebProvider{}), web(v1alpha1.WebProvider{})))
}

func TestEveryServerHasABudgetOfItsOwn(t *testing.T) {
	server := func(p v1alpha1.MetricProvider) budget.Server {
		return serverOf(analysis.Metric{Source: &providerSource{request: ProviderRequest{Provider: p}}})
	}
	named := func(name string) budget.Server { return budget.Server{Kind: budget.Providers, Name: name} }
	require.Equal(t, budget.Server{Kind: budget.Own}, serverOf(analysis.Metric{}))
	require.Equal(t, named("mimir:9009"), server(v1alpha1.MetricProvider{Prometheus: &v1alpha1.PrometheusProvider{Address: "http://mimir:9009/prometheus"}}))
	require.Equal(t, named("checks"), server(v1alpha1.MetricProvider{Web: &v1alpha1.WebProvider{URL: "https://checks/a?b=c"}}))
	require.Equal(t, named("graphite"), server(v1alpha1.MetricProvider{Graphite: &v1alpha1.GraphiteProvider{Address: "http://graphite"}}))
	require.Equal(t, named("influx:8086"), server(v1alpha1.MetricProvider{InfluxDB: &v1alpha1.InfluxDBProvider{Address: "http://influx:8086"}}))
	require.Equal(t, named("datadog"), server(v1alpha1.MetricProvider{Datadog: &v1alpha1.DatadogProvider{}}))
	require.Equal(t, named("newRelic"), server(v1alpha1.MetricProvider{NewRelic: &v1alpha1.NewRelicProvider{}}))
	require.Equal(t, named("cloudWatch/eu-central-1"), server(v1alpha1.MetricProvider{CloudWatch: &v1alpha1.CloudWatchProvider{Region: "eu-central-1"}}))
	require.Equal(t, named("kubernetes"), server(v1alpha1.MetricProvider{Job: &v1alpha1.JobProvider{}}))
	job := analysis.Metric{Interval: time.Hour, Source: &providerSource{request: ProviderRequest{Provider: v1alpha1.MetricProvider{Job: &v1alpha1.JobProvider{}}}}}
	require.Equal(t, pendingPause, often(job), "a Job is looked at until it has ended")
	gate := analysis.Metric{Source: &gateSource{request: ProviderRequest{Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebProvider{URL: "http://calendar/ask"}}}}}
	require.Equal(t, budget.Server{Kind: budget.Gates, Name: "calendar"}, serverOf(gate))
}

// silent is a provider that answers after the timeout, or never.
func silent(t *testing.T, name, url string) analysis.Metric {
	m := metric(t, name)
	m.Source = &providerSource{request: ProviderRequest{Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebProvider{URL: url}}}, providers: Providers{
		Query: func(ctx context.Context, _ ProviderRequest, _ analysis.Query) (analysis.Sample, error) {
			<-ctx.Done()
			return analysis.Sample{}, ctx.Err()
		}}}
	return m
}

func TestAProviderThatIsSilentDelaysNoMeasurementOfPrometheus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := map[string]int{}
		m, _ := measuring(t, 4, counting(asked))
		for i := range 100 {
			m.Want(named(i), old(silent(t, "a", "http://silent"), silent(t, "b", "http://silent")))
		}
		synctest.Wait()
		own := metric(t, "own")
		own.Query = "own"
		m.Want(checkout, old(own))
		advance(time.Second)
		require.Len(t, m.Results(checkout), 1)
		require.Equal(t, map[string]int{"own": 1}, asked)
	})
}

func TestRolloutsAndAnalysisRunsOfOneNameHaveOneBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := map[string]int{}
		m, _ := measuring(t, 1, counting(asked))
		runs := NewMeasurer(m.MeasurerOptions)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		runs.Start(ctx, func(engine.Key) {})
		busy, shared := metric(t, "busy"), metric(t, "shared")
		busy.Query, shared.Query = "busy", "shared"
		busy.Interval, shared.Interval = time.Hour, time.Hour
		m.Want(checkout, old(busy))
		synctest.Wait()
		m.Want(named(1), old(shared))
		runs.Want(named(1), old(shared))
		advance(time.Second)
		require.Equal(t, map[string]int{"busy": 1, "shared": 1}, asked)
		advance(2 * time.Second)
		require.Len(t, m.Results(named(1)), 1)
		require.Len(t, runs.Results(named(1)), 1)
	})
}
