package gateway

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayclient "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"
	gatewayinformers "sigs.k8s.io/gateway-api/pkg/client/informers/externalversions"
	gatewaylisters "sigs.k8s.io/gateway-api/pkg/client/listers/apis/v1"
)

// calm is the least time between two assessments of the world: while a thousand objects change, one pass takes up
// many changes.
const calm = 20 * time.Millisecond

// retry is when statuses that could not be written are tried again.
const retry = time.Second

// watcher keeps the table and the statuses in step with the cluster.
type watcher struct {
	log    *zap.Logger
	client gatewayclient.Interface
	kube   informers.SharedInformerFactory
	routes gatewayinformers.SharedInformerFactory

	services   corelisters.ServiceLister
	slices     discoverylisters.EndpointSliceLister
	classes    gatewaylisters.GatewayClassLister
	gateways   gatewaylisters.GatewayLister
	httpRoutes gatewaylisters.HTTPRouteLister
	grpcRoutes gatewaylisters.GRPCRouteLister

	pods *population
	// changed holds at most one note that there is something new.
	changed  chan struct{}
	handlers []cache.InformerSynced
	ready    atomic.Bool
}

func newWatcher(kube kubernetes.Interface, client gatewayclient.Interface, log *zap.Logger) *watcher {
	w := &watcher{
		log: log, client: client, pods: newPopulation(), changed: make(chan struct{}, 1),
		kube: informers.NewSharedInformerFactory(kube, 0), routes: gatewayinformers.NewSharedInformerFactory(client, 0),
	}
	v1 := w.routes.Gateway().V1()
	w.services, w.slices = w.kube.Core().V1().Services().Lister(), w.kube.Discovery().V1().EndpointSlices().Lister()
	w.classes, w.gateways = v1.GatewayClasses().Lister(), v1.Gateways().Lister()
	w.httpRoutes, w.grpcRoutes = v1.HTTPRoutes().Lister(), v1.GRPCRoutes().Lister()
	return w
}

// synced tells whether the whole cluster has been read once and its statuses are written.
func (w *watcher) synced() bool { return w.ready.Load() }

// run hands each new table to adopt before the status says so: a client that waits for the status sees the new split.
func (w *watcher) run(ctx context.Context, adopt func(table)) error {
	if err := w.listen(); err != nil {
		return err
	}
	w.kube.Start(ctx.Done())
	w.routes.Start(ctx.Done())
	defer w.kube.Shutdown()
	defer w.routes.Shutdown()

	if !cache.WaitForCacheSync(ctx.Done(), w.handlers...) {
		return ctx.Err()
	}
	w.touch()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.changed:
		}
		next, wanted := assess(w.world(), metav1.Now())
		adopt(next)
		if err := w.write(ctx, wanted); err != nil {
			return err
		}
		w.ready.Store(true)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(calm):
		}
	}
}

func (w *watcher) touch() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// podHandler tells the population at once what happens to pods: a request that is on its way to one must fail when it
// goes, however long the next table takes.
func (w *watcher) podHandler() cache.ResourceEventHandler {
	observe := func(object any) {
		if pod, ok := object.(*corev1.Pod); ok {
			for _, err := range w.pods.observe(pod) {
				w.log.Warn("a simulated application is not configured as meant", zap.Error(err))
			}
		}
		w.touch()
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    observe,
		UpdateFunc: func(_, object any) { observe(object) },
		DeleteFunc: func(object any) {
			if last, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = last.Obj
			}
			if pod, ok := object.(*corev1.Pod); ok {
				w.pods.forget(pod.UID)
			}
			w.touch()
		},
	}
}

