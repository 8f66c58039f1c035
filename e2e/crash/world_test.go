//go:build integration

package crash

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// appName is the name of the one Rollout of each namespace, and the beginning of all names.
const appName = "shop"

// lookTime bounds looking at the world.
const lookTime = 20 * time.Second

// world is what the API server has about one application.
type world struct {
	// at is when reading it was over.
	at time.Time

	replicas int
	stable   string
	release  *v1alpha1.Release
	runs     int64
	// active is the Service that a blue-green release switches, routed whether anything but the number of pods decides about
	// traffic.
	active string
	routed bool

	// sets are the ReplicaSets by revision.
	sets map[string]set
	// points are the revisions that the Services point at, endpoints the ready ones of each Service by revision.
	points    map[string]string
	endpoints map[string]map[string]int
	// shares are the largest that any route gives each Service, in percent.
	shares map[string]int
}

// set is a ReplicaSet: how many pods it is asked for, and how many are available.
type set struct{ asked, available int }

// allKinds are what a world is made of. Rollouts come first: they say which Service is active.
var allKinds = []string{"rollouts", "replicasets", "services", "endpointslices", "httproutes"}

// read reads some kinds of objects anew; the rest stays as it was. What is of no interest is no kind.
func (w world) read(ctx context.Context, namespace string, kinds ...string) (world, error) {
	for _, kind := range kinds {
		var err error
		switch kind {
		case "rollouts":
			err = w.readRollout(ctx, namespace)
		case "replicasets":
			err = w.readReplicaSets(ctx, namespace)
		case "services":
			err = w.readServices(ctx, namespace)
		case "endpointslices":
			err = w.readEndpoints(ctx, namespace)
		case "httproutes":
			err = w.readRoutes(ctx, namespace)
		}
		if err != nil {
			return w, fmt.Errorf("look at the %s of namespace %s: %w", kind, namespace, err)
		}
	}
	w.at = time.Now()
	return w, nil
}

func (w *world) readRollout(ctx context.Context, namespace string) error {
	r, err := cluster.Rollouts.Rollouts(namespace).Get(ctx, appName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	w.replicas, w.stable, w.release, w.runs = 1, r.Status.StableRevision, r.Status.Release, r.Status.Runs
	if r.Spec.Replicas != nil {
		w.replicas = int(*r.Spec.Replicas)
	}
	w.active, w.routed = "", false
	// The spec may name what isn't in force yet.
	if traffic := r.Status.Traffic; traffic != nil && traffic.Wiring != nil {
		w.routed = traffic.Wiring.Mode != "Pods"
		if traffic.Wiring.Mode == "Selector" {
			w.active = traffic.Wiring.StableService
		}
	}
	return nil
}

func (w *world) readReplicaSets(ctx context.Context, namespace string) error {
	list, err := cluster.Kubernetes.AppsV1().ReplicaSets(namespace).List(ctx, metav1.ListOptions{})
	w.sets = map[string]set{}
	for _, s := range list.Items {
		w.sets[s.Labels[v1alpha1.PodTemplateHashLabel]] = set{asked: int(*s.Spec.Replicas), available: int(s.Status.AvailableReplicas)}
	}
	return err
}

func (w *world) readServices(ctx context.Context, namespace string) error {
	list, err := cluster.Kubernetes.CoreV1().Services(namespace).List(ctx, metav1.ListOptions{})
	w.points = map[string]string{}
	for _, service := range list.Items {
		w.points[service.Name] = service.Spec.Selector[v1alpha1.PodTemplateHashLabel]
	}
	return err
}

func (w *world) readEndpoints(ctx context.Context, namespace string) error {
	list, err := cluster.Kubernetes.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{})
	w.endpoints = map[string]map[string]int{}
	for _, slice := range list.Items {
		service := slice.Labels["kubernetes.io/service-name"]
		if w.endpoints[service] == nil {
			w.endpoints[service] = map[string]int{}
		}
		for _, endpoint := range slice.Endpoints {
			if endpoint.TargetRef != nil && endpoint.Conditions.Ready != nil && *endpoint.Conditions.Ready {
				w.endpoints[service][revisionOf(endpoint.TargetRef.Name)]++
			}
		}
	}
	return err
}

// revisionOf takes the revision from the name of a pod, shop-<revision>-<letters>.
func revisionOf(pod string) string {
	parts := strings.Split(pod, "-")
	return parts[max(len(parts)-2, 0)]
}

func (w *world) readRoutes(ctx context.Context, namespace string) error {
	list, err := cluster.Routes.GatewayV1().HTTPRoutes(namespace).List(ctx, metav1.ListOptions{})
	w.shares = map[string]int{}
	if w.active != "" {
		w.shares[w.active] = 100
	}
	for _, route := range list.Items {
		for service, share := range sharesOf(route) {
			w.shares[service] = max(w.shares[service], share)
		}
	}
	return err
}

// sharesOf are the weights of a route's backends, the largest of all rules. They add up to 100 in these plays.
func sharesOf(route gatewayv1.HTTPRoute) map[string]int {
	shares := map[string]int{}
	for _, rule := range route.Spec.Rules {
		for _, backend := range rule.BackendRefs {
			shares[string(backend.Name)] = max(shares[string(backend.Name)], int(*backend.Weight))
		}
	}
	return shares
}
