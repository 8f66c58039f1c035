package controller

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/traffic"
)

// The defaults of the spec. They are applied here and not by the schema, so that what the user wrote stays what is stored.
const (
	defaultReplicas            = 1
	defaultProgressDeadline    = 600
	defaultHistoryLimit        = 10
	defaultAbortScaleDownDelay = 30
	defaultSettle              = 3
	defaultDrain               = 10
	defaultSurge               = "25%"
)

// The reasons of problems, as they appear in conditions and events.
const (
	reasonInvalidTemplate  = "InvalidTemplate"
	reasonInvalidSelector  = "InvalidSelector"
	reasonInvalidStrategy  = "InvalidStrategy"
	reasonInvalidMetric    = "InvalidMetric"
	reasonServiceClaimed   = "ServiceClaimed"
	reasonMissingService   = "MissingService"
	reasonSelectorMismatch = "SelectorMismatch"
	reasonUnfitRoute       = "UnfitRoute"
	reasonMissingRoute     = "MissingRoute"
	reasonNoMetricSource   = "NoMetricSource"
)

// resolved is the spec with defaults applied, and what is wrong with it.
type resolved struct {
	spec     rollout.Spec
	problems []rollout.Problem
}

func (r *resolved) problem(reason, format string, args ...any) {
	r.problems = append(r.problems, rollout.Problem{Reason: reason, Message: fmt.Sprintf(format, args...)})
}

// resolve turns the user's spec into the domain's. What can't be understood becomes a problem, and the rest still works:
// a template that makes no sense must not keep anybody from aborting.
func (c *Controller) resolve(w *world) resolved {
	object := w.object
	var r resolved
	r.spec = rollout.Spec{
		Generation:       object.Generation,
		Replicas:         int(orDefault(object.Spec.Replicas, defaultReplicas)),
		Paused:           object.Spec.Paused,
		ProgressDeadline: seconds(object.Spec.ProgressDeadlineSeconds, defaultProgressDeadline),
		HistoryLimit:     int(orDefault(object.Spec.RevisionHistoryLimit, defaultHistoryLimit)),
	}
	r.resolveTemplate(object)
	canary := object.Spec.Strategy.Canary
	if canary == nil {
		r.problem(reasonInvalidStrategy, "spec.strategy holds no strategy this version knows; set spec.strategy.canary")
		return r
	}
	r.resolveCanary(canary)
	if w.other != "" {
		r.problem(reasonServiceClaimed, "%s; two Rollouts can't share a Service: give this one Services of its own", w.other)
	}
	r.resolveMetrics(c.Queries, w)
	return r
}

func (r *resolved) resolveTemplate(object *v1alpha1.Rollout) {
	hash, err := rollout.Hash(object.Spec.Template.Raw())
	if err != nil {
		r.problem(reasonInvalidTemplate, "spec.template can't be read: %v; correct it and apply again", err)
		return
	}
	template, err := object.Spec.Template.Parse()
	if err != nil {
		r.problem(reasonInvalidTemplate, "spec.template is not a pod template: %v; correct the field and apply again", err)
		return
	}
	r.spec.Target = hash
	selector, err := metav1.LabelSelectorAsSelector(&object.Spec.Selector)
	switch {
	case err != nil:
		r.problem(reasonInvalidSelector, "spec.selector can't be read: %v", err)
	case !selector.Matches(labels.Set(template.Labels)):
		r.problem(reasonInvalidSelector, "spec.selector (%s) doesn't match spec.template.metadata.labels (%s); make the labels match",
			selector, labels.Set(template.Labels))
	}
	if _, there := template.Labels[v1alpha1.PodTemplateHashLabel]; there {
		r.problem(reasonInvalidTemplate, "spec.template.metadata.labels sets %s, which the engine sets itself; remove it",
			v1alpha1.PodTemplateHashLabel)
	}
}

