package v1alpha1

// TrafficRouting names the routes that carry the split. Where it names several, of one router or of two, all of them carry the same.
//
// +kubebuilder:validation:XValidation:rule="has(self.gatewayAPI) || has(self.istio)",message="trafficRouting must name a router: gatewayAPI, istio or both"
// +kubebuilder:validation:XValidation:rule="!has(self.gatewayAPI) || !has(self.istio) || !has(self.istio.destinationRule)",message="destinationRule can't be had together with gatewayAPI, whose routes know no subsets; give stable and canary a Service each, or leave gatewayAPI out"
type TrafficRouting struct {
	// GatewayAPI splits traffic with routes of the Kubernetes Gateway API.
	// +optional
	GatewayAPI *GatewayAPI `json:"gatewayAPI,omitempty"`

	// Istio splits traffic with VirtualServices.
	// +optional
	Istio *Istio `json:"istio,omitempty"`

	// ManagedRoutes are the names of the rules that steps may add to the routes, the one that a request meets first in front. Rules of
	// these names are the engine's: it removes those that no step wants.
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	ManagedRoutes []ManagedRoute `json:"managedRoutes,omitempty"`

	// Affinity keeps every client on the version that served it first, while a step gives the canary a weight. The weight is then the
	// share of the new clients. It needs HTTPRoutes or VirtualServices; default: every request is drawn by itself.
	// +optional
	Affinity *Affinity `json:"affinity,omitempty"`

	// MeasuredShare makes a step with setWeight wait until the canary really receives that share of the requests, as the built-in metrics
	// of the router count them. Default: the split is settled when the router has accepted it and settleSeconds have passed.
	// +optional
	MeasuredShare *MeasuredShare `json:"measuredShare,omitempty"`

	// SettleSeconds is how long the data plane may need to act on a split after the router accepted it, or on new
	// endpoints of a Service. Default 3, with VirtualServices 10: istiod may take that long.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	SettleSeconds *int32 `json:"settleSeconds,omitempty"`

	// DrainSeconds is how long a backend without a share may still be finishing requests. Its pods stay that long.
	// Default 10.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	DrainSeconds *int32 `json:"drainSeconds,omitempty"`
}

// MeasuredShare says how exactly a share is to be received.
type MeasuredShare struct {
	// Tolerance is by how many points the share may differ from the weight. Few requests vary much: of 1000, a share of 5% is measured
	// as 3.6% to 6.4% 19 times out of 20.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=50
	Tolerance int32 `json:"tolerance"`
}

// Affinity says how a client is known again.
type Affinity struct {
	// Cookie is one that the routes give to new clients and read when they come back.
	// +required
	Cookie AffinityCookie `json:"cookie"`
}

// AffinityCookie is given by the answers of both versions.
type AffinityCookie struct {
	// Name of the cookie: one of its own for every Rollout behind the same host, or they would take each other's clients. With "-canary",
	// "-stable" and "-new" behind it, it names the rules that the engine adds to the routes.
	// +required
	// +kubebuilder:validation:MaxLength=50
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`
	// TTLSeconds is how long a client keeps the cookie. Then it is drawn again like a new one, so the part of the clients that the
	// canary has follows the weight within that time. Default 3600.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=604800
	TTLSeconds *int32 `json:"ttlSeconds,omitempty"`
	// Secure keeps the cookie out of requests without TLS. Default false.
	// +optional
	Secure bool `json:"secure,omitempty"`
}

// GatewayAPI names routes of the Gateway API. In every rule that names the stable and the canary Service the engine sets the weights
// of these two backendRefs and nothing else.
type GatewayAPI struct {
	// Routes carry the split, all of them the same.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Routes []RouteReference `json:"routes"`
}

// RouteReference names a route of the Gateway API.
type RouteReference struct {
	// Kind is HTTPRoute, GRPCRoute, TLSRoute or TCPRoute.
	// +required
	// +kubebuilder:validation:Enum=HTTPRoute;GRPCRoute;TLSRoute;TCPRoute
	Kind string `json:"kind"`
	// Name is the route's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Namespace of the route. Default: the Rollout's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
}

// Istio names VirtualServices. In every rule that names the stable and the canary Service the engine sets the weights of these two
// destinations and nothing else.
//
// +kubebuilder:validation:XValidation:rule="has(self.virtualService) != has(self.virtualServices)",message="istio needs virtualService or virtualServices, one of the two"
type Istio struct {
	// VirtualService carries the split.
	// +optional
	VirtualService *VirtualService `json:"virtualService,omitempty"`

	// VirtualServices carry the split, all of them the same.
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	VirtualServices []VirtualService `json:"virtualServices,omitempty"`

	// DestinationRule declares the two backends as subsets of one Service; stableService and canaryService are left out then. The
	// engine sets the pod-template-hash label of these two subsets and nothing else.
	// +optional
	DestinationRule *DestinationRule `json:"destinationRule,omitempty"`
}

// DestinationRule names a DestinationRule and two of its subsets. Its host is a Service in the Rollout's namespace that selects the pods
// of all revisions.
//
// +kubebuilder:validation:XValidation:rule="self.canarySubsetName != self.stableSubsetName",message="canarySubsetName and stableSubsetName must be two different subsets"
type DestinationRule struct {
	// Name of the DestinationRule.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Namespace of the DestinationRule. Default: the Rollout's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// CanarySubsetName is the subset that reaches the canary.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	CanarySubsetName string `json:"canarySubsetName"`
	// StableSubsetName is the subset that reaches the stable revision.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	StableSubsetName string `json:"stableSubsetName"`
}

// VirtualService names a VirtualService, and those of its rules that carry the split. Without any of routes, tlsRoutes and tcpRoutes
// it is every rule that names the two backends.
type VirtualService struct {
	// Name of the VirtualService. It may be one that another VirtualService delegates to.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Namespace of the VirtualService. Default: the Rollout's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	RuleSelection `json:",inline"`
}

// RuleSelection restricts the split to some rules of a VirtualService. Each entry has to describe a rule.
type RuleSelection struct {
	// Routes are names of rules of spec.http.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=atomic
	Routes []string `json:"routes,omitempty"`
	// TLSRoutes describe rules of spec.tls.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	TLSRoutes []TLSRouteMatch `json:"tlsRoutes,omitempty"`
	// TCPRoutes describe rules of spec.tcp.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	TCPRoutes []TCPRouteMatch `json:"tcpRoutes,omitempty"`
}

// TLSRouteMatch describes rules of spec.tls by what one of their matches says.
//
// +kubebuilder:validation:XValidation:rule="has(self.port) || has(self.sniHosts)",message="a tlsRoute needs port, sniHosts or both: what the rule in spec.tls matches"
type TLSRouteMatch struct {
	// Port that the match names. Default: any.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
	// SNIHosts are all that the match names, in any order. Default: any.
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=atomic
	SNIHosts []string `json:"sniHosts,omitempty"`
}

// TCPRouteMatch describes rules of spec.tcp by what one of their matches says.
type TCPRouteMatch struct {
	// Port that the match names.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
}

// All are the VirtualServices, however they were named.
func (i *Istio) All() []VirtualService {
	if i.VirtualService != nil {
		return append([]VirtualService{*i.VirtualService}, i.VirtualServices...)
	}
	return i.VirtualServices
}
