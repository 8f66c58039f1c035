package controller

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// The defaults of the spec. They are applied here and not by the schema, so that what the user wrote stays what is stored.
const (
	defaultReplicas            = 1
	defaultProgressDeadline    = 600
	defaultHistoryLimit        = 10
	defaultAbortScaleDownDelay = 30
	defaultSettle              = 3
	defaultMeshSettle          = 10
	defaultDrain               = 10
	defaultSurge               = "25%"
	defaultMinPods             = 1
)

// The delays before the pods of the revision before go. After a switch of a Service going back has to be one switch too; where
// a route splits, it is one shift only as long as nobody has handed the Services over.
const (
	defaultCanaryScaleDownDelay    = 0
	defaultBlueGreenScaleDownDelay = 30
)

// resolved is the spec with defaults applied, and what is wrong with it.
type resolved struct {
	spec rollout.Spec
	// pods is the template as far as this program knows it, nil if it can't be read.
	pods     *corev1.PodTemplateSpec
	outfits  map[rollout.Role]v1alpha1.PodMetadata
	problems []rollout.Problem
}

func (r *resolved) problem(reason, format string, args ...any) {
	r.problems = append(r.problems, rollout.Problem{Reason: reason, Message: fmt.Sprintf(format, args...)})
}

// resolve turns the user's spec into the domain's. What can't be understood becomes a problem, and the rest still works:
// a template that makes no sense must not keep anybody from aborting.
func (c *Controller) resolve(w *world) resolved {
	spec, source := w.object.Spec, w.template()
	r := resolved{outfits: map[rollout.Role]v1alpha1.PodMetadata{}}
	r.spec = rollout.Spec{
		Generation:          w.object.Generation,
		Replicas:            int(orDefault(spec.Replicas, source.replicas)),
		Paused:              spec.Paused,
		ProgressDeadline:    seconds(spec.ProgressDeadlineSeconds, defaultProgressDeadline),
		HistoryLimit:        int(orDefault(spec.RevisionHistoryLimit, defaultHistoryLimit)),
		AbortScaleDownDelay: seconds(nil, defaultAbortScaleDownDelay),
		MinPods:             defaultMinPods,
		Wiring:              wiringOf(spec.Strategy),
	}
	if spec.RollbackWindow != nil {
		r.spec.RollbackWindow = int(spec.RollbackWindow.Revisions)
	}
	if spec.RestartAt != nil {
		r.spec.RestartAt = spec.RestartAt.Time
	}
	r.resolveTemplate(source)
	r.spec.Target = w.revisionNamed(r.spec.Target)
	r.resolveOutfits(spec.Strategy, source)
	r.resolveStrategy(spec.Strategy, w.observed.Status.Wiring)
	if w.other != "" {
		r.problem(reasonServiceClaimed, "%s; two Rollouts can't share it: give this one Services of its own, or subsets and managed routes", w.other)
	}
	r.resolveAnalysis(c.Queries, c.Caches, w)
	r.resolveReceived(c.Queries, w)
	r.resolveGates(c.Queries, w)
	return r
}

func (r *resolved) resolveTemplate(source template) {
	if source.problem != nil {
		r.problems = append(r.problems, *source.problem)
		return
	}
	hash, err := rollout.Hash(source.raw)
	if err != nil {
		r.problem(reasonInvalidTemplate, "%s can't be read: %v; correct it and apply again", source.field, err)
		return
	}
	template, err := source.parse()
	if err != nil {
		r.problem(reasonInvalidTemplate, "%s is not a pod template: %v; correct the field and apply again", source.field, err)
		return
	}
	r.spec.Target, r.pods = hash, template
	selector, err := metav1.LabelSelectorAsSelector(source.selector)
	switch {
	case err != nil:
		r.problem(reasonInvalidSelector, "spec.selector can't be read: %v", err)
	case !selector.Matches(labels.Set(template.Labels)):
		r.problem(reasonInvalidSelector, "spec.selector (%s) doesn't match %s.metadata.labels (%s); make the labels match",
			selector, source.field, labels.Set(template.Labels))
	}
	if _, there := template.Labels[v1alpha1.PodTemplateHashLabel]; there {
		r.problem(reasonInvalidTemplate, "%s.metadata.labels sets %s, which the engine sets itself; remove it",
			source.field, v1alpha1.PodTemplateHashLabel)
	}
}

// resolveStrategy reads how to release. inForce is what carries the traffic until the strategy can take over.
func (r *resolved) resolveStrategy(s v1alpha1.Strategy, inForce rollout.Wiring) {
	if inForce.Mode == rollout.ByRoutes || inForce.Mode == rollout.BySelector {
		r.spec.Settle, r.spec.Drain = settleTime(nil, inForce), seconds(nil, defaultDrain)
	}
	switch {
	case r.spec.Wiring.Mode == "":
		r.problem(reasonInvalidStrategy, "spec.strategy holds no strategy this version knows; "+
			"set either spec.strategy.canary, with trafficRouting.gatewayAPI, trafficRouting.istio or without trafficRouting, or spec.strategy.blueGreen")
	case s.Canary != nil:
		r.resolveCanary(s.Canary, inForce)
	default:
		r.resolveBlueGreen(s.BlueGreen)
	}
	if r.spec.MaxSurge == 0 && r.spec.MaxUnavailable == 0 {
		// Percentages of few replicas round down to nothing; without either nothing could ever be replaced.
		r.spec.MaxSurge = 1
	}
}

