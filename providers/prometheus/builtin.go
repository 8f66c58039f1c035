package prometheus

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rollout-dev/rollout/analysis"
)

// Router is whose metrics a built-in query is over.
type Router string

// The routers.
const (
	Traefik Router = "traefik"
	Istio   Router = "istio"
	// EnvoyGateway has no built-in metrics; asking for one says why.
	EnvoyGateway Router = "envoy-gateway"
	// NGINX is NGINX Gateway Fabric with NGINX Plus.
	NGINX Router = "nginx-gateway-fabric"
	// Pods are the applications themselves, whatever routes to them.
	Pods Router = "pods"
)

// Routers are all of them.
func Routers() []Router { return []Router{Traefik, Istio, EnvoyGateway, NGINX, Pods} }

// The built-in metrics.
const (
	SuccessRate = "success-rate"
	ErrorRate   = "error-rate"
	RequestRate = "request-rate"
	Latency     = "latency"
)

// names are the metrics of a router, and what tells the requests of a backend apart in them.
type names struct {
	// requests counts requests; bad are the matchers of those among them that went wrong.
	requests string
	bad      []string
	// buckets is the histogram of their durations in units of which a second has scale; empty if there is none.
	buckets string
	scale   string
	// match is the matchers of a backend. Several are alternatives.
	match func(Backend) []string
	// timed is match for durations, where it is another.
	timed func(Backend) []string
	// reason says why there is no latency.
	reason string
	// routes are the kinds of routes whose backends are told apart; nil: of all, and also of none.
	routes []string
	// calls are the metrics of gRPC calls, and uncounted says why the others are missing.
	calls     []string
	uncounted string
}

// The kinds of routes.
const (
	httpRoute      = "HTTPRoute"
	grpcRoute      = "GRPCRoute"
	virtualService = "VirtualService"
)

// catalogue is where all names of metrics are.
//
// Traefik: traefik_service_requests_total and traefik_service_request_duration_seconds with the labels code, method, protocol
// and service (Traefik's documentation, Observability / Metrics; see TraefikSuccessRate).
//
// Istio: istio_requests_total and istio_request_duration_milliseconds with reporter, destination_service_name,
// destination_service_namespace, response_code and grpc_response_status (istio.io, Reference / Istio Standard Metrics). What the sender
// reports counts, so that requests that never arrived count too. A gRPC call fails with the codes that gRPC maps to 5xx. It is the
// backend's Service that is named, not the one that the client asked for, so a VirtualService's backends are told apart, too.
//
// NGINX Gateway Fabric: nginx_http_upstream_peer_responses_total with nginx_upstream_name and nginx_status_range
// (docs.nginx.com, NGINX Gateway Fabric / Prometheus metrics; names and values from the receiver nginxplus of NGINX
// Agent). The name of an upstream is NAMESPACE_SERVICE_PORT. Only NGINX Plus has it: the open source NGINX counts all requests
// together. Of durations there is an average per pod, which is no quantile.
//
// Pods: http_server_request_duration_seconds with http_response_status_code, what OpenTelemetry's semantic conventions for HTTP
// (http.server.request.duration, stable) are called in Prometheus, and namespace and pod, which Prometheus adds.
func catalogue(r Router) (names, error) {
	switch r {
	case Traefik:
		return traefikNames, nil
	case Istio:
		return names{requests: "istio_requests_total", bad: []string{`response_code=~"5.."`, `response_code!~"5..",grpc_response_status=~"2|4|12|13|14|15"`},
			buckets: "istio_request_duration_milliseconds_bucket", scale: "1000", match: func(b Backend) []string {
				return []string{fmt.Sprintf(`reporter="source",destination_service_namespace=%q,destination_service_name=%q`, b.Namespace, b.Service)}
			}, routes: []string{virtualService, httpRoute, grpcRoute}, calls: allMetrics()}, nil
	case NGINX:
		return names{requests: "nginx_http_upstream_peer_responses_total", bad: []string{`nginx_status_range="5xx"`}, match: func(b Backend) []string {
			return []string{fmt.Sprintf(`nginx_upstream_name=~%q`, regexp.QuoteMeta(b.Namespace+"_"+b.Service)+"_[0-9]+")}
		}, reason: "NGINX Gateway Fabric measures average durations only, of which no quantile can be made",
			routes: []string{httpRoute, grpcRoute}, calls: []string{RequestRate}, uncounted: "a gRPC call that fails has the status 200 for NGINX"}, nil
	case Pods:
		return names{requests: "http_server_request_duration_seconds_count", bad: []string{`http_response_status_code=~"5.."`},
			buckets: "http_server_request_duration_seconds_bucket", scale: "1", match: func(b Backend) []string {
				return []string{fmt.Sprintf(`namespace=%q,pod=~%q`, b.Namespace, b.Pods)}
			}}, nil
	case EnvoyGateway:
		return names{}, fmt.Errorf("%s has no built-in metrics: it counts all backends of a rule together, so that nobody can tell the canary's requests from stable's; "+
			"use those of the pods, or give the metric a query of its own", r)
	}
	return names{}, fmt.Errorf("there are no built-in metrics of %q; known are %s", r, joined(Routers()))
}

func joined(routers []Router) string {
	var all []string
	for _, r := range routers {
		all = append(all, string(r))
	}
	return strings.Join(all, ", ")
}

