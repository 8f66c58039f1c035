package controller

import (
	"cmp"
	"context"
	"strings"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	appsclient "k8s.io/client-go/kubernetes/typed/apps/v1"

	"github.com/rollout-dev/rollout/rollout/api/client"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
	"github.com/rollout-dev/rollout/traffic"
)

// The indexes of the caches.
const (
	byOwner   = "owner"
	byService = "service"
	byRoute   = "route"
)

// Caches are what the engine watches. Everything in them is stripped of what nobody reads.
type Caches struct {
	Rollouts    *engine.Store[*v1alpha1.Rollout]
	ReplicaSets *engine.Store[*appsv1.ReplicaSet]
	Services    *engine.Store[*corev1.Service]
	Endpoints   *engine.Store[*discoveryv1.EndpointSlice]

	sources *Sources
	held    *engine.Store[*deployment]
	// kinds are those of routes, by their names.
	kinds     map[string]Kind
	discovery engine.Discovery
	namespace string
}

// NewCaches makes caches of one namespace, or of all of them for metav1.NamespaceAll. They hold nothing until Run.
// Those of the kinds are to be of the same namespace.
func NewCaches(kube kubernetes.Interface, rollouts client.Client, sources *Sources, discovery engine.Discovery, kinds []Kind, namespace string) *Caches {
	c := &Caches{discovery: discovery, sources: sources, held: newHeldStore(sources, namespace), kinds: map[string]Kind{}, namespace: namespace}
	c.Rollouts = engine.NewStore(engine.ListWatch(kube, rollouts.Rollouts(namespace)), &v1alpha1.Rollout{}, stripRollout,
		map[string]func(*v1alpha1.Rollout) []string{byService: indexServices, byRoute: indexRoutes, byWorkload: indexWorkload})
	c.ReplicaSets = engine.NewStore(engine.ListWatch(kube, managedSets{kube.AppsV1().ReplicaSets(namespace)}), &appsv1.ReplicaSet{}, stripReplicaSet,
		map[string]func(*appsv1.ReplicaSet) []string{byOwner: indexOwner, byLender: indexLender})
	c.Services = engine.NewStore(engine.ListWatch(kube, kube.CoreV1().Services(namespace)), &corev1.Service{}, stripService, nil)
	c.Endpoints = engine.NewStore(engine.ListWatch(kube, kube.DiscoveryV1().EndpointSlices(namespace)), &discoveryv1.EndpointSlice{},
		stripEndpointSlice, map[string]func(*discoveryv1.EndpointSlice) []string{byService: indexEndpoints})
	for _, kind := range kinds {
		kind.cache.WantedWhen(func() bool { return c.routeWanted(kind.name) })
		c.kinds[kind.name] = kind
	}
	return c
}

// Run feeds the caches until ctx ends.
func (c *Caches) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, run := range []func(context.Context){c.Rollouts.Run, c.ReplicaSets.Run, c.Services.Run, c.Endpoints.Run, c.held.Run} {
		all.Go(func() { run(ctx) })
	}
	for _, kind := range c.kinds {
		all.Go(func() { kind.cache.RunWhenServed(ctx, c.discovery, kind.resource, 0) })
	}
	all.Wait()
}

// Synced says for each cache whether it holds its first list.
func (c *Caches) Synced() map[string]func() bool {
	all := map[string]func() bool{
		"rollouts": c.Rollouts.Synced, "replicasets": c.ReplicaSets.Synced, "services": c.Services.Synced,
		"deployments": c.held.Synced, "endpointslices": c.Endpoints.Synced,
	}
	for _, kind := range c.kinds {
		all[kind.resource.Resource] = kind.cache.Synced
	}
	return all
}

