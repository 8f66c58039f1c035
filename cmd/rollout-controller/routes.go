package main

import (
	istioclient "istio.io/client-go/pkg/clientset/versioned"
	"k8s.io/apimachinery/pkg/runtime/schema"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gateway "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"

	"github.com/rollout-dev/rollout/providers/gatewayapi"
	"github.com/rollout-dev/rollout/providers/istio"
	"github.com/rollout-dev/rollout/rollout/controller"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
	"github.com/rollout-dev/rollout/traffic"
)

// routes are the caches of everything that carries traffic. They answer the routers.
type routes struct {
	httpRoutes       *engine.Store[*gatewayv1.HTTPRoute]
	grpcRoutes       *engine.Store[*gatewayv1.GRPCRoute]
	tlsRoutes        *engine.Store[*gatewayv1.TLSRoute]
	tcpRoutes        *engine.Store[*gatewayv1.TCPRoute]
	virtualServices  *engine.Store[*istio.Object]
	destinationRules *engine.Store[*istio.Object]
}

func newRoutes(gateways gateway.Interface, mesh istioclient.Interface, namespace string) routes {
	api := gateways.GatewayV1()
	return routes{
		httpRoutes:       engine.NewStore(engine.ListWatch(gateways, api.HTTPRoutes(namespace)), &gatewayv1.HTTPRoute{}, gatewayapi.StripHTTPRoute, nil),
		grpcRoutes:       engine.NewStore(engine.ListWatch(gateways, api.GRPCRoutes(namespace)), &gatewayv1.GRPCRoute{}, gatewayapi.StripGRPCRoute, nil),
		tlsRoutes:        engine.NewStore(engine.ListWatch(gateways, api.TLSRoutes(namespace)), &gatewayv1.TLSRoute{}, gatewayapi.StripTLSRoute, nil),
		tcpRoutes:        engine.NewStore(engine.ListWatch(gateways, api.TCPRoutes(namespace)), &gatewayv1.TCPRoute{}, gatewayapi.StripTCPRoute, nil),
		virtualServices:  engine.NewStore(engine.ListWatch(mesh, istio.VirtualServices(mesh, namespace)), &istio.Object{}, istio.Strip, nil),
		destinationRules: engine.NewStore(engine.ListWatch(mesh, istio.DestinationRules(mesh, namespace)), &istio.Object{}, istio.Strip, nil),
	}
}

// kinds are what the controller has to know of them.
func (r routes) kinds() []controller.Kind {
	ofGateway := schema.GroupVersion{Group: gatewayv1.GroupName, Version: "v1"}
	ofIstio := schema.GroupVersion{Group: "networking.istio.io", Version: "v1"}
	return []controller.Kind{
		controller.NewKind("HTTPRoute", ofGateway.WithResource("httproutes"), r.httpRoutes),
		controller.NewKind("GRPCRoute", ofGateway.WithResource("grpcroutes"), r.grpcRoutes),
		controller.NewKind("TLSRoute", ofGateway.WithResource("tlsroutes"), r.tlsRoutes),
		controller.NewKind("TCPRoute", ofGateway.WithResource("tcproutes"), r.tcpRoutes),
		controller.NewKind("VirtualService", ofIstio.WithResource("virtualservices"), r.virtualServices),
		controller.NewKind("DestinationRule", ofIstio.WithResource("destinationrules"), r.destinationRules),
	}
}

// router carries splits in routes of every kind.
func (r routes) router(gateways gateway.Interface, mesh istioclient.Interface) traffic.Router {
	ofGateway := gatewayapi.New(gateways, r)
	return traffic.Routers{
		{Kinds: []string{"HTTPRoute"}, Router: ofGateway, Managing: true},
		{Kinds: []string{"GRPCRoute", "TLSRoute", "TCPRoute"}, Router: ofGateway},
		{Kinds: []string{"VirtualService"}, Router: istio.NewRouter(mesh, r), Managing: true},
	}
}

// HTTPRoute answers from the cache.
func (r routes) HTTPRoute(namespace, name string) (*gatewayv1.HTTPRoute, bool) {
	return r.httpRoutes.Get(engine.Key{Namespace: namespace, Name: name})
}

// GRPCRoute answers from the cache.
func (r routes) GRPCRoute(namespace, name string) (*gatewayv1.GRPCRoute, bool) {
	return r.grpcRoutes.Get(engine.Key{Namespace: namespace, Name: name})
}

// TLSRoute answers from the cache.
func (r routes) TLSRoute(namespace, name string) (*gatewayv1.TLSRoute, bool) {
	return r.tlsRoutes.Get(engine.Key{Namespace: namespace, Name: name})
}

// TCPRoute answers from the cache.
func (r routes) TCPRoute(namespace, name string) (*gatewayv1.TCPRoute, bool) {
	return r.tcpRoutes.Get(engine.Key{Namespace: namespace, Name: name})
}

// VirtualService answers from the cache.
func (r routes) VirtualService(namespace, name string) (*istio.Object, bool) {
	return r.virtualServices.Get(engine.Key{Namespace: namespace, Name: name})
}

// DestinationRule answers from the cache.
func (r routes) DestinationRule(namespace, name string) (*istio.Object, bool) {
	return r.destinationRules.Get(engine.Key{Namespace: namespace, Name: name})
}
