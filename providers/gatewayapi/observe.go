package gatewayapi

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/rollout-dev/rollout/traffic"
)

// observe says what a route says of the target's pair.
func observe(name traffic.RouteName, r route, target traffic.Target) traffic.RouteObservation {
	l := lay(r, target)
	o := traffic.RouteObservation{RouteName: name, UID: r.uid, ResourceVersion: r.resourceVersion,
		Problem: l.problem, Managed: l.managedNames(), Astray: l.astray(target.Managed)}
	if o.Problem == "" {
		o.Share = l.share()
	}
	if missing := missingAcceptance(r); missing != "" {
		o.Waiting = fmt.Sprintf("%s: %s", name, missing)
	}
	o.Accepted = o.Waiting == ""
	return o
}

// missingAcceptance says what is missing until every parent has accepted the route at its current generation and resolved its
// backends; empty if nothing is. Answers for parents that the route no longer names count for nothing.
func missingAcceptance(r route) string {
	if len(r.parents) == 0 {
		return "it has no spec.parentRefs, so no gateway serves it"
	}
	first, answered := "", false
	for _, parent := range r.parents {
		text, heard := parentMissing(r, parent)
		answered = answered || heard
		if first == "" {
			first = text
		}
	}
	if !answered {
		return "no gateway has accepted it yet"
	}
	return first
}

// parentMissing says what one parent has not done yet, and whether it has answered at all. Of several answers for the same
// parent the best counts: a controller that was removed leaves its last one behind for ever.
func parentMissing(r route, parent gatewayv1.ParentReference) (missing string, answered bool) {
	name := parentName(r, parent)
	missing = name + " has not accepted it yet"
	for _, status := range r.statuses {
		if !sameParent(r.namespace, status.ParentRef, parent) {
			continue
		}
		text := answerMissing(r, name, status.Conditions)
		if text == "" {
			return "", true
		}
		if !answered {
			missing, answered = text, true
		}
	}
	return missing, answered
}

func answerMissing(r route, parent string, conditions []metav1.Condition) string {
	for _, wanted := range []struct {
		condition         gatewayv1.RouteConditionType
		pending, rejected string
	}{
		{gatewayv1.RouteConditionAccepted, "has not accepted", "does not accept it"},
		{gatewayv1.RouteConditionResolvedRefs, "has not resolved the backends of", "can't resolve its backends"},
	} {
		c := condition(conditions, wanted.condition)
		switch {
		case c == nil || c.ObservedGeneration < r.generation || c.Status == metav1.ConditionUnknown:
			return fmt.Sprintf("%s %s generation %d yet", parent, wanted.pending, r.generation)
		case c.Status != metav1.ConditionTrue && c.Message != "":
			return fmt.Sprintf("%s %s: %s: %s", parent, wanted.rejected, c.Reason, c.Message)
		case c.Status != metav1.ConditionTrue:
			return fmt.Sprintf("%s %s: %s", parent, wanted.rejected, c.Reason)
		}
	}
	return ""
}

func condition(conditions []metav1.Condition, kind gatewayv1.RouteConditionType) *metav1.Condition {
	for i := range conditions {
		if conditions[i].Type == string(kind) {
			return &conditions[i]
		}
	}
	return nil
}

// parentName is for example "Gateway infra/public, section web".
func parentName(r route, p gatewayv1.ParentReference) string {
	name := fmt.Sprintf("%s %s/%s", ptr.Deref(p.Kind, "Gateway"), ptr.Deref(p.Namespace, gatewayv1.Namespace(r.namespace)), p.Name)
	if p.SectionName != nil {
		name += ", section " + string(*p.SectionName)
	}
	return name
}

// sameParent compares with the API's defaults filled in: a controller need not spell out what the route leaves out.
func sameParent(namespace string, a, b gatewayv1.ParentReference) bool {
	type full struct {
		group, kind, namespace, name, section string
		port                                  gatewayv1.PortNumber
	}
	fill := func(p gatewayv1.ParentReference) full {
		return full{
			group:     string(ptr.Deref(p.Group, gatewayv1.GroupName)),
			kind:      string(ptr.Deref(p.Kind, "Gateway")),
			namespace: string(ptr.Deref(p.Namespace, gatewayv1.Namespace(namespace))),
			name:      string(p.Name),
			section:   string(ptr.Deref(p.SectionName, "")),
			port:      ptr.Deref(p.Port, 0),
		}
	}
	return fill(a) == fill(b)
}