// listen registers for every kind of object. The informers start afterwards.
func (w *watcher) listen() error {
	touch := cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { w.touch() }, UpdateFunc: func(any, any) { w.touch() }, DeleteFunc: func(any) { w.touch() },
	}
	v1 := w.routes.Gateway().V1()
	for _, each := range []struct {
		informer cache.SharedIndexInformer
		handler  cache.ResourceEventHandler
	}{
		{w.kube.Core().V1().Pods().Informer(), w.podHandler()},
		{w.kube.Core().V1().Services().Informer(), touch},
		{w.kube.Discovery().V1().EndpointSlices().Informer(), touch},
		{v1.GatewayClasses().Informer(), touch},
		{v1.Gateways().Informer(), touch},
		{v1.HTTPRoutes().Informer(), touch},
		{v1.GRPCRoutes().Informer(), touch},
	} {
		registration, err := each.informer.AddEventHandler(each.handler)
		if err != nil {
			return fmt.Errorf("watch the cluster: %w", err)
		}
		w.handlers = append(w.handlers, registration.HasSynced)
	}
	return nil
}

// world reads the caches. Listing from a cache fails only for a selector that can't be parsed, and there is none.
func (w *watcher) world() *world {
	everything := labels.Everything()
	now := &world{
		services: map[types.NamespacedName]*corev1.Service{}, slices: map[types.NamespacedName][]*discoveryv1.EndpointSlice{}, pods: w.pods,
	}
	now.classes, _ = w.classes.List(everything)
	now.gateways, _ = w.gateways.List(everything)
	services, _ := w.services.List(everything)
	for _, service := range services {
		now.services[types.NamespacedName{Namespace: service.Namespace, Name: service.Name}] = service
	}
	endpointSlices, _ := w.slices.List(everything)
	for _, slice := range endpointSlices {
		name := types.NamespacedName{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
		now.slices[name] = append(now.slices[name], slice)
	}
	httpRoutes, _ := w.httpRoutes.List(everything)
	for _, route := range httpRoutes {
		now.routes = append(now.routes, fromHTTPRoute(route))
	}
	grpcRoutes, _ := w.grpcRoutes.List(everything)
	for _, route := range grpcRoutes {
		now.routes = append(now.routes, fromGRPCRoute(route))
	}
	w.pods.bury(now.named())
	return now
}

// writers is how many statuses are written at a time.
const writers = 8

// write writes the statuses. One that meanwhile changed or vanished is decided anew by the event of that change; any
// other failure is logged and tried again. Its error is that of ctx.
func (w *watcher) write(ctx context.Context, wanted verdicts) error {
	v1, options := w.client.GatewayV1(), metav1.UpdateOptions{}
	for _, class := range wanted.classes {
		_, err := v1.GatewayClasses().UpdateStatus(ctx, class, options)
		w.check(ctx, "GatewayClass "+class.Name, err)
	}
	for _, gateway := range wanted.gateways {
		_, err := v1.Gateways(gateway.Namespace).UpdateStatus(ctx, gateway, options)
		w.check(ctx, "Gateway "+gateway.Namespace+"/"+gateway.Name, err)
	}
	var group errgroup.Group
	group.SetLimit(writers)
	for _, route := range wanted.routes {
		group.Go(func() error {
			w.check(ctx, route.key.String(), w.writeRoute(ctx, route))
			return ctx.Err()
		})
	}
	return group.Wait()
}

func (w *watcher) writeRoute(ctx context.Context, route routeObject) error {
	var err error
	switch key := route.key; key.Kind {
	case kindHTTPRoute:
		var current *gatewayv1.HTTPRoute
		if current, err = w.httpRoutes.HTTPRoutes(key.Namespace).Get(key.Name); err == nil && current.Generation == route.generation {
			updated := current.DeepCopy()
			updated.Status.RouteStatus = route.status
			_, err = w.client.GatewayV1().HTTPRoutes(key.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{})
		}
	case kindGRPCRoute:
		var current *gatewayv1.GRPCRoute
		if current, err = w.grpcRoutes.GRPCRoutes(key.Namespace).Get(key.Name); err == nil && current.Generation == route.generation {
			updated := current.DeepCopy()
			updated.Status.RouteStatus = route.status
			_, err = w.client.GatewayV1().GRPCRoutes(key.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{})
		}
	}
	return err
}

func (w *watcher) check(ctx context.Context, object string, err error) {
	if err == nil || apierrors.IsConflict(err) || apierrors.IsNotFound(err) || ctx.Err() != nil {
		return
	}
	w.log.Warn("write the status", zap.String("object", object), zap.Error(err))
	time.AfterFunc(retry, w.touch)
}
