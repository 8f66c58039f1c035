package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// books are templates by name; those of the cluster begin with a slash.
type books map[string]v1alpha1.AnalysisTemplateSpec

func (b books) template(_ string, ref v1alpha1.TemplateReference) (v1alpha1.AnalysisTemplateSpec, bool) {
	name := ref.Name
	if ref.ClusterScope {
		name = "/" + name
	}
	spec, there := b[name]
	return spec, there
}

func atLeast(name, bound string) v1alpha1.Metric {
	return v1alpha1.Metric{Name: name, Query: name + `{host="{{args.host}}"}`, Threshold: &v1alpha1.Threshold{Min: bound}}
}

func argument(name, value string) v1alpha1.Argument {
	return v1alpha1.Argument{Name: name, Value: &value}
}

func using(names ...string) v1alpha1.Analysis {
	var a v1alpha1.Analysis
	for _, name := range names {
		a.Templates = append(a.Templates, v1alpha1.TemplateReference{Name: name})
	}
	return a
}

func TestATemplateBringsItsOwnMetricsAndThoseOfTheTemplatesItNames(t *testing.T) {
	shelf := books{
		"all":      {Templates: []v1alpha1.TemplateReference{{Name: "errors"}, {Name: "latency", ClusterScope: true}}, Metrics: []v1alpha1.Metric{atLeast("orders", "1")}},
		"errors":   {Args: []v1alpha1.Argument{{Name: "host"}}, Metrics: []v1alpha1.Metric{atLeast("errors", "1")}, Templates: []v1alpha1.TemplateReference{{Name: "all"}}},
		"/latency": {Args: []v1alpha1.Argument{argument("host", "default")}, Metrics: []v1alpha1.Metric{atLeast("latency", "1")}},
	}
	a := using("all", "errors")
	a.Args = []v1alpha1.Argument{argument("host", "shop")}
	c := collect(shelf, "shop", "spec", a)
	require.Empty(t, c.mistakes)
	require.Empty(t, c.missing)
	require.Equal(t, "orders, errors, latency", c.names(0), "each once, also where they name one another in a circle")
	require.Equal(t, "shop", *c.args["host"].Value)
	require.Equal(t, `ClusterAnalysisTemplate "latency".spec.metrics[0] (latency)`, c.metrics[2].field)
}

func TestWhatIsWrongWithTemplatesIsSaidWithTheWayOut(t *testing.T) {
	host := []v1alpha1.Argument{{Name: "host"}}
	shelf := books{
		"errors": {Args: host, Metrics: []v1alpha1.Metric{atLeast("errors", "1")}},
		"again":  {Args: host, Metrics: []v1alpha1.Metric{atLeast("errors", "2")}},
		"one":    {Args: []v1alpha1.Argument{argument("host", "a")}, Metrics: []v1alpha1.Metric{atLeast("one", "1")}},
		"two":    {Args: []v1alpha1.Argument{argument("host", "b")}, Metrics: []v1alpha1.Metric{atLeast("two", "1")}},
		"guarded": {Args: []v1alpha1.Argument{{Name: "token", ValueFrom: &v1alpha1.ValueFrom{
			SecretKeyRef: &v1alpha1.SecretKeyReference{Name: "keys", Key: "token"}}}}, Metrics: []v1alpha1.Metric{atLeast("guarded", "1")}},
	}
	shop := []v1alpha1.Argument{argument("host", "shop")}
	for name, c := range map[string]struct {
		analysis func() v1alpha1.Analysis
		says     string
	}{
		"an argument without a value": {func() v1alpha1.Analysis { return using("errors") },
			`AnalysisTemplate "errors" needs a value for the argument host; add {name: host, value: ...} to spec.args`},
		"an argument that nobody knows": {func() v1alpha1.Analysis {
			a := using("errors")
			a.Args = append([]v1alpha1.Argument{argument("hots", "shop")}, shop...)
			return a
		}, `spec.args[0] is hots, which none of the templates knows; known are host`},
		"an argument that is given nothing": {func() v1alpha1.Analysis {
			a := using("errors")
			a.Args = []v1alpha1.Argument{{Name: "host"}}
			return a
		}, `spec.args[0] (host) has no value; give it value or valueFrom`},
		"one metric in two templates": {func() v1alpha1.Analysis {
			a := using("errors", "again")
			a.Args = shop
			return a
		}, `the metric errors is in AnalysisTemplate "errors".spec.metrics[0] (errors) and in AnalysisTemplate "again".spec.metrics[0] (errors); ` +
			`give one of them another name, or leave one template out`},
		"two defaults": {func() v1alpha1.Analysis { return using("one", "two") },
			`the argument host has one default in AnalysisTemplate "one" and another in AnalysisTemplate "two"; give it a value in args, or make them the same`},
		"a value for what a template takes from a Secret": {func() v1alpha1.Analysis {
			a := using("guarded")
			a.Args = []v1alpha1.Argument{argument("token", "hunter2")}
			return a
		}, `spec.args[0] (token) has a value that everybody sees, and AnalysisTemplate "guarded" takes it from a Secret; ` +
			`leave it out, or give it valueFrom: {secretKeyRef: {name: SECRET, key: KEY}}`},
		"an override of nothing": {func() v1alpha1.Analysis {
			a := using("errors")
			a.Args, a.Overrides = shop, []v1alpha1.MetricOverride{{Name: "latency"}}
			return a
		}, `spec.overrides[0] is about the metric latency, which none of the templates has; known are errors`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, collect(shelf, "shop", "spec", c.analysis()).mistakes, c.says)
		})
	}
	given := using("one", "two")
	given.Args = shop
	require.Empty(t, collect(shelf, "shop", "spec", given).mistakes, "a value that is given settles it")

	missing := collect(shelf, "shop", "spec.analysis", using("nowhere"))
	require.Equal(t, []string{`spec.analysis.templates[0] names AnalysisTemplate "nowhere", and there is none in namespace shop; ` +
		`create it, correct the name, or set clusterScope if you mean a ClusterAnalysisTemplate`}, missing.missing)
}

