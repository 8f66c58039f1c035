package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// resolveAnalysis reads what is judged: in the background, at steps, and before, after or at the switch.
func (r *resolved) resolveAnalysis(queries Queries, shelf library, w *world) {
	queries.owner = ownerOf(w.object)
	s := w.object.Spec.Strategy
	reader := metricReader{resolved: r, queries: queries, shelf: shelf, namespace: w.object.Namespace,
		subject: subject{object: w.object, variables: w.queryVariables(r.spec)}}
	switch r.spec.Wiring.Mode {
	case rollout.ByRoutes, rollout.ByPods:
		reader.canary(s.Canary)
	case rollout.BySelector:
		before := reader.read("spec.strategy.blueGreen.prePromotionAnalysis", s.BlueGreen.PrePromotionAnalysis)
		r.spec.PostMetrics = reader.read("spec.strategy.blueGreen.postPromotionAnalysis", s.BlueGreen.PostPromotionAnalysis)
		for i := range r.spec.Steps {
			if r.spec.Steps[i].Kind == rollout.Judge {
				r.spec.Steps[i].Metrics = before
			}
		}
	}
}

// metricReader makes metrics of the user's analyses.
type metricReader struct {
	*resolved
	queries   Queries
	shelf     library
	namespace string
	subject   subject
}

func (r metricReader) canary(canary *v1alpha1.Canary) {
	const background = "spec.strategy.canary.analysis"
	if a := canary.Analysis; a != nil {
		r.spec.Metrics, r.spec.MetricsFrom = r.read(background, &a.Analysis), int(a.StartingStep)
	}
	for i, step := range canary.Steps {
		if step.Analysis != nil {
			field := fmt.Sprintf("spec.strategy.canary.steps[%d].analysis", i)
			r.spec.Steps[i].Metrics = r.apart(background, field, r.read(field, step.Analysis))
		}
	}
	if bake := canary.Bake; bake != nil {
		const field = "spec.strategy.canary.bake.analysis"
		r.spec.Bake = durationOr(bake.Duration, 0)
		r.spec.PostMetrics = r.apart(background, field, r.read(field, bake.Analysis))
	}
}

// apart refuses a metric that is watched in the background too: what was measured for the one would count for the other.
func (r metricReader) apart(background, field string, own []analysis.Metric) []analysis.Metric {
	for _, m := range own {
		if slices.ContainsFunc(r.spec.Metrics, func(other analysis.Metric) bool { return other.Name == m.Name }) {
			r.problem(reasonInvalidMetric, "%s has the metric %s, and so has %s; give one of them another name", field, m.Name, background)
		}
	}
	return own
}

// read resolves an analysis. What can't be resolved stays as a metric that can't be measured: it holds a release that is under
// way, whereas leaving it out would let the release go on without a verdict.
func (r metricReader) read(field string, wanted *v1alpha1.Analysis) []analysis.Metric {
	if wanted == nil {
		return nil
	}
	all := collect(r.shelf, r.namespace, field, *wanted)
	if r.queries.Missing() && slices.ContainsFunc(all.metrics, func(m origin) bool { return m.metric.Provider == nil }) {
		r.problems = append(r.problems, rollout.Problem{Reason: reasonNoMetricSource, Reference: true,
			Message: field + " needs Prometheus, and the engine was started without its address; start the controller with --prometheus-address"})
	}
	var metrics []analysis.Metric
	for _, text := range all.missing {
		r.problems = append(r.problems, rollout.Problem{Reason: reasonNoTemplate, Message: text, Reference: true})
		metrics = append(metrics, unmeasurable(v1alpha1.Metric{Name: "templates"}, text))
	}
	for _, text := range all.mistakes {
		r.problem(reasonInvalidAnalysis, "%s: %s", field, text)
	}
	variables, secrets, err := r.subject.values(all.args)
	if err != nil {
		r.problem(reasonInvalidAnalysis, "%s.args: %v", field, err)
	}
	for _, m := range all.metrics {
		metric, err := r.metric(m.metric, variables, secrets)
		if err != nil {
			r.problem(reasonInvalidMetric, "%s: %v", m.field, err)
			metric = unmeasurable(m.metric, m.field+": "+err.Error())
		}
		metrics = append(metrics, metric)
	}
	return metrics
}

