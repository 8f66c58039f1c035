package prometheus

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// Backend is what a built-in query asks about: one Service that routes of the Gateway API send traffic to, or its pods.
type Backend struct {
	Namespace string
	Service   string
	// Pods is a regular expression for the names of the pods, for queries over their own metrics.
	Pods string
	// Window is how far back the query looks, as PromQL writes it (1m, 1500ms). At least two scrapes must fit into it,
	// else a series that exists already never gives data.
	Window string
}

// TraefikSuccessRate is the share of the requests to a backend that Traefik (v3, provider kubernetesgateway) answered with a
// status below 500. A request that the client gave up (499) counts as a success: a backend that makes clients give up is
// found by its latency. Without requests in the window there is no data.
//
// gRPC requests are left out, so for a backend that serves nothing else there is no data. Traefik knows a call's outcome
// only if the backend announces its trailers, which grpc-go doesn't: in v3.6 every successful call is counted under
// code 2 (Unknown), and so is every call that it could not even deliver. Ask the application's own metrics instead.
func TraefikSuccessRate(b Backend) string { return "1 - " + traefikNames.ratio(b) }

// TraefikLatency is a quantile, between 0 and 1, of the time in seconds that Traefik (v3, provider kubernetesgateway) took
// to answer HTTP and gRPC requests with the help of a backend. Connections that stay open by design (WebSocket, server-sent
// events) are left out. Without requests in the window there is no data.
//
// It is no finer than Traefik's histogram buckets, by default 0.1, 0.3, 1.2 and 5 s, and never above the largest of
// them: a maximum of more than 5 s is never exceeded unless metrics.prometheus.buckets has a larger one.
func TraefikLatency(b Backend, quantile string) string { return traefikNames.quantile(b, quantile) }

// traefikNames are Traefik's metrics (its documentation, Observability / Metrics).
var traefikNames = names{ // Never written to.
	requests: "traefik_service_requests_total", bad: []string{`code=~"5.."`},
	buckets: "traefik_service_request_duration_seconds_bucket", scale: "1",
	match: func(b Backend) []string { return traefikMatch(httpServer(b), `protocol!~"grpc|grpc-web"`) },
	timed: func(b Backend) []string {
		return traefikMatch(httpServer(b)+"|"+grpcServer(b), `protocol!~"sse|websocket"`)
	},
	routes: []string{httpRoute, grpcRoute}, calls: []string{Latency},
	uncounted: "behind a grpc-go server Traefik counts successful and failed calls under the same code",
}

// traefikMatch finds the series of servers. Where the scrape target has a label service of its own, as it has when Prometheus
// finds Traefik through its Service, Prometheus renames Traefik's label to exported_service.
func traefikMatch(servers, rest string) []string {
	return []string{fmt.Sprintf("service=~%q,%s", servers, rest), fmt.Sprintf("exported_service=~%q,%s", servers, rest)}
}

// httpServer and grpcServer are what Traefik calls the backend in the label service. Up to v3.7.5 that is the Service with its port, for
// all routes together: shop-checkout-http-80@kubernetesgateway behind an HTTPRoute and shop-checkout-80-grpc@kubernetesgateway behind a
// GRPCRoute. Since then each rule counts by itself, under the name of its router, which ends with a hash, and the backend's place in the
// rule: httproute-shop-web-gw-infra-public-ep-web-0-799bcbf0c2317c5d1c93-svc-shop-checkout-0@kubernetesgateway (Traefik's
// migration guide, v3.7.6 and v3.7.10).
//
// PromQL anchors regular expressions, so checkout doesn't match checkout-canary. The short names are ambiguous where namespace and Service
// can be divided in several ways: canary in the namespace shop-checkout is called the same as checkout-canary in shop. So are the long ones.
func httpServer(b Backend) string {
	return traefikName(b) + "-http-[0-9]+@kubernetesgateway|httproute-" + traefikRule(b)
}

func grpcServer(b Backend) string {
	return traefikName(b) + "-[0-9]+-grpc@kubernetesgateway|grpcroute-" + traefikRule(b)
}

// traefikRule is how the name of a backend of one rule goes on. Namespace and Service stand there as they are.
func traefikRule(b Backend) string {
	return ".+-[0-9a-f]{20}-svc-" + regexp.QuoteMeta(b.Namespace+"-"+b.Service) + "-[0-9]+@kubernetesgateway"
}

// traefikName joins as Traefik does: whatever is neither letter nor digit separates, and several separators are one.
func traefikName(b Backend) string {
	words := strings.FieldsFunc(b.Namespace+"-"+b.Service, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	return regexp.QuoteMeta(strings.Join(words, "-"))
}
