package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
	"github.com/rollout-dev/rollout/cmd/internal/sources"
	"github.com/rollout-dev/rollout/providers/cel"
	source "github.com/rollout-dev/rollout/providers/prometheus"
	"github.com/rollout-dev/rollout/rollout/controller"
	"github.com/rollout-dev/rollout/rollout/controller/budget"
)

// lookAgain is how often the addresses of the API server are looked up: its endpoints change when a node is replaced.
const lookAgain = time.Minute

// connectTimeout bounds one such look.
const connectTimeout = 10 * time.Second

// measuring makes what asks for metrics. Without the address of a Prometheus only metrics with a provider can be asked for.
func measuring(s settings, kube kubernetes.Interface, register prometheus.Registerer) (*controller.Measurer, controller.Queries, *outbound.AllowList, error) {
	allow, err := outbound.ParseAllowList(s.allowAddresses)
	if err != nil {
		return nil, controller.Queries{}, nil, err
	}
	opener := sources.NewOpener(kube, allow)
	o := controller.MeasurerOptions{Budget: budget.New(s.queryConcurrency, register), Timeout: s.queryTimeout}
	conditions, err := cel.New()
	if err != nil {
		return nil, controller.Queries{}, nil, err
	}
	router := source.Router(s.builtinMetrics)
	tellsApart := func(metric string, routes []string) error { return source.TellsApart(router, metric, routes) }
	q := controller.Queries{Condition: conditions.Compile, TellsApart: tellsApart, Providers: controller.Providers{
		Check: opener.Check,
		Query: func(ctx context.Context, r controller.ProviderRequest, q analysis.Query) (analysis.Sample, error) {
			return opener.Query(ctx, sources.Request(r), q)
		},
	}}
	if s.prometheusAddress == "" {
		return controller.NewMeasurer(o), q, allow, nil
	}
	// The operator's own Prometheus may be anywhere.
	src, err := source.New(s.prometheusAddress, nil)
	if err != nil {
		return nil, q, nil, fmt.Errorf("--prometheus-address: %w", err)
	}
	o.Source = src
	backend := func(m controller.Built) source.Backend {
		return source.Backend{Namespace: m.Namespace, Service: m.Service, Pods: m.Pods, Window: m.Window}
	}
	q.Builtin = func(m controller.Built) (string, error) {
		return source.BuiltIn(router, m.Name, m.Quantile, backend(m))
	}
	q.Counts = func(m controller.Built) (string, error) {
		counts, err := source.BuiltInCounts(router, m.Name, backend(m))
		return counts.Requests, err
	}
	return controller.NewMeasurer(o), q, allow, nil
}

// refuseAPIServer keeps the addresses of the API server out of reach of providers. It returns those that are refused now: what
// couldn't be looked up again stays refused.
func refuseAPIServer(ctx context.Context, to clients, allow *outbound.AllowList, before []netip.AddrPort, log *zap.Logger) []netip.AddrPort {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	addresses, err := apiServer(ctx, to)
	if err != nil {
		log.Warn("can't look up all addresses of the API server, which metrics must not reach", zap.Error(err))
		addresses = append(addresses, before...)
	}
	allow.Refuse(addresses)
	return addresses
}

// keepRefusing looks the addresses up again and again, until ctx ends.
func keepRefusing(ctx context.Context, to clients, allow *outbound.AllowList, refused []netip.AddrPort, log *zap.Logger) {
	timer := time.NewTicker(lookAgain)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			refused = refuseAPIServer(ctx, to, allow, refused, log)
		}
	}
}

// apiServer are its addresses: the one that this process uses, that of the Service kubernetes, and its endpoints. What could be
// found comes also with an error.
func apiServer(ctx context.Context, to clients) ([]netip.AddrPort, error) {
	found, err := ownAddresses(ctx, to.host)
	service, failed := to.kubernetes.CoreV1().Services(metav1.NamespaceDefault).Get(ctx, "kubernetes", metav1.GetOptions{})
	if failed != nil {
		return found, fmt.Errorf("read Service default/kubernetes: %w", failed)
	}
	for _, address := range service.Spec.ClusterIPs {
		for _, port := range service.Spec.Ports {
			found = add(found, address, port.Port)
		}
	}
	slices, failed := to.kubernetes.DiscoveryV1().EndpointSlices(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=kubernetes"})
	if failed != nil {
		return found, fmt.Errorf("read EndpointSlices of default/kubernetes: %w", failed)
	}
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			for _, address := range endpoint.Addresses {
				for _, port := range slice.Ports {
					if port.Port != nil && (port.Protocol == nil || *port.Protocol == corev1.ProtocolTCP) {
						found = add(found, address, *port.Port)
					}
				}
			}
		}
	}
	return found, err
}

func ownAddresses(ctx context.Context, host string) ([]netip.AddrPort, error) {
	u, err := url.Parse(host)
	if err != nil {
		return nil, fmt.Errorf("read the address of the API server (%s): %w", host, err)
	}
	if u.Hostname() == "" {
		return nil, nil
	}
	port := int64(443)
	if u.Port() != "" {
		if port, err = strconv.ParseInt(u.Port(), 10, 32); err != nil {
			return nil, fmt.Errorf("read the port of %s: %w", host, err)
		}
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return nil, fmt.Errorf("resolve the API server %s: %w", host, err)
	}
	var found []netip.AddrPort
	for _, ip := range ips {
		found = add(found, ip.Unmap().String(), int32(port))
	}
	return found, nil
}

func add(to []netip.AddrPort, address string, port int32) []netip.AddrPort {
	ip, err := netip.ParseAddr(address)
	if err != nil { // None, as in a headless Service.
		return to
	}
	return append(to, netip.AddrPortFrom(ip, uint16(port)))
}
