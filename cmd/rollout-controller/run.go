package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"
	istioclient "istio.io/client-go/pkg/clientset/versioned"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/record"
	gateway "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"

	"github.com/rollout-dev/rollout/providers/istio"
	"github.com/rollout-dev/rollout/rollout/api/client"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// leaseName is the lease that controllers of one cluster compete for.
const leaseName = "rollout-controller"

// clients reach the API server.
type clients struct {
	kubernetes kubernetes.Interface
	rollouts   client.Client
	gateways   gateway.Interface
	mesh       istioclient.Interface
	sources    *controller.Sources
	// host is the API server's address.
	host string
}

// run works until ctx ends or the lease is lost.
func run(ctx context.Context, s settings) error {
	if err := s.check(); err != nil {
		return err
	}
	log, err := engine.NewLogger(s.logFormat, s.logLevel)
	if err != nil {
		return err
	}
	defer func() { _ = log.Sync() }() // Standard error of a container can't be synced on every system.
	to, err := connect(s)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	routes := newRoutes(to.gateways, to.mesh, s.namespace)
	caches := controller.NewCaches(to.kubernetes, to.rollouts, to.sources, to.gateways.Discovery(), routes.kinds(), s.namespace)
	ours := prometheus.WrapRegistererWithPrefix("rollout_", registry)
	measurer, queries, allow, err := measuring(s, to.kubernetes, ours)
	if err != nil {
		return err
	}
	events, stopEvents := recorder(to.kubernetes, s.identity)
	defer stopEvents()
	c := controller.New(controller.Options{
		Kubernetes: to.kubernetes, Rollouts: to.rollouts, Sources: to.sources, Router: routes.router(to.gateways, to.mesh),
		Pointer: istio.NewPointer(to.mesh, routes),
		Caches:  caches, Measurer: measurer, Queries: queries, Events: events, Log: log,
	})
	queue := engine.NewQueue(c, engine.QueueOptions{Name: "rollouts", Workers: s.workers, Log: log,
		Metrics: ours})
	caches.Connect(queue)
	// One of its own, because a Rollout may have the same name, with the same budget.
	alone := controller.NewMeasurer(measurer.MeasurerOptions)
	analyses := engine.NewQueue(&controller.Analyses{Runs: to.rollouts, Caches: caches, Measurer: alone, Queries: queries, Log: log},
		engine.QueueOptions{Name: "analyses", Workers: 1, Log: log, Metrics: prometheus.WrapRegistererWithPrefix("rollout_analysis_", registry)})
	caches.ConnectAnalyses(analyses)
	return serve(ctx, s, log, engine.Probes{Queues: []*engine.Queue{queue, analyses}, Synced: caches.Synced(), Metrics: registry}, func(ctx context.Context) error {
		var beside sync.WaitGroup
		defer beside.Wait()
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		// Nobody waits for the caches to end: against an API server that doesn't answer that takes up to a minute.
		go caches.Run(ctx)
		refused := refuseAPIServer(ctx, to, allow, nil, log) // before anything is asked
		beside.Go(func() { keepRefusing(ctx, to, allow, refused, log) })
		if err := caches.WaitSynced(ctx); err != nil {
			return err
		}
		return lead(ctx, s, log, to.kubernetes, func(ctx context.Context) {
			log.Info("working", zap.String("identity", s.identity))
			measurer.Start(ctx, queue.Add)
			alone.Start(ctx, analyses.Add)
			beside.Go(func() { analyses.Run(ctx) })
			queue.Run(ctx)
		})
	})
}

func connect(s settings) (clients, error) {
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	if err != nil {
		return clients{}, fmt.Errorf("find the cluster (--kubeconfig, or a pod's service account): %w", err)
	}
	config.QPS, config.Burst, config.UserAgent = s.apiQPS, s.apiBurst, "rollout-controller"
	to := clients{host: config.Host}
	if to.rollouts, err = client.New(config); err != nil {
		return to, err
	}
	if to.sources, err = controller.NewSources(config); err != nil {
		return to, err
	}
	if to.gateways, err = gateway.NewForConfig(config); err != nil {
		return to, fmt.Errorf("connect to %s for routes: %w", config.Host, err)
	}
	if to.mesh, err = istioclient.NewForConfig(config); err != nil {
		return to, fmt.Errorf("connect to %s for VirtualServices: %w", config.Host, err)
	}
	// The kinds of Kubernetes itself come as protobuf, which costs a fraction of JSON to read.
	core := rest.CopyConfig(config)
	core.ContentType, core.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
	if to.kubernetes, err = kubernetes.NewForConfig(core); err != nil {
		return to, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	return to, nil
}

// recorder makes Kubernetes events.
func recorder(kube kubernetes.Interface, identity string) (record.EventRecorder, func()) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		panic(fmt.Sprintf("the types of this program register: %v", err))
	}
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: kube.CoreV1().Events("")})
	return broadcaster.NewRecorder(scheme, corev1.EventSource{Component: "rollout-controller", Host: identity}), broadcaster.Shutdown
}

// serve answers probes and metrics while work goes on.
func serve(ctx context.Context, s settings, log *zap.Logger, probes engine.Probes, work func(context.Context) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var servers sync.WaitGroup
	defer servers.Wait()
	// Deferred calls run last to first: the servers are told to stop before they are waited for.
	defer stop(nil)
	health := engine.Probes{Queues: probes.Queues, Synced: probes.Synced}
	for address, p := range map[string]engine.Probes{s.healthAddress: health, s.metricsAddress: probes} {
		servers.Go(func() {
			if err := p.Serve(ctx, address); err != nil {
				log.Error("can't serve", zap.String("address", address), zap.Error(err))
				stop(err)
			}
		})
	}
	err := work(ctx)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// lead runs f while this process is the one that works.
func lead(ctx context.Context, s settings, log *zap.Logger, kube kubernetes.Interface, f func(context.Context)) error {
	if !s.leaderElect {
		f(ctx)
		return nil
	}
	return engine.Lead(ctx, engine.LeaseOptions{Client: kube.CoordinationV1(), Namespace: s.leaseNamespace, Name: leaseName,
		Identity: s.identity, Duration: s.leaseDuration, Log: log}, f)
}
