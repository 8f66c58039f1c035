package gateway

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// ControllerName is what a GatewayClass names to have its Gateways simulated.
const ControllerName gatewayv1.GatewayController = "rollout.dev/sandbox-gateway"

// address is what Gateways give as theirs: nothing listens there, as the traffic is simulated too.
const address = "127.0.0.1"

// verdicts are the statuses that the objects of a world should have.
type verdicts struct {
	classes  []*gatewayv1.GatewayClass
	gateways []*gatewayv1.Gateway
	routes   []routeObject
}

// assess builds the table of a world and the statuses that have to be written: those that differ from what is there.
func assess(w *world, now metav1.Time) (table, verdicts) {
	var next table
	var v verdicts
	ours := map[gatewayv1.ObjectName]bool{}
	for _, class := range w.classes {
		if class.Spec.ControllerName != ControllerName {
			continue
		}
		ours[gatewayv1.ObjectName(class.Name)] = true
		if updated := classStatus(class, now); !equality.Semantic.DeepEqual(updated.Status, class.Status) {
			v.classes = append(v.classes, updated)
		}
	}
	gateways := map[types.NamespacedName]*gatewayv1.Gateway{}
	for _, gateway := range w.gateways {
		if ours[gateway.Spec.GatewayClassName] {
			gateways[types.NamespacedName{Namespace: gateway.Namespace, Name: gateway.Name}] = gateway
		}
	}
	attached := map[listenerKey]int32{}
	for _, object := range w.routes {
		resolved, problem := w.resolve(object)
		status, listeners := routeStatus(object, gateways, problem, now)
		if !equality.Semantic.DeepEqual(status, object.status) {
			updated := object
			updated.status = status
			v.routes = append(v.routes, updated)
		}
		for _, key := range listeners {
			attached[key]++
		}
		if len(listeners) > 0 {
			next = append(next, resolved)
		}
	}
	for name, gateway := range gateways {
		if updated := gatewayStatus(gateway, name, attached, now); !equality.Semantic.DeepEqual(updated.Status, gateway.Status) {
			v.gateways = append(v.gateways, updated)
		}
	}
	return next, v
}

func classStatus(class *gatewayv1.GatewayClass, now metav1.Time) *gatewayv1.GatewayClass {
	updated := class.DeepCopy()
	meta.SetStatusCondition(&updated.Status.Conditions, metav1.Condition{
		Type: string(gatewayv1.GatewayClassConditionStatusAccepted), Status: metav1.ConditionTrue,
		Reason: string(gatewayv1.GatewayClassReasonAccepted), Message: "simulated by the sandbox",
		ObservedGeneration: class.Generation, LastTransitionTime: now,
	})
	return updated
}

// listenerKey names a listener of a gateway.
type listenerKey struct {
	gateway  types.NamespacedName
	listener gatewayv1.SectionName
}

func gatewayStatus(gateway *gatewayv1.Gateway, name types.NamespacedName, attached map[listenerKey]int32, now metav1.Time) *gatewayv1.Gateway {
	updated := gateway.DeepCopy()
	condition := func(conditions *[]metav1.Condition, kind, reason string) {
		meta.SetStatusCondition(conditions, metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: reason,
			ObservedGeneration: gateway.Generation, LastTransitionTime: now,
		})
	}
	status := &updated.Status
	condition(&status.Conditions, string(gatewayv1.GatewayConditionAccepted), string(gatewayv1.GatewayReasonAccepted))
	condition(&status.Conditions, string(gatewayv1.GatewayConditionProgrammed), string(gatewayv1.GatewayReasonProgrammed))
	kind := gatewayv1.IPAddressType
	status.Addresses = []gatewayv1.GatewayStatusAddress{{Type: &kind, Value: address}}

	previous := status.Listeners
	status.Listeners = nil
	for _, listener := range gateway.Spec.Listeners {
		entry := gatewayv1.ListenerStatus{Name: listener.Name}
		if i := slices.IndexFunc(previous, func(s gatewayv1.ListenerStatus) bool { return s.Name == listener.Name }); i >= 0 {
			entry.Conditions = previous[i].Conditions
		}
		group := gatewayv1.Group(gatewayv1.GroupName)
		entry.SupportedKinds = []gatewayv1.RouteGroupKind{{Group: &group, Kind: kindHTTPRoute}, {Group: &group, Kind: kindGRPCRoute}}
		entry.AttachedRoutes = attached[listenerKey{name, listener.Name}]
		condition(&entry.Conditions, string(gatewayv1.ListenerConditionAccepted), string(gatewayv1.ListenerReasonAccepted))
		condition(&entry.Conditions, string(gatewayv1.ListenerConditionProgrammed), string(gatewayv1.ListenerReasonProgrammed))
		condition(&entry.Conditions, string(gatewayv1.ListenerConditionResolvedRefs), string(gatewayv1.ListenerReasonResolvedRefs))
		status.Listeners = append(status.Listeners, entry)
	}
	return updated
}