func TestAnOverrideChangesWhatItNamesAndNothingElse(t *testing.T) {
	m := atLeast("errors", "0.99")
	m.FailureLimit = new(int32(3))
	shelf := books{"errors": {Metrics: []v1alpha1.Metric{m}}}
	a := using("errors")
	a.Overrides = []v1alpha1.MetricOverride{{Name: "errors", MetricLimits: v1alpha1.MetricLimits{Count: 5, DryRun: new(true), NoData: "Fail"}}}
	got := collect(shelf, "shop", "spec", a).metrics[0].metric
	require.Equal(t, m.Query, got.Query)
	require.Equal(t, "0.99", got.Threshold.Min)
	require.EqualValues(t, 3, *got.FailureLimit)
	require.EqualValues(t, 5, got.Count)
	require.True(t, *got.DryRun)
	require.Equal(t, "Fail", got.NoData)
	require.Nil(t, shelf["errors"].Metrics[0].DryRun, "the template itself stays as it is")

	a.Overrides = []v1alpha1.MetricOverride{{Name: "errors", Threshold: &v1alpha1.Threshold{Min: "0.9"}}}
	require.Equal(t, "0.9", collect(shelf, "shop", "spec", a).metrics[0].metric.Threshold.Min)
}

func TestArgumentsComeFromValuesRevisionsAndFieldsButASecretStaysWhereItIs(t *testing.T) {
	r := exampleRollout(exampleTemplate)
	r.Labels = map[string]string{"region": "eu-1"}
	s := subject{object: r, variables: map[string]string{"revision": "new", "stableRevision": "old", "service": "canary"}}
	from := func(name string, source v1alpha1.ValueFrom) v1alpha1.Argument {
		return v1alpha1.Argument{Name: name, ValueFrom: &source}
	}
	args := map[string]v1alpha1.Argument{}
	for _, arg := range []v1alpha1.Argument{
		argument("host", "{{service}}.shop"),
		from("stable", v1alpha1.ValueFrom{PodTemplateHashValue: "Stable"}),
		from("latest", v1alpha1.ValueFrom{PodTemplateHashValue: "Latest"}),
		from("region", v1alpha1.ValueFrom{FieldRef: &v1alpha1.FieldReference{FieldPath: "metadata.labels['region']"}}),
		from("token", v1alpha1.ValueFrom{SecretKeyRef: &v1alpha1.SecretKeyReference{Name: "credentials", Key: "token"}}),
	} {
		args[arg.Name] = arg
	}
	variables, secrets, err := s.values(args)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"revision": "new", "stableRevision": "old", "service": "canary", "args.host": "canary.shop",
		"args.stable": "old", "args.latest": "new", "args.region": "eu-1"}, variables)
	require.Equal(t, map[string]v1alpha1.SecretKey{"token": {Name: "credentials", Key: "token"}}, secrets)
	require.Equal(t, "token", secretIn(secrets, "a", "b{{ args.token }}"))
	require.Empty(t, secretIn(secrets, "{{args.tokens}}"))

	for path, why := range map[string]string{"metadata.labels['zone']": "has no such field", "metadata[": "is no JSONPath"} {
		_, err := s.field(path)
		require.ErrorContains(t, err, why)
		require.ErrorContains(t, err, path)
	}
	_, err = subject{}.field("metadata.name")
	require.ErrorContains(t, err, "there is no Rollout to read it from")
}