// BuiltIn is the query of a built-in metric: the share of requests that succeeded or failed, requests per second, or a quantile
// (between 0 and 1) of the seconds that an answer took. Without requests in the window there is no data. A request fails
// if it is answered with a status from 500 on.
func BuiltIn(r Router, metric, quantile string, b Backend) (string, error) {
	n, err := catalogue(r)
	if err != nil {
		return "", err
	}
	switch metric {
	case SuccessRate:
		return "1 - " + n.ratio(b), nil
	case ErrorRate:
		return n.ratio(b), nil
	case RequestRate:
		return fmt.Sprintf("sum(%s)", each(n.requests, n.match(b), b.rate)), nil
	case Latency:
		if n.buckets == "" {
			return "", fmt.Errorf("%s has no built-in latency: %s; give the metric a query of its own", r, n.reason)
		}
		return n.quantile(b, quantile), nil
	}
	return "", fmt.Errorf("there is no built-in metric %q; the built-in ones are %s, %s, %s and %s", metric, SuccessRate, ErrorRate, RequestRate, Latency)
}

func allMetrics() []string { return []string{SuccessRate, ErrorRate, RequestRate, Latency} }

// TellsApart is nil if a built-in metric of a router tells the requests to the backends apart that routes of these kinds lead to. Those
// of one kind are enough. The error says what to do instead.
func TellsApart(r Router, metric string, routes []string) error {
	n, err := catalogue(r)
	if err != nil {
		return err
	}
	served := func(kind string) bool { return n.routes == nil || slices.Contains(n.routes, kind) }
	switch {
	case n.routes == nil:
		return nil
	case len(routes) == 0:
		return fmt.Errorf("the built-in metrics of %s are about %s, and there is none; give the metric a query of its own", r, strings.Join(n.routes, " and "))
	case !slices.ContainsFunc(routes, served):
		return fmt.Errorf("the built-in metrics of %s are about %s, and there is only %s; "+
			"give the metric a query of its own, or start the controller with --builtin-metrics=istio or pods if those are there", r, strings.Join(n.routes, " and "),
			strings.Join(routes, " and "))
	case !slices.ContainsFunc(routes, func(kind string) bool { return served(kind) && (kind != grpcRoute || slices.Contains(n.calls, metric)) }):
		return fmt.Errorf("%s has no built-in %s of a GRPCRoute: %s; give the metric a query over the application's own metrics", r, metric, n.uncounted)
	}
	return nil
}

// BuiltInCounts count the requests that a built-in metric is about, within the window: all of them, the bad ones, and for latency those
// up to each bound.
func BuiltInCounts(r Router, metric string, b Backend) (analysis.CountsQuery, error) {
	if _, err := BuiltIn(r, metric, "0.5", b); err != nil {
		return analysis.CountsQuery{}, err
	}
	n, err := catalogue(r)
	if err != nil {
		return analysis.CountsQuery{}, err
	}
	name, matchers := n.requests, n.match(b)
	var buckets string
	if metric == Latency {
		name, matchers = n.buckets, n.timing(b)
		buckets = fmt.Sprintf("sum by (le) (%s)", each(name, matchers, b.increase))
		matchers = also(matchers, `le="+Inf"`)
	}
	return analysis.CountsQuery{Requests: fmt.Sprintf("sum(%s)", each(name, matchers, b.increase)),
		Bad: fmt.Sprintf("sum(%s)", each(name, also(matchers, n.bad...), b.increase)), Buckets: buckets}, nil
}

// quantile is one of the durations, in seconds.
func (n names) quantile(b Backend, quantile string) string {
	query := fmt.Sprintf("histogram_quantile(%s, sum by (le) (%s))", quantile, each(n.buckets, n.timing(b), b.increase))
	if n.scale != "1" {
		query += " / " + n.scale
	}
	return query
}

// ratio is the share of bad requests. Without any there is no series of them: the sum of nothing is nothing, not 0.
func (n names) ratio(b Backend) string {
	matchers := n.match(b)
	return fmt.Sprintf("(sum(%s) or vector(0)) / sum(%s)", each(n.requests, also(matchers, n.bad...), b.increase), each(n.requests, matchers, b.increase))
}

// timing are the matchers of durations.
func (n names) timing(b Backend) []string {
	if n.timed != nil {
		return n.timed(b)
	}
	return n.match(b)
}

// also narrows each of some alternatives in several ways.
func also(matchers []string, further ...string) []string {
	var all []string
	for _, matcher := range matchers {
		for _, more := range further {
			all = append(all, matcher+","+more)
		}
	}
	return all
}

// each makes an expression of every series that one of the matchers finds.
func each(metric string, matchers []string, of func(series string) string) string {
	var all []string
	for _, matcher := range matchers {
		all = append(all, of(metric+"{"+matcher+"}"))
	}
	return strings.Join(all, " or ")
}

// increase is how much series have grown within the window.
//
// PromQL's increase doesn't see the first sample of a series: the errors with which a code="500" series begins would not
// exist for it, and a canary with little traffic would fail unseen. So a series that wasn't there at the start of the
// window counts with its whole value, provided that Prometheus had scraped its target by then. Without that condition a
// Prometheus that lost its data would take everything that ever happened for news.
func (b Backend) increase(series string) string {
	begun := fmt.Sprintf("((%s unless %s offset %s) and on (job, instance) (up offset %s == 1))", series, series, b.Window, b.Window)
	return fmt.Sprintf("%s or increase(%s[%s])", begun, series, b.Window)
}

// rate is by how much a second series have grown within the window.
func (b Backend) rate(series string) string { return fmt.Sprintf("rate(%s[%s])", series, b.Window) }
