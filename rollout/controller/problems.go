package controller

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/rollout-dev/rollout/rollout"
)

// The reasons of problems, as they appear in conditions and events.
const (
	reasonInvalidTemplate  = "InvalidTemplate"
	reasonInvalidSelector  = "InvalidSelector"
	reasonInvalidStrategy  = "InvalidStrategy"
	reasonInvalidMetric    = "InvalidMetric"
	reasonInvalidGate      = "InvalidGate"
	reasonServiceClaimed   = "ServiceClaimed"
	reasonMissingService   = "MissingService"
	reasonSelectorMismatch = "SelectorMismatch"
	reasonUnfitRoute       = "UnfitRoute"
	reasonMissingRoute     = "MissingRoute"
	reasonNoMetricSource   = "NoMetricSource"
	reasonNoTemplate       = "MissingTemplate"
	reasonInvalidAnalysis  = "InvalidAnalysis"
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
		if service == nil {
			add(reasonMissingService, "%s: there is no Service %q in namespace %s; create it, or correct the name",
				ref.field, ref.service, w.key.Namespace)
			continue
		}
		w.serviceProblem(ref.field, ref.service, service, add)
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
