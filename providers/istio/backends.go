package istio

import (
	"fmt"
	"strings"

	"github.com/rollout-dev/rollout/traffic"
)

// hostname is the host of a destination as Istio understands it. For one that isn't a Service of this cluster the namespace is empty
// and the service is the whole name.
type hostname struct {
	service, namespace string
}

// resolve follows Istio's rule for Kubernetes: a name without dots is a Service in the namespace of the object that says it, and
// every other name has to be complete. So "checkout.shop" is no Service, though DNS would find one. The domain of the cluster may
// be any; that of a set of clusters is another host with endpoints of its own.
func resolve(host, namespace string) hostname {
	service, rest, dotted := strings.Cut(host, ".")
	if !dotted {
		return hostname{host, namespace}
	}
	of, domain, _ := strings.Cut(rest, ".svc.")
	if domain == "" || domain == "clusterset.local" || strings.Contains(of, ".") || service == "*" {
		return hostname{service: host}
	}
	return hostname{service, of}
}

// backend is one of the pair.
type backend struct {
	host hostname
	// subset is empty if the backend is a Service of its own.
	subset string
}

// backends are the pair as destinations name it.
type backends struct {
	stable, canary backend
}

func (b backend) String() string {
	if b.subset == "" {
		return "Service " + b.host.service
	}
	return fmt.Sprintf("subset %s of %s", b.subset, b.host.service)
}

// is says whether a destination in an object of a namespace is this backend.
func (b backend) is(d destination, namespace string) bool {
	return resolve(d.Host, namespace) == b.host && (b.subset == "" || d.Subset == b.subset)
}

// spelled is how a VirtualService in a namespace has to name the host: a short name means a Service next to it.
func (b backend) spelled(namespace string) string {
	if b.host.namespace == "" || b.host.namespace == namespace {
		return b.host.service
	}
	return b.host.service + "." + b.host.namespace + ".svc.cluster.local"
}

func serviceBackends(target traffic.Target) backends {
	at := func(service string) backend { return backend{host: hostname{service, target.Namespace}} }
	return backends{at(target.Pair.Stable), at(target.Pair.Canary)}
}

func subsetBackends(target traffic.Target, host hostname) backends {
	return backends{backend{host, target.Pair.Stable}, backend{host, target.Pair.Canary}}
}