// routeStatus returns the route's status with our own parents up to date and everybody else's untouched, and the
// listeners the route is attached to.
func routeStatus(object routeObject, gateways map[types.NamespacedName]*gatewayv1.Gateway, problem *refProblem, now metav1.Time) (gatewayv1.RouteStatus, []listenerKey) {
	status := gatewayv1.RouteStatus{Parents: []gatewayv1.RouteParentStatus{}}
	for _, parent := range object.status.Parents {
		if parent.ControllerName != ControllerName {
			status.Parents = append(status.Parents, parent)
		}
	}
	var attached []listenerKey
	for _, ref := range object.parents {
		gateway, ours := gateways[parentName(object.key, ref)]
		if !ours || !namesGateway(ref) {
			continue
		}
		listeners, rejection := attach(object.key, ref, gateway)
		attached = append(attached, listeners...)

		parent := gatewayv1.RouteParentStatus{ParentRef: ref, ControllerName: ControllerName}
		if i := slices.IndexFunc(object.status.Parents, func(old gatewayv1.RouteParentStatus) bool {
			return old.ControllerName == ControllerName && equality.Semantic.DeepEqual(old.ParentRef, ref)
		}); i >= 0 {
			parent.Conditions = slices.Clone(object.status.Parents[i].Conditions)
		}
		for _, condition := range []metav1.Condition{acceptance(rejection), resolution(problem)} {
			condition.ObservedGeneration, condition.LastTransitionTime = object.generation, now
			meta.SetStatusCondition(&parent.Conditions, condition)
		}
		status.Parents = append(status.Parents, parent)
	}
	return status, attached
}

func acceptance(rejection gatewayv1.RouteConditionReason) metav1.Condition {
	c := metav1.Condition{Type: string(gatewayv1.RouteConditionAccepted), Status: metav1.ConditionTrue, Reason: string(gatewayv1.RouteReasonAccepted)}
	if rejection != "" {
		c.Status, c.Reason = metav1.ConditionFalse, string(rejection)
	}
	return c
}

func resolution(problem *refProblem) metav1.Condition {
	c := metav1.Condition{Type: string(gatewayv1.RouteConditionResolvedRefs), Status: metav1.ConditionTrue, Reason: string(gatewayv1.RouteReasonResolvedRefs)}
	if problem != nil {
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, string(problem.reason), problem.message
	}
	return c
}

func parentName(owner routeKey, ref gatewayv1.ParentReference) types.NamespacedName {
	name := types.NamespacedName{Namespace: owner.Namespace, Name: string(ref.Name)}
	if ref.Namespace != nil && *ref.Namespace != "" {
		name.Namespace = string(*ref.Namespace)
	}
	return name
}

func namesGateway(ref gatewayv1.ParentReference) bool {
	return (ref.Group == nil || *ref.Group == gatewayv1.GroupName) && (ref.Kind == nil || *ref.Kind == "Gateway")
}

// attach returns the listeners of the gateway that take the route, or the reason why none does.
func attach(key routeKey, ref gatewayv1.ParentReference, gateway *gatewayv1.Gateway) ([]listenerKey, gatewayv1.RouteConditionReason) {
	name := types.NamespacedName{Namespace: gateway.Namespace, Name: gateway.Name}
	reason := gatewayv1.RouteReasonNoMatchingParent
	var attached []listenerKey
	for _, listener := range gateway.Spec.Listeners {
		if (ref.SectionName != nil && *ref.SectionName != listener.Name) || (ref.Port != nil && *ref.Port != listener.Port) {
			continue
		}
		if !allows(listener, gateway.Namespace, key) {
			reason = gatewayv1.RouteReasonNotAllowedByListeners
			continue
		}
		attached = append(attached, listenerKey{name, listener.Name})
	}
	if len(attached) > 0 {
		return attached, ""
	}
	return nil, reason
}

// allows knows the namespaces All and Same; a selector of namespaces allows none here.
func allows(listener gatewayv1.Listener, namespace string, key routeKey) bool {
	allowed := listener.AllowedRoutes
	from := gatewayv1.NamespacesFromSame
	if allowed != nil && allowed.Namespaces != nil && allowed.Namespaces.From != nil {
		from = *allowed.Namespaces.From
	}
	if from != gatewayv1.NamespacesFromAll && (from != gatewayv1.NamespacesFromSame || namespace != key.Namespace) {
		return false
	}
	if allowed == nil || len(allowed.Kinds) == 0 {
		return true
	}
	return slices.ContainsFunc(allowed.Kinds, func(k gatewayv1.RouteGroupKind) bool { return string(k.Kind) == key.Kind })
}

// String names the route in messages.
func (k routeKey) String() string { return fmt.Sprintf("%s %s/%s", k.Kind, k.Namespace, k.Name) }