func (r metricReader) metric(m v1alpha1.Metric, variables map[string]string, secrets map[string]v1alpha1.SecretKey) (analysis.Metric, error) {
	if why := notBuiltIn(m, r.spec.Wiring, r.queries); why != "" {
		return analysis.Metric{}, errors.New(why)
	}
	texts := []string{m.Query, m.RequestsQuery}
	if m.Baseline != nil {
		texts = append(texts, m.Baseline.Query)
	}
	if name := secretIn(secrets, texts...); name != "" {
		return analysis.Metric{}, fmt.Errorf("the argument %s is a secret and can't be part of a query, which everybody sees; use it where a provider takes a credential, or in the value of a header", name)
	}
	if variables == nil {
		return analysis.Metric{}, errNoArguments
	}
	queries := r.queries
	queries.secrets = secrets
	return queries.Resolve(m, variables)
}

// unmeasurable is a metric of which every measurement is an error that says why. However many there are of them, a mistake in the
// spec takes nothing back.
func unmeasurable(m v1alpha1.Metric, why string) analysis.Metric {
	limits := limitsOf(m.MetricLimits)
	limits.ConsecutiveErrors = nil
	return analysis.Metric{Name: m.Name, Source: refusal(why), Interval: durationOr(m.Interval, defaultInterval), Window: defaultWindow,
		Limits: limits, DryRun: m.DryRun != nil && *m.DryRun}
}

// refusal is a source that never answers.
type refusal string

// Query says why not.
func (r refusal) Query(context.Context, analysis.Query) (analysis.Sample, error) {
	return analysis.Sample{}, errors.New(string(r))
}

// notBuiltIn says why a metric needs a query of its own, empty if it doesn't.
func notBuiltIn(metric v1alpha1.Metric, wiring rollout.Wiring, queries Queries) string {
	if metric.Query != "" || metric.Provider != nil || queries.TellsApart == nil || queries.TellsApart(metric.Name, nil) == nil {
		return ""
	}
	switch {
	case wiring.Mode == rollout.ByPods:
		return "the built-in metric needs trafficRouting, which tells the requests of the canary apart; without it give the metric a query of its own, " +
			"or start the controller with --builtin-metrics=pods"
	case wiring.Mode == rollout.BySelector:
		return "the built-in metric asks a gateway about a split, and blueGreen has none; give the metric a query of its own"
	case wiring.SubsetsOf != "":
		return "the built-in metric tells Services apart, and subsets are of one; give the metric a query of its own, or let trafficRouting split between stableService and canaryService"
	}
	if err := queries.TellsApart(metric.Name, kindsOf(wiring)); err != nil {
		return err.Error()
	}
	return ""
}

// kindsOf are the kinds of routes that a wiring names.
func kindsOf(wiring rollout.Wiring) []string {
	var kinds []string
	for _, route := range routesOf(wiring) {
		if !slices.Contains(kinds, route.Kind) {
			kinds = append(kinds, route.Kind)
		}
	}
	return kinds
}

// httpRouteKind is the kind of routes that can do the most.
const httpRouteKind = "HTTPRoute"

// usesKind says whether a wiring names a route of a kind.
func usesKind(wiring rollout.Wiring, kind string) bool { return slices.Contains(kindsOf(wiring), kind) }

// queryVariables are the values of the variables in queries. They are those of the release under way, if there is one. A Service
// that there is not has no variable: a query with a hole in it could match the requests of everybody.
func (w *world) queryVariables(spec rollout.Spec) map[string]string {
	revision := spec.Target
	if release := w.observed.Status.Release; release != nil {
		revision = release.Revision
	}
	variables := map[string]string{
		"namespace":      w.object.Namespace,
		"name":           w.object.Name,
		"revision":       revision,
		"stableRevision": w.observed.Status.Stable,
	}
	pair := backends(spec.Wiring, w.observed.Status.Swapped && spec.Wiring == w.observed.Status.Wiring)
	for variable, service := range map[string]string{"service": pair.Canary, "stableService": pair.Stable} {
		if service != "" && pair.SubsetsOf == "" {
			variables[variable] = service
		}
	}
	return variables
}