// WaitSynced returns when all caches hold their first list.
func (c *Caches) WaitSynced(ctx context.Context) error {
	waits := []func(context.Context) error{
		c.Rollouts.WaitSynced, c.ReplicaSets.WaitSynced, c.Services.WaitSynced, c.Endpoints.WaitSynced, c.held.WaitSynced,
	}
	for _, kind := range c.kinds {
		waits = append(waits, kind.cache.WaitSynced)
	}
	for _, wait := range waits {
		if err := wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// sees makes the next pass over a Rollout wait until the cache of a kind of routes shows a version, unless no cache ever will.
func (c *Caches) sees(writes *engine.OwnWrites, key engine.Key, name traffic.RouteName, resourceVersion string) {
	kind, cached := c.kinds[name.Kind]
	if cached && (c.namespace == metav1.NamespaceAll || cmp.Or(name.Namespace, key.Namespace) == c.namespace) {
		writes.Wrote(key, kind.cache, resourceVersion)
	}
}

func (c *Caches) routeWanted(kind string) bool {
	for _, r := range c.Rollouts.List() {
		for _, w := range wiringsOf(r) {
			if usesKind(w, kind) || kind == destinationRuleKind && w.SubsetsOf != "" {
				return true
			}
		}
	}
	return false
}

// claimants are the Rollouts that have a hand on one of the Services that r has a hand on, r included.
func (c *Caches) claimants(r *v1alpha1.Rollout) []*v1alpha1.Rollout {
	var all []*v1alpha1.Rollout
	for _, service := range indexServices(r) {
		all = append(all, c.Rollouts.ByIndex(byService, service)...)
	}
	return all
}

func (c *Caches) isLive() bool { return false }

func (c *Caches) rollout(_ context.Context, key engine.Key) (*v1alpha1.Rollout, error) {
	r, _ := c.Rollouts.Get(key)
	return r, nil
}

func (c *Caches) workloads(_ context.Context, owner *v1alpha1.Rollout) ([]*appsv1.ReplicaSet, error) {
	return c.ReplicaSets.ByIndex(byOwner, string(owner.UID)), nil
}

func (c *Caches) service(_ context.Context, key engine.Key) (*corev1.Service, error) {
	s, _ := c.Services.Get(key)
	return s, nil
}

func (c *Caches) endpoints(_ context.Context, service engine.Key) ([]*discoveryv1.EndpointSlice, error) {
	return c.Endpoints.ByIndex(byService, service.String()), nil
}

// managedSets lists and watches the ReplicaSets that carry ManagedLabel.
type managedSets struct {
	sets appsclient.ReplicaSetInterface
}

// List adds the label to what is asked for.
func (m managedSets) List(ctx context.Context, opts metav1.ListOptions) (*appsv1.ReplicaSetList, error) {
	opts.LabelSelector = managedAnd(opts.LabelSelector)
	return m.sets.List(ctx, opts)
}

// Watch adds the label to what is asked for.
func (m managedSets) Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	opts.LabelSelector = managedAnd(opts.LabelSelector)
	return m.sets.Watch(ctx, opts)
}

func managedAnd(selector string) string {
	if selector == "" {
		return ManagedLabel + "=true"
	}
	return ManagedLabel + "=true," + selector
}

func indexServices(r *v1alpha1.Rollout) []string {
	var keys []string
	for _, name := range servicesOf(r) {
		keys = append(keys, engine.Key{Namespace: r.Namespace, Name: name}.String())
	}
	return keys
}

func indexRoutes(r *v1alpha1.Rollout) []string {
	var keys []string
	for _, w := range wiringsOf(r) {
		for _, route := range routesOf(w) {
			keys = append(keys, routeKey(route.Kind, cmp.Or(route.Namespace, r.Namespace), route.Name))
		}
		if rule := subsetsOf(w); rule != nil {
			keys = append(keys, routeKey(destinationRuleKind, cmp.Or(rule.Namespace, r.Namespace), rule.Name))
		}
	}
	return keys
}

func routeKey(kind, namespace, name string) string {
	return strings.Join([]string{kind, namespace, name}, "/")
}

func indexOwner(set *appsv1.ReplicaSet) []string {
	if owner := metav1.GetControllerOf(set); owner != nil {
		return []string{string(owner.UID)}
	}
	return nil
}

func indexEndpoints(slice *discoveryv1.EndpointSlice) []string {
	return []string{engine.Key{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}.String()}
}
