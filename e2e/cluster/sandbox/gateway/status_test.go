package gateway

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// shopWorld has one route with one backend, one ready and one unready pod, and the gateway it is attached to.
func shopWorld() *world {
	all := gatewayv1.NamespacesFromAll
	yes, no, name := true, false, ""
	service := types.NamespacedName{Namespace: "default", Name: "shop"}
	w := &world{
		classes: []*gatewayv1.GatewayClass{{
			ObjectMeta: metav1.ObjectMeta{Name: "sandbox"}, Spec: gatewayv1.GatewayClassSpec{ControllerName: ControllerName}}},
		gateways: []*gatewayv1.Gateway{{
			ObjectMeta: metav1.ObjectMeta{Namespace: "gateway", Name: "web", Generation: 2},
			Spec: gatewayv1.GatewaySpec{GatewayClassName: "sandbox", Listeners: []gatewayv1.Listener{{
				Name: "http", Port: 80, AllowedRoutes: &gatewayv1.AllowedRoutes{Namespaces: &gatewayv1.RouteNamespaces{From: &all}}}}},
		}},
		routes: []routeObject{shopRoute(7, reference("shop", 80))},
		services: map[types.NamespacedName]*corev1.Service{
			service: {Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}},
		slices: map[types.NamespacedName][]*discoveryv1.EndpointSlice{service: {{
			Ports: []discoveryv1.EndpointPort{{Name: &name}},
			Endpoints: []discoveryv1.Endpoint{
				{TargetRef: &corev1.ObjectReference{UID: "ready"}, Conditions: discoveryv1.EndpointConditions{Ready: &yes}},
				{TargetRef: &corev1.ObjectReference{UID: "unready"}, Conditions: discoveryv1.EndpointConditions{Ready: &no}},
			}}}},
		pods: newPopulation(),
	}
	for _, uid := range []types.UID{"ready", "unready"} {
		w.pods.observe(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid}})
	}
	return w
}

func reference(name string, port gatewayv1.PortNumber) gatewayv1.BackendRef {
	return gatewayv1.BackendRef{BackendObjectReference: gatewayv1.BackendObjectReference{Name: gatewayv1.ObjectName(name), Port: &port}}
}

func shopRoute(generation int64, refs ...gatewayv1.BackendRef) routeObject {
	namespace := gatewayv1.Namespace("gateway")
	return routeObject{
		key: shop, generation: generation, rules: [][]gatewayv1.BackendRef{refs},
		parents: []gatewayv1.ParentReference{{Namespace: &namespace, Name: "web"}},
	}
}

func condition(t *testing.T, conditions []metav1.Condition, kind gatewayv1.RouteConditionType) metav1.Condition {
	t.Helper()
	found := meta.FindStatusCondition(conditions, string(kind))
	require.NotNil(t, found, kind)
	return *found
}

func TestAttachedRouteIsAcceptedAtItsGeneration(t *testing.T) {
	next, v := assess(shopWorld(), metav1.Now())
	require.Len(t, next, 1)
	require.Len(t, next[0].rules[0].backends[0].pods, 1, "the ready pod alone")
	require.Len(t, v.routes, 1)
	parent := v.routes[0].status.Parents[0]
	require.Equal(t, ControllerName, parent.ControllerName)
	for _, kind := range []gatewayv1.RouteConditionType{gatewayv1.RouteConditionAccepted, gatewayv1.RouteConditionResolvedRefs} {
		require.Equal(t, metav1.ConditionTrue, condition(t, parent.Conditions, kind).Status)
		require.EqualValues(t, 7, condition(t, parent.Conditions, kind).ObservedGeneration)
	}
	require.EqualValues(t, 1, v.gateways[0].Status.Listeners[0].AttachedRoutes)
}

func TestStatusThatIsUpToDateIsNotWrittenAgain(t *testing.T) {
	w := shopWorld()
	_, v := assess(w, metav1.Now())
	w.classes, w.gateways, w.routes = v.classes, v.gateways, v.routes
	_, v = assess(w, metav1.Now())
	require.Empty(t, v.classes)
	require.Empty(t, v.gateways)
	require.Empty(t, v.routes)
}