func TestAMissingTemplateKeepsTheReleaseWaitingInsteadOfLettingItPass(t *testing.T) {
	r := resolveWith(t, books{}, func(r *v1alpha1.Rollout) {
		r.Spec.Strategy.Canary.Analysis = &v1alpha1.BackgroundAnalysis{Analysis: using("gone")}
	})
	require.Equal(t, reasonNoTemplate, r.problems[0].Reason)
	require.True(t, r.problems[0].Reference)
	require.Len(t, r.spec.Metrics, 1)
	evidence := analysis.Ask(t.Context(), r.spec.Metrics[0].Source, r.spec.Metrics[0], 0, "")
	judged := analysis.Judge(r.spec.Metrics[0], evidence)
	require.Equal(t, analysis.Error, judged.Verdict)
	require.Contains(t, judged.Message, `AnalysisTemplate "gone"`)
}

func TestEveryPlaceOfAnalysisIsRead(t *testing.T) {
	shelf := books{"errors": {Args: []v1alpha1.Argument{{Name: "host"}}, Metrics: []v1alpha1.Metric{atLeast("errors", "1")}}}
	step := using("errors")
	step.Args = []v1alpha1.Argument{argument("host", "shop")}
	r := resolveWith(t, shelf, func(r *v1alpha1.Rollout) {
		canary := r.Spec.Strategy.Canary
		canary.Analysis = &v1alpha1.BackgroundAnalysis{Analysis: *asking("up"), StartingStep: 2}
		canary.Steps = []v1alpha1.Step{{SetWeight: new(int32(5))}, {Analysis: &step}}
		canary.Bake = &v1alpha1.Bake{Analysis: &v1alpha1.Analysis{Metrics: []v1alpha1.Metric{{Name: "late", Query: "late", Threshold: &v1alpha1.Threshold{Min: "1"}}}}}
	})
	require.Empty(t, r.problems)
	require.Equal(t, "conversion", r.spec.Metrics[0].Name)
	require.Equal(t, 2, r.spec.MetricsFrom)
	require.Equal(t, `errors{host="shop"}`, r.spec.Steps[1].Metrics[0].Query)
	require.Equal(t, "late", r.spec.PostMetrics[0].Name)
}

func TestOneNameForAMetricOfAStepAndOneInTheBackgroundIsRefused(t *testing.T) {
	r := resolveWith(t, books{}, func(r *v1alpha1.Rollout) {
		r.Spec.Strategy.Canary.Analysis = &v1alpha1.BackgroundAnalysis{Analysis: *asking("up")}
		r.Spec.Strategy.Canary.Steps = []v1alpha1.Step{{Analysis: asking("up")}}
	})
	require.Equal(t, "spec.strategy.canary.steps[0].analysis has the metric conversion, and so has spec.strategy.canary.analysis; give one of them another name",
		r.problems[0].Message)
}

func TestASecretInAQueryIsRefused(t *testing.T) {
	a := asking(`up{token="{{args.token}}"}`)
	a.Args = []v1alpha1.Argument{{Name: "token", ValueFrom: &v1alpha1.ValueFrom{SecretKeyRef: &v1alpha1.SecretKeyReference{Name: "s", Key: "k"}}}}
	r := resolveWith(t, books{}, func(r *v1alpha1.Rollout) {
		r.Spec.Strategy.Canary.Analysis = &v1alpha1.BackgroundAnalysis{Analysis: *a}
	})
	require.Contains(t, r.problems[0].Message, "the argument token is a secret and can't be part of a query")
}

func TestAMistakeInAMetricTakesNoReleaseBackHoweverOftenItIsMet(t *testing.T) {
	a := asking("up{")
	a.Metrics[0].Threshold, a.Metrics[0].ConsecutiveErrorLimit = nil, new(int32(0))
	r := resolveWith(t, books{}, func(r *v1alpha1.Rollout) {
		r.Spec.Strategy.Canary.Analysis = &v1alpha1.BackgroundAnalysis{Analysis: *a}
	})
	require.Equal(t, reasonInvalidMetric, r.problems[0].Reason)
	m, record := r.spec.Metrics[0], analysis.Record{Metric: "conversion"}
	for range 5 {
		judged := analysis.Judge(m, analysis.Ask(t.Context(), m.Source, m, 0, ""))
		record = record.Add(analysis.Measurement{Metric: m.Name, Judgement: judged})
	}
	c := analysis.Conclude([]analysis.Record{record}, r.spec.Metrics, time.Time{})
	require.Equal(t, analysis.Error, c.Verdict)
	require.False(t, c.Condemned)
}
