package controller

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// literal is a condition of which only the text matters.
type literal string

func (l literal) Holds(analysis.Answer) (bool, error) { return true, nil }
func (l literal) Heeds(analysis.Oddity) bool          { return false }
func (l literal) String() string                      { return string(l) }

func queriesWithConditions() Queries {
	q := exampleQueries()
	q.Condition = func(text string) (analysis.Condition, error) {
		if text == "result >" {
			return nil, errors.New("it ends too soon")
		}
		return literal(text), nil
	}
	return q
}

func TestAMetricIsComparedWithTheSameQuestionAboutStable(t *testing.T) {
	variables := map[string]string{"namespace": "shop", "service": "canary", "stableService": "stable", "revision": "new", "stableRevision": "old"}
	m := v1alpha1.Metric{Name: "errors", Query: `e{s="{{service}}",r="{{revision}}"}[{{window}}]`, Threshold: &v1alpha1.Threshold{Max: "1.1"},
		Baseline: &v1alpha1.Baseline{}}
	got, err := queriesWithConditions().Resolve(m, variables)
	require.NoError(t, err)
	require.Equal(t, `e{s="canary",r="new"}[{{window}}]`, got.Query)
	require.Equal(t, `e{s="stable",r="old"}[{{window}}]`, got.Baseline.Query)
	require.Equal(t, analysis.Ratio, got.Baseline.By)
	require.Equal(t, "<= 1.1 of stable's", got.Wanted())

	m.Baseline = &v1alpha1.Baseline{By: "Difference", Query: `e{v="old"}`}
	got, err = queriesWithConditions().Resolve(m, variables)
	require.NoError(t, err)
	require.Equal(t, analysis.Baseline{By: analysis.Difference, Query: `e{v="old"}`}, *got.Baseline)

	builtin, err := queriesWithConditions().Resolve(v1alpha1.Metric{Name: "latency", Threshold: &v1alpha1.Threshold{Max: "1.1"}, Baseline: &v1alpha1.Baseline{}}, variables)
	require.NoError(t, err)
	require.Equal(t, []string{"canary", "stable"}, []string{builtin.Query, builtin.Baseline.Query})
	require.NotContains(t, variables, "window", "the variables belong to the caller")
}

func TestAMetricIsJudgedInOneWay(t *testing.T) {
	threshold := &v1alpha1.Threshold{Min: "1"}
	for name, c := range map[string]struct {
		metric v1alpha1.Metric
		says   string
	}{
		"nothing":                         {v1alpha1.Metric{}, "a metric is judged in one way"},
		"both":                            {v1alpha1.Metric{Threshold: threshold, SuccessCondition: "result > 1"}, "a metric is judged in one way"},
		"a condition that makes no sense": {v1alpha1.Metric{FailureCondition: "result >"}, "failureCondition: it ends too soon"},
		"a list and a threshold":          {v1alpha1.Metric{Threshold: threshold, Series: "List"}, "series is List, which only conditions understand"},
		"a list and stable":               {v1alpha1.Metric{SuccessCondition: "true", Series: "List", Baseline: &v1alpha1.Baseline{}}, "a list is not compared with stable"},
		"stable asked for the same":       {v1alpha1.Metric{Threshold: threshold, Baseline: &v1alpha1.Baseline{}}, "its query names neither {{service}} nor {{revision}}"},
		"requests of nobody":              {v1alpha1.Metric{Threshold: threshold, RequestsQuery: "{{servce}}"}, "requestsQuery: query: there is no variable {{servce}}"},
	} {
		t.Run(name, func(t *testing.T) {
			c.metric.Name, c.metric.Query = "m", "up"
			_, err := queriesWithConditions().Resolve(c.metric, map[string]string{"service": "canary", "stableService": "stable"})
			require.ErrorContains(t, err, c.says)
		})
	}
	_, err := exampleQueries().Resolve(v1alpha1.Metric{Query: "up", SuccessCondition: "result > 1"}, nil)
	require.ErrorContains(t, err, "use threshold")
}