func TestForeignParentsOfARouteAreLeftAlone(t *testing.T) {
	w := shopWorld()
	foreign := gatewayv1.RouteParentStatus{ControllerName: "example.com/other", ParentRef: gatewayv1.ParentReference{Name: "other"}}
	w.routes[0].status.Parents = []gatewayv1.RouteParentStatus{foreign}
	_, v := assess(w, metav1.Now())
	require.Len(t, v.routes[0].status.Parents, 2)
	require.Equal(t, foreign, v.routes[0].status.Parents[0])
}

func TestUnresolvableBackendsAreNamedAndBroken(t *testing.T) {
	elsewhere := reference("shop", 80)
	namespace := gatewayv1.Namespace("elsewhere")
	elsewhere.Namespace = &namespace
	for name, each := range map[string]struct {
		ref    gatewayv1.BackendRef
		reason gatewayv1.RouteConditionReason
	}{
		"no such Service":   {reference("missing", 80), gatewayv1.RouteReasonBackendNotFound},
		"no such port":      {reference("shop", 81), gatewayv1.RouteReasonBackendNotFound},
		"another namespace": {elsewhere, gatewayv1.RouteReasonRefNotPermitted},
	} {
		w := shopWorld()
		w.routes[0] = shopRoute(7, each.ref)
		next, v := assess(w, metav1.Now())
		require.True(t, next[0].rules[0].backends[0].broken, name)
		refs := condition(t, v.routes[0].status.Parents[0].Conditions, gatewayv1.RouteConditionResolvedRefs)
		require.Equal(t, metav1.ConditionFalse, refs.Status, name)
		require.Equal(t, string(each.reason), refs.Reason, name)
	}
}

func TestRouteThatNoListenerTakesGetsNoTraffic(t *testing.T) {
	same := gatewayv1.NamespacesFromSame
	w := shopWorld()
	w.gateways[0].Spec.Listeners[0].AllowedRoutes.Namespaces.From = &same
	next, v := assess(w, metav1.Now())
	require.Empty(t, next)
	accepted := condition(t, v.routes[0].status.Parents[0].Conditions, gatewayv1.RouteConditionAccepted)
	require.Equal(t, string(gatewayv1.RouteReasonNotAllowedByListeners), accepted.Reason)
}

func TestRouteOfAnotherGatewayIsNotOurs(t *testing.T) {
	w := shopWorld()
	w.classes[0].Spec.ControllerName = "example.com/other"
	next, v := assess(w, metav1.Now())
	require.Empty(t, next)
	require.Empty(t, v.routes)
}

func TestLabelsAreTraefiksNamesOfServices(t *testing.T) {
	ref := reference("my.shop", 8080)
	require.Equal(t, "default-my-shop-http-8080@kubernetesgateway", label(shop, ref))
	require.Equal(t, "default-my-shop-8080-grpc@kubernetesgateway", label(routeKey{kindGRPCRoute, "default", "shop"}, ref))
}

func TestPodsBehaveAsTheirEnvironmentSays(t *testing.T) {
	object := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop-1", Labels: map[string]string{"pod-template-hash": "abc"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "shop", Env: []corev1.EnvVar{
			{Name: "VERSION", Value: "v2"}, {Name: "ERROR_RATE", Value: "0.25"}, {Name: "LATENCY", Value: "30ms"}}}}},
	}
	p, problems := newPod(object)
	require.Empty(t, problems)
	require.Equal(t, "abc v2", p.revision+" "+p.version)
	require.Equal(t, 0.25, p.errorRate)
	require.Equal(t, "30ms", p.latency.String())

	object.Spec.Containers[0].Env[1].Value = "25%"
	p, problems = newPod(object)
	require.Len(t, problems, 1)
	require.ErrorContains(t, problems[0], `pod default/shop-1, container shop: ERROR_RATE="25%"`)
	require.Zero(t, p.errorRate)
}

func TestDeletedPodIsForgottenWhenNoEndpointNamesIt(t *testing.T) {
	w := shopWorld()
	p, _ := w.pods.find("ready")
	w.pods.forget("ready")
	require.True(t, p.gone.Load())
	w.pods.bury(w.named())
	_, known := w.pods.find("ready")
	require.True(t, known)
	clear(w.slices)
	w.pods.bury(w.named())
	_, known = w.pods.find("ready")
	require.False(t, known)
	_, known = w.pods.find("unready")
	require.True(t, known)
}