func (r *resolved) resolveCanary(canary *v1alpha1.Canary) {
	s := &r.spec
	s.AbortScaleDownDelay = seconds(canary.AbortScaleDownDelaySeconds, defaultAbortScaleDownDelay)
	s.MaxSurge = r.pods("maxSurge", canary.MaxSurge, true)
	s.MaxUnavailable = r.pods("maxUnavailable", canary.MaxUnavailable, false)
	if s.MaxSurge == 0 && s.MaxUnavailable == 0 {
		// Percentages of few replicas round down to nothing; without either nothing could ever be replaced.
		s.MaxSurge = 1
	}
	if routing := canary.TrafficRouting; routing != nil {
		s.Routed = true
		s.Settle = seconds(routing.SettleSeconds, defaultSettle)
		s.Drain = seconds(routing.DrainSeconds, defaultDrain)
	}
	for _, step := range canary.Steps {
		switch {
		case step.SetWeight != nil:
			s.Steps = append(s.Steps, rollout.Step{Kind: rollout.SetWeight, Weight: int(*step.SetWeight)})
		case step.Pause != nil && step.Pause.Duration != nil:
			s.Steps = append(s.Steps, rollout.Step{Kind: rollout.Pause, Duration: max(step.Pause.Duration.Duration, time.Nanosecond)})
		default:
			s.Steps = append(s.Steps, rollout.Step{Kind: rollout.Pause})
		}
	}
}

// pods is a number of pods, or a share of the replicas.
func (r *resolved) pods(field string, value *intstr.IntOrString, roundUp bool) int {
	if value == nil {
		share := intstr.FromString(defaultSurge)
		value = &share
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(value, r.spec.Replicas, roundUp)
	if err != nil || n < 0 {
		r.problem(reasonInvalidStrategy, "spec.strategy.canary.%s is %q; use a number of pods or a percentage such as 25%%", field, value.String())
		return 0
	}
	return n
}

func (r *resolved) resolveMetrics(queries Queries, w *world) {
	canary := w.object.Spec.Strategy.Canary
	if canary.Analysis == nil {
		return
	}
	if queries.Missing() {
		r.problems = append(r.problems, rollout.Problem{Reason: reasonNoMetricSource, Reference: true,
			Message: "spec.strategy.canary.analysis needs Prometheus, and the engine was started without its address; " +
				"start the controller with --prometheus-address"})
	}
	for i, metric := range canary.Analysis.Metrics {
		if metric.Query == "" && metric.Name == "success-rate" && onlyGRPC(w.object) {
			// Behind grpc-go servers Traefik counts successful and failed calls under the same code.
			r.problem(reasonInvalidMetric, "spec.strategy.canary.analysis.metrics[%d] (%s): the gateway can't tell failed gRPC calls "+
				"from successful ones; give the metric a query over the application's own metrics", i, metric.Name)
			continue
		}
		resolvedMetric, err := queries.Resolve(metric, queryVariables(w, r.spec.Target))
		if err != nil {
			r.problem(reasonInvalidMetric, "spec.strategy.canary.analysis.metrics[%d] (%s): %v", i, metric.Name, err)
			continue
		}
		r.spec.Metrics = append(r.spec.Metrics, resolvedMetric)
	}
}

// onlyGRPC says whether all routes are GRPCRoutes.
func onlyGRPC(r *v1alpha1.Rollout) bool {
	routes := target(r).Routes
	return len(routes) > 0 && !slices.ContainsFunc(routes, func(n traffic.RouteName) bool { return n.Kind != "GRPCRoute" })
}

// queryVariables are the values of the variables in queries. They are those of the release under way, if there is one.
func queryVariables(w *world, target rollout.Revision) map[string]string {
	canary := w.object.Spec.Strategy.Canary
	revision := target
	if release := w.observed.Status.Release; release != nil {
		revision = release.Revision
	}
	return map[string]string{
		"namespace":      w.object.Namespace,
		"name":           w.object.Name,
		"revision":       revision,
		"stableRevision": w.observed.Status.Stable,
		"service":        canary.CanaryService,
		"stableService":  canary.StableService,
	}
}

func orDefault(value *int32, otherwise int32) int32 {
	if value == nil {
		return otherwise
	}
	return *value
}

func seconds(value *int32, otherwise int32) time.Duration {
	return time.Duration(orDefault(value, otherwise)) * time.Second
}

func durationOr(value *metav1.Duration, otherwise time.Duration) time.Duration {
	if value == nil || value.Duration <= 0 {
		return otherwise
	}
	return value.Duration
}
