package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/rollout-dev/rollout/analysis/outbound"
	source "github.com/rollout-dev/rollout/providers/prometheus"
)

// settings are the flags.
type settings struct {
	kubeconfig        string
	namespace         string
	prometheusAddress string
	builtinMetrics    string
	allowAddresses    []string
	queryConcurrency  int
	queryTimeout      time.Duration
	workers           int
	leaderElect       bool
	leaseNamespace    string
	leaseDuration     time.Duration
	identity          string
	healthAddress     string
	metricsAddress    string
	logFormat         string
	logLevel          string
	apiQPS            float32
	apiBurst          int
}

func (s *settings) bind(f *pflag.FlagSet) {
	f.StringVar(&s.kubeconfig, "kubeconfig", "", "kubeconfig file; without it the pod's service account is used")
	f.StringVar(&s.namespace, "namespace", "", "namespace to look after; empty for all")
	f.StringVar(&s.prometheusAddress, "prometheus-address", "", "URL of Prometheus, for example http://prometheus.monitoring:9090; empty for no analysis")
	f.StringVar(&s.builtinMetrics, "builtin-metrics", string(source.Traefik), "whose metrics the built-in ones are: traefik, istio, envoy-gateway, nginx-gateway-fabric or pods")
	f.StringSliceVar(&s.allowAddresses, outbound.AllowFlag, nil,
		"hosts (*.example.com), IP addresses and ranges (10.0.0.0/8) that metrics may name as providers; without it all but loopback, link-local and the API server")
	f.IntVar(&s.queryConcurrency, "query-concurrency", 16, "questions at the same time: to Prometheus, to other providers of metrics (a quarter to each), and to gates (likewise)")
	f.DurationVar(&s.queryTimeout, "query-timeout", 10*time.Second, "how long one metric query may take")
	f.IntVar(&s.workers, "workers", 8, "Rollouts looked at at the same time")
	f.BoolVar(&s.leaderElect, "leader-elect", true, "hold a lease, so that one of several controllers works at a time")
	f.StringVar(&s.leaseNamespace, "leader-election-namespace", "rollout-system", "namespace of the lease")
	f.DurationVar(&s.leaseDuration, "lease-duration", 15*time.Second, "how long a standby waits for a leader that vanished")
	f.StringVar(&s.identity, "identity", "", "name of this process in the lease; default is the host name and process id")
	f.StringVar(&s.healthAddress, "health-address", ":8081", "address of /healthz and /readyz")
	f.StringVar(&s.metricsAddress, "metrics-address", ":8080", "address of /metrics")
	f.StringVar(&s.logFormat, "log-format", "json", "json or console")
	f.StringVar(&s.logLevel, "log-level", "info", "debug, info, warn or error")
	f.Float32Var(&s.apiQPS, "api-qps", 200, "requests per second to the API server, on average")
	f.IntVar(&s.apiBurst, "api-burst", 400, "requests to the API server at once")
}

// check finds what flags can't express and fills in what depends on the process.
func (s *settings) check() error {
	if s.prometheusAddress != "" {
		u, err := url.Parse(s.prometheusAddress)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("--prometheus-address is %q; it must be a URL such as http://prometheus.monitoring:9090", s.prometheusAddress)
		}
	}
	if !slices.Contains(source.Routers(), source.Router(s.builtinMetrics)) {
		return fmt.Errorf("--builtin-metrics is %q; it must be one of %v", s.builtinMetrics, source.Routers())
	}
	if s.queryConcurrency < 1 {
		return fmt.Errorf("--query-concurrency is %d; it must be at least 1", s.queryConcurrency)
	}
	if s.workers < 1 {
		return fmt.Errorf("--workers is %d; it must be at least 1", s.workers)
	}
	if s.identity == "" {
		host, err := os.Hostname()
		if err != nil {
			return errors.New("the host name can't be read; name this process with --identity")
		}
		s.identity = fmt.Sprintf("%s-%d", host, os.Getpid())
	}
	return nil
}