// settleTime is how long the data plane behind a wiring may need. VirtualServices have no status that says when; istiod passes a change
// on when nothing else has changed for 100ms, and after 10s at the latest (PILOT_DEBOUNCE_MAX).
func settleTime(set *int32, w rollout.Wiring) time.Duration {
	if usesKind(w, virtualServiceKind) {
		return seconds(set, defaultMeshSettle)
	}
	return seconds(set, defaultSettle)
}

func (r *resolved) resolveCanary(canary *v1alpha1.Canary, inForce rollout.Wiring) {
	s := &r.spec
	s.AbortScaleDownDelay = seconds(canary.AbortScaleDownDelaySeconds, defaultAbortScaleDownDelay)
	s.ScaleDownDelay = seconds(canary.ScaleDownDelaySeconds, defaultCanaryScaleDownDelay)
	s.MaxSurge = r.number("canary.maxSurge", canary.MaxSurge, true)
	s.MaxUnavailable = r.number("canary.maxUnavailable", canary.MaxUnavailable, false)
	s.DynamicStable = canary.DynamicStableScale
	s.MinPods = int(orDefault(canary.MinPodsPerReplicaSet, defaultMinPods))
	if routing := canary.TrafficRouting; routing != nil {
		s.Settle = max(settleTime(routing.SettleSeconds, s.Wiring), settleTime(routing.SettleSeconds, inForce))
		s.Drain = seconds(routing.DrainSeconds, defaultDrain)
		if name := routingOf(routing).twice(); name != nil {
			r.problem(reasonInvalidStrategy, "%s names %s twice; name it once, with all that is to be said of it",
				routeField(v1alpha1.Strategy{Canary: canary}, *name), name)
		}
		r.resolveAffinity(canary, inForce)
	}
	for i, step := range canary.Steps {
		s.Steps = append(s.Steps, r.step(i, step))
	}
	r.checkRules(canary)
}

func (r *resolved) step(index int, step v1alpha1.Step) rollout.Step {
	switch {
	case step.SetWeight != nil:
		return rollout.Step{Kind: rollout.SetWeight, Weight: int(*step.SetWeight)}
	case step.SetCanaryScale != nil:
		return rollout.Step{Kind: rollout.SetScale, Pods: r.canaryScale(index, step.SetCanaryScale)}
	case step.SetHeaderRoute != nil:
		return headerStep(step.SetHeaderRoute)
	case step.SetMirrorRoute != nil:
		return mirrorStep(step.SetMirrorRoute)
	case step.Analysis != nil:
		return rollout.Step{Kind: rollout.Judge}
	case step.Pause != nil && step.Pause.Duration != nil:
		return rollout.Step{Kind: rollout.Pause, Duration: max(step.Pause.Duration.Duration, time.Nanosecond)}
	}
	return rollout.Step{Kind: rollout.Pause}
}

// asManyAsNeeded is the number of pods of a setCanaryScale that leaves it to the weight.
const asManyAsNeeded = -1

func (r *resolved) canaryScale(index int, scale *v1alpha1.CanaryScale) int {
	switch {
	case scale.Replicas != nil:
		return int(*scale.Replicas)
	case scale.Weight != nil:
		return (int(*scale.Weight)*r.spec.Replicas + 99) / 100
	case scale.MatchTrafficWeight != nil && !*scale.MatchTrafficWeight:
		r.problem(reasonInvalidStrategy, "spec.strategy.canary.steps[%d].setCanaryScale.matchTrafficWeight is false, which says nothing; "+
			"set it to true, or give replicas or weight instead", index)
	}
	return asManyAsNeeded
}

// resolveBlueGreen makes steps of what is to happen before the switch. Without any the release goes straight to the promotion,
// which waits for the pods.
func (r *resolved) resolveBlueGreen(b *v1alpha1.BlueGreen) {
	s := &r.spec
	s.AbortScaleDownDelay = seconds(b.AbortScaleDownDelaySeconds, defaultAbortScaleDownDelay)
	s.ScaleDownDelay = seconds(b.ScaleDownDelaySeconds, defaultBlueGreenScaleDownDelay)
	s.MaxSurge = r.number("blueGreen.maxSurge", b.MaxSurge, true)
	s.MaxUnavailable = r.number("blueGreen.maxUnavailable", b.MaxUnavailable, false)
	s.PreviewReplicas = int(orDefault(b.PreviewReplicaCount, 0))
	s.Settle = seconds(b.SettleSeconds, defaultSettle)
	s.Drain = seconds(b.DrainSeconds, defaultDrain)
	if b.PrePromotionAnalysis != nil {
		s.Steps = append(s.Steps, rollout.Step{Kind: rollout.Judge})
	}
	switch {
	case b.AutoPromotionEnabled != nil && !*b.AutoPromotionEnabled:
		s.Steps = append(s.Steps, rollout.Step{Kind: rollout.Pause})
	case b.AutoPromotionSeconds > 0:
		s.Steps = append(s.Steps, rollout.Step{Kind: rollout.Pause, Duration: time.Duration(b.AutoPromotionSeconds) * time.Second})
	}
}

// number is a number of pods, or a share of the replicas.
func (r *resolved) number(field string, value *intstr.IntOrString, roundUp bool) int {
	if value == nil {
		share := intstr.FromString(defaultSurge)
		value = &share
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(value, r.spec.Replicas, roundUp)
	if err != nil || n < 0 {
		r.problem(reasonInvalidStrategy, "spec.strategy.%s is %q; use a number of pods or a percentage such as 25%%", field, value.String())
		return 0
	}
	return n
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
