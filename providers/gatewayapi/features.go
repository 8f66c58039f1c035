package gatewayapi

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayclient "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned/typed/apis/v1"

	"github.com/rollout-dev/rollout/traffic"
)

// Names of features as GatewayClasses list them, see GEP-2162.
const (
	mirroring        gatewayv1.FeatureName = "HTTPRouteRequestMirror"
	partialMirroring gatewayv1.FeatureName = "HTTPRouteRequestPercentageMirror"
	responseFilters  gatewayv1.FeatureName = "HTTPRouteResponseHeaderModification"
	// backendFilters is about headers of requests, but the API has no name that is closer to filters of backendRefs.
	backendFilters gatewayv1.FeatureName = "HTTPRouteBackendRequestHeaderModification"
)

// canFilter is an error if a route can't have the filters that the managed rules need, as far as anybody tells. A gateway may accept a
// filter that it doesn't know, and then answer every request of the rule with an error: Traefik 3.6 does so with mirrors, and the route's
// status says that all is well. Only the class of the gateway tells; one that lists no features at all is believed.
func (r *Router) canFilter(ctx context.Context, current route, managed traffic.Managed) error {
	needed := neededFeatures(managed)
	if len(needed) == 0 {
		return nil
	}
	for _, parent := range current.parents {
		if ptr.Deref(parent.Kind, "Gateway") != "Gateway" {
			continue
		}
		class, err := classOf(ctx, r.gateways, string(ptr.Deref(parent.Namespace, gatewayv1.Namespace(current.namespace))), string(parent.Name))
		if err != nil {
			return err
		}
		if missing := missingFeatures(class, needed); missing != "" {
			return fmt.Errorf("GatewayClass %s doesn't list %s in status.supportedFeatures, so %s", class.Name, missing, consequence(managed))
		}
	}
	return nil
}

// consequence says what may happen without a feature, and the way out. Mirrors and affinity exclude each other.
func consequence(managed traffic.Managed) string {
	if slices.ContainsFunc(managed.Rules, func(rule traffic.ManagedRule) bool { return rule.Mirror > 0 }) {
		return "requests might fail instead of being mirrored; take setMirrorRoute out of the steps, or use a gateway that mirrors"
	}
	return "clients might get no cookie and change between the versions; take trafficRouting.affinity out, or use a gateway that has filters of backendRefs"
}

func neededFeatures(managed traffic.Managed) []gatewayv1.FeatureName {
	var needed []gatewayv1.FeatureName
	for _, rule := range managed.Rules {
		if rule.Mirror > 0 {
			needed = append(needed, mirroring)
		}
		if rule.Mirror > 0 && rule.Mirror < 100 {
			needed = append(needed, partialMirroring)
		}
		if rule.Cookies != (traffic.Cookies{}) {
			needed = append(needed, responseFilters, backendFilters)
		}
	}
	slices.Sort(needed)
	return slices.Compact(needed)
}

// classOf reads the class of a Gateway. What is missing has no features to list.
func classOf(ctx context.Context, api gatewayclient.GatewayV1Interface, namespace, name string) (*gatewayv1.GatewayClass, error) {
	gateway, err := api.Gateways(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return &gatewayv1.GatewayClass{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Gateway %s/%s: %w", namespace, name, err)
	}
	class, err := api.GatewayClasses().Get(ctx, string(gateway.Spec.GatewayClassName), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return &gatewayv1.GatewayClass{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read GatewayClass %s: %w", gateway.Spec.GatewayClassName, err)
	}
	return class, nil
}

func missingFeatures(class *gatewayv1.GatewayClass, needed []gatewayv1.FeatureName) string {
	listed := class.Status.SupportedFeatures
	if len(listed) == 0 {
		return ""
	}
	var missing []string
	for _, feature := range needed {
		if !slices.ContainsFunc(listed, func(f gatewayv1.SupportedFeature) bool { return f.Name == feature }) {
			missing = append(missing, string(feature))
		}
	}
	return strings.Join(missing, " and ")
}