func TestLimitsAreStrictUnlessTheUserSaysOtherwise(t *testing.T) {
	require.Equal(t, analysis.Limits{}, limitsOf(v1alpha1.MetricLimits{}))
	require.Equal(t, -1, limitsOf(v1alpha1.MetricLimits{ConsecutiveFailureLimit: new(int32(2))}).Failures, "failures in a row are what is limited")
	l := limitsOf(v1alpha1.MetricLimits{FailureLimit: new(int32(1)), ConsecutiveFailureLimit: new(int32(2)), InconclusiveLimit: new(int32(3)),
		ConsecutiveErrorLimit: new(int32(4)), NoData: "Fail"})
	require.Equal(t, analysis.Limits{Failures: 1, ConsecutiveFailures: new(2), Inconclusive: new(3), ConsecutiveErrors: new(4), NoData: analysis.AsFail}, l)
}

func TestTheRequestsBehindABuiltInMetricNeedNoQueryOfTheUsers(t *testing.T) {
	variables := map[string]string{"namespace": "shop", "service": "canary"}
	m := v1alpha1.Metric{Name: "error-rate", Threshold: &v1alpha1.Threshold{Max: "1%"}, MinRequests: 100}
	got, err := exampleQueries().Resolve(m, variables)
	require.NoError(t, err)
	require.Equal(t, "requests to canary", got.Requests)
	require.Equal(t, 100.0, got.MinRequests)

	m.RequestsQuery = "increase(calls[{{window}}])"
	got, err = exampleQueries().Resolve(m, variables)
	require.NoError(t, err)
	require.Equal(t, m.RequestsQuery, got.Requests)

	got, err = exampleQueries().Resolve(v1alpha1.Metric{Name: "error-rate", Threshold: m.Threshold}, variables)
	require.NoError(t, err)
	require.Empty(t, got.Requests, "nobody asks how many there are")
}

func TestWhetherAMetricIsBuiltInDependsOnWhoseItIsAndOnTheRoutes(t *testing.T) {
	mesh := exampleQueries()
	mesh.TellsApart = func(_ string, routes []string) error {
		if slices.Contains(routes, "VirtualService") {
			return nil
		}
		return errors.New("it is about a VirtualService")
	}
	pods := exampleQueries()
	pods.TellsApart = func(string, []string) error { return nil }
	services := wiringOf(v1alpha1.Strategy{Canary: meshed()})
	onlyMesh := meshed()
	onlyMesh.TrafficRouting.GatewayAPI = nil
	virtual := wiringOf(v1alpha1.Strategy{Canary: onlyMesh})
	subsets := virtual
	subsets.SubsetsOf = "checkout"
	for name, c := range map[string]struct {
		queries Queries
		wiring  rollout.Wiring
		says    string
	}{
		"a gateway's of its routes":        {exampleQueries(), services, ""},
		"a gateway's of a mesh's routes":   {exampleQueries(), virtual, "it is about an HTTPRoute"},
		"a mesh's of its routes":           {mesh, virtual, ""},
		"a mesh's of both":                 {mesh, services, ""},
		"a mesh's of subsets":              {mesh, subsets, "subsets are of one"},
		"a mesh's without routes":          {mesh, rollout.Wiring{Mode: rollout.ByPods}, "--builtin-metrics=pods"},
		"a mesh's of a selector":           {mesh, rollout.Wiring{Mode: rollout.BySelector}, "blueGreen has none"},
		"those of the pods behind subsets": {pods, subsets, ""},
		"those of the pods by themselves":  {pods, rollout.Wiring{Mode: rollout.ByPods}, ""},
	} {
		got := notBuiltIn(v1alpha1.Metric{Name: "error-rate"}, c.wiring, c.queries)
		require.Contains(t, got, c.says, name)
		require.Equal(t, c.says == "", got == "", "%s: %s", name, got)
		require.Empty(t, notBuiltIn(v1alpha1.Metric{Name: "error-rate", Query: "up"}, c.wiring, c.queries), "a query of one's own may ask anything")
	}
}
