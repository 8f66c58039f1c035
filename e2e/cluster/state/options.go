// Package state is what a tier is asked for (Options) and what is written down about a cluster (State), shared by the
// tiers and the command.
package state

import (
	"fmt"
	"regexp"
	"time"
)

// Tier is a way to run a cluster.
type Tier string

// The tiers.
const (
	// Sandbox runs the control plane as plain processes, with simulated nodes and simulated traffic.
	Sandbox Tier = "sandbox"
	// Kind runs real pods in kind.
	Kind Tier = "kind"
)

// Scope limits what the sandbox starts.
type Scope string

// The scopes.
const (
	// Everything starts all parts.
	Everything Scope = ""
	// ControlPlane starts etcd, kube-apiserver and kube-controller-manager.
	ControlPlane Scope = "control-plane"
	// APIServer starts etcd and kube-apiserver.
	APIServer Scope = "apiserver"
)

// The one Gateway that both tiers offer, so that the same manifest can attach its routes in either. It takes routes
// from every namespace.
const (
	GatewayNamespace = "gateway"
	GatewayName      = "web"
)

// Options is what a cluster is asked to be.
type Options struct {
	// Name tells clusters on one machine apart.
	Name string `json:"name"`
	// Tier is how it runs.
	Tier Tier `json:"tier"`
	// Only limits what the sandbox starts.
	Only Scope `json:"only,omitempty"`
	// Nodes is the number of nodes, 1 or more; the kind tier has one.
	Nodes int `json:"nodes"`
	// ScrapeInterval is how often Prometheus asks the gateway for its metrics.
	ScrapeInterval time.Duration `json:"scrapeInterval"`
	// RequestsPerSecond is the simulated traffic sent to each route, 0 or more; the sandbox alone has it.
	RequestsPerSecond float64 `json:"requestsPerSecond"`
}

// String gives the options as the flags that ask for them.
func (o Options) String() string {
	flags := fmt.Sprintf("--tier %s --nodes %d --scrape-interval %s --rps %g", o.Tier, o.Nodes, o.ScrapeInterval, o.RequestsPerSecond)
	if o.Only != Everything {
		flags += " --only " + string(o.Only)
	}
	return flags
}

// maxName keeps the names of containers and sockets that are built from it within their limits.
const maxName = 40

var nameFormat = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// Validate checks what the tiers rely on. Its errors name the flag that sets the value.
func (o Options) Validate() error {
	if err := ValidateName(o.Name); err != nil {
		return err
	}
	switch o.Tier {
	case Sandbox:
	case Kind:
		if o.Only != Everything {
			return fmt.Errorf("--only %s: tier %s always runs everything; leave it out, or take --tier %s", o.Only, Kind, Sandbox)
		}
	default:
		return fmt.Errorf("--tier %q: want %s or %s", o.Tier, Sandbox, Kind)
	}
	switch o.Only {
	case Everything, ControlPlane, APIServer:
	default:
		return fmt.Errorf("--only %q: want %s or %s, or leave it out for everything", o.Only, ControlPlane, APIServer)
	}
	switch {
	case o.Nodes < 1:
		return fmt.Errorf("--nodes %d: want 1 or more", o.Nodes)
	case o.ScrapeInterval < 100*time.Millisecond:
		return fmt.Errorf("--scrape-interval %s: want 100ms or more", o.ScrapeInterval)
	case o.RequestsPerSecond < 0:
		return fmt.Errorf("--rps %g: want 0 or more", o.RequestsPerSecond)
	}
	return nil
}

// ValidateName checks the name of a cluster, which becomes part of file, container and network names.
func ValidateName(name string) error {
	if len(name) > maxName || !nameFormat.MatchString(name) {
		return fmt.Errorf("--name %q: want 1 to %d lower case letters, digits and dashes, not at either end", name, maxName)
	}
	return nil
}
