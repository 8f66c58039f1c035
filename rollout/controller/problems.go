package controller

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
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

// referenceProblems say what is wrong with the Services and routes that the spec names. What is only in force, because the spec
// named it before, is no problem of the spec.
func (w *world) referenceProblems() []rollout.Problem {
	var problems []rollout.Problem
	add := func(reason, format string, args ...any) {
		problems = append(problems, rollout.Problem{Reason: reason, Message: fmt.Sprintf(format, args...), Reference: true})
	}
	for _, ref := range references(w.object.Spec.Strategy) {
		service := w.services[ref.service]
		switch {
		case service == nil:
			add(reasonMissingService, "%s: there is no Service %q in namespace %s; create it, or correct the name",
				ref.field, ref.service, w.key.Namespace)
		default:
			w.serviceProblem(ref.field, ref.service, service, add)
		}
	}
	w.subsetProblems(add)
	for _, route := range w.wanted.Routes {
		field := routeField(w.object.Spec.Strategy, route.RouteName)
		switch {
		case route.Problem != "":
			add(reasonUnfitRoute, "%s: %s: %s", field, route.RouteName, route.Problem)
		case route.Missing:
			add(reasonMissingRoute, "%s: there is no %s %s in namespace %s; create it, or correct the name", field, route.Kind, route.Name,
				cmp.Or(route.Namespace, w.key.Namespace))
		}
	}
	return problems
}

// serviceProblem says why a Service that the spec names in a field can't reach the pods.
func (w *world) serviceProblem(field, name string, service *corev1.Service, add func(reason, format string, args ...any)) {
	if len(service.Spec.Selector) == 0 {
		add(reasonSelectorMismatch, "%s: Service %q has no selector, so the engine can't say which pods it reaches; give it one", field, name)
		return
	}
	if w.pods == nil {
		return
	}
	if mismatch, ok := selects(service, w.pods.Labels); !ok {
		add(reasonSelectorMismatch, "%s: Service %q selects %s, which %s.metadata.labels doesn't have; correct the Service's selector or the labels",
			field, name, mismatch, w.template().field)
	}
}

// claimedBy says which other Rollout of the namespace has a better claim on one of the Services that the spec names. That one
// goes on undisturbed: applying a second Rollout by mistake must not harm the first. A Service that it no longer names is its own
// until it has let go of it.
func claimedBy(r *v1alpha1.Rollout, others []*v1alpha1.Rollout) string {
	for _, other := range others {
		if other.UID == r.UID {
			continue
		}
		theirs := servicesOf(other)
		for _, ref := range references(r.Spec.Strategy) {
			if slices.Contains(theirs, ref.service) && goesBefore(other, r, ref.service) {
				return fmt.Sprintf("%s: Service %q belongs to Rollout %q%s", ref.field, ref.service, other.Name, fieldOf(other, ref.service))
			}
		}
	}
	return ""
}

// goesBefore says whether a has a better claim on a Service than b: the one that has it in force, or else the older one.
func goesBefore(a, b *v1alpha1.Rollout, service string) bool {
	if holds(a, service) != holds(b, service) {
		return holds(a, service)
	}
	return older(a, b)
}

// holds says whether a Rollout moves traffic with a Service.
func holds(r *v1alpha1.Rollout, service string) bool {
	t := r.Status.Traffic
	return t != nil && t.Wiring != nil && (t.Wiring.StableService == service || t.Wiring.CanaryService == service)
}

// fieldOf says, in brackets, where a Rollout names a Service.
func fieldOf(r *v1alpha1.Rollout, service string) string {
	for _, ref := range references(r.Spec.Strategy) {
		if ref.service == service {
			return fmt.Sprintf(" (its %s)", ref.field)
		}
	}
	return ", which has not let go of it yet"
}

func older(a, b *v1alpha1.Rollout) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}
