package controller

import (
	"slices"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/traffic"
)

// resolveAnalysis reads the metrics of the strategy: those in the background, and those before and after the switch.
func (r *resolved) resolveAnalysis(queries Queries, w *world) {
	s, variables := w.object.Spec.Strategy, w.queryVariables(r.spec)
	switch r.spec.Wiring.Mode {
	case rollout.ByRoutes, rollout.ByPods:
		r.spec.Metrics = r.metrics("spec.strategy.canary.analysis", s.Canary.Analysis, queries, variables)
	case rollout.BySelector:
		before := r.metrics("spec.strategy.blueGreen.prePromotionAnalysis", s.BlueGreen.PrePromotionAnalysis, queries, variables)
		r.spec.PostMetrics = r.metrics("spec.strategy.blueGreen.postPromotionAnalysis", s.BlueGreen.PostPromotionAnalysis, queries, variables)
		for i := range r.spec.Steps {
			if r.spec.Steps[i].Kind == rollout.Judge {
				r.spec.Steps[i].Metrics = before
			}
		}
	}
}

func (r *resolved) metrics(field string, wanted *v1alpha1.Analysis, queries Queries, variables map[string]string) []analysis.Metric {
	if wanted == nil {
		return nil
	}
	if queries.Missing() {
		r.problems = append(r.problems, rollout.Problem{Reason: reasonNoMetricSource, Reference: true,
			Message: field + " needs Prometheus, and the engine was started without its address; start the controller with --prometheus-address"})
	}
	var metrics []analysis.Metric
	for i, metric := range wanted.Metrics {
		if why := notBuiltIn(metric, r.spec.Wiring); why != "" {
			r.problem(reasonInvalidMetric, "%s.metrics[%d] (%s): %s", field, i, metric.Name, why)
			continue
		}
		resolvedMetric, err := queries.Resolve(metric, variables)
		if err != nil {
			r.problem(reasonInvalidMetric, "%s.metrics[%d] (%s): %v", field, i, metric.Name, err)
			continue
		}
		metrics = append(metrics, resolvedMetric)
	}
	return metrics
}

// notBuiltIn says why a metric needs a query of its own, empty if it doesn't.
func notBuiltIn(metric v1alpha1.Metric, wiring rollout.Wiring) string {
	switch {
	case metric.Query != "":
		return ""
	case wiring.Mode == rollout.ByPods:
		return "the built-in metric needs trafficRouting, which tells the requests of the canary apart; without it give the metric a query of its own"
	case wiring.Mode == rollout.BySelector:
		return "the built-in metric asks a gateway about a split, and blueGreen has none; give the metric a query of its own"
	case !usesKind(wiring, httpRouteKind) && !usesKind(wiring, grpcRouteKind):
		return "the built-in metric asks the gateway of an HTTPRoute or GRPCRoute, and trafficRouting names none; give the metric a query of its own, over istio_requests_total for example"
	case metric.Name == successRate && !usesKind(wiring, httpRouteKind):
		// Behind grpc-go servers Traefik counts successful and failed calls under the same code.
		return "the gateway can't tell failed gRPC calls from successful ones; give the metric a query over the application's own metrics"
	}
	return ""
}

// The kinds of routes that gateways with built-in metrics serve.
const (
	httpRouteKind = "HTTPRoute"
	grpcRouteKind = "GRPCRoute"
)

// usesKind says whether a wiring names a route of a kind.
func usesKind(wiring rollout.Wiring, kind string) bool {
	return slices.ContainsFunc(routesOf(wiring), func(n traffic.RouteName) bool { return n.Kind == kind })
}

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
