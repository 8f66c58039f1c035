// Package gateway simulates a Gateway API implementation together with the clients that send requests through it and
// the applications that answer them. What a real one does to objects it does for real: it watches routes, Services,
// EndpointSlices and pods, and writes the statuses of GatewayClasses, Gateways and routes. The requests alone are
// made up: each follows its route's weights to a ready pod, whose environment decides how it ends.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	gatewayclient "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"
)

// Config is what the simulated gateway needs.
type Config struct {
	// Cluster is the API server to watch.
	Cluster *rest.Config
	// Listen is the address for its metrics and reports, such as 127.0.0.1:9100.
	Listen string
	// RequestsPerSecond is the rate of requests to each route.
	RequestsPerSecond float64
	// Seed decides latencies and errors.
	Seed uint64
	// Log receives what goes wrong.
	Log *zap.Logger
}

// tick is how often requests are sent: at the default rate one per tick and route.
const tick = 10 * time.Millisecond

// Run simulates until ctx ends or something fails that it can't work without.
func Run(ctx context.Context, config Config) error {
	cluster := rest.CopyConfig(config.Cluster)
	// The status of a thousand routes is written at once when a thousand releases start.
	cluster.QPS, cluster.Burst = 500, 1000
	kube, err := kubernetes.NewForConfig(cluster)
	if err != nil {
		return fmt.Errorf("make a client for %s: %w", cluster.Host, err)
	}
	routes, err := gatewayclient.NewForConfig(cluster)
	if err != nil {
		return fmt.Errorf("make a client for the Gateway API at %s: %w", cluster.Host, err)
	}
	simulator := newSimulator(config.RequestsPerSecond, time.Now(), config.Seed)
	watcher := newWatcher(kube, routes, config.Log)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return watcher.run(ctx, simulator.adopt) })
	group.Go(func() error { return send(ctx, simulator) })
	group.Go(func() error { return serve(ctx, config.Listen, handler(simulator, watcher.synced)) })
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func send(ctx context.Context, simulator *simulator) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-ticker.C:
			simulator.advance(now)
		}
	}
}

func serve(ctx context.Context, address string, handler http.Handler) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", address, err)
	}
	return ctx.Err()
}
