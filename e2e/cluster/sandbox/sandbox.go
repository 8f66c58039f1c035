// Package sandbox runs a cluster as one group of plain processes that need no privileges: a real control plane,
// simulated nodes, a real Prometheus and a simulated gateway. Everything listens on 127.0.0.1, on ports of its own.
package sandbox

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/rollout-dev/rollout/e2e/cluster/gatewayapi"
	"github.com/rollout-dev/rollout/e2e/cluster/parts"
	"github.com/rollout-dev/rollout/e2e/cluster/process"
	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

// startLimit bounds the start once everything is built; it takes 5 s on an idle machine with two cores.
const startLimit = 2 * time.Minute

// stopGrace is what the processes get to end by themselves. Nothing they would save is kept, and kube-apiserver waits
// for an etcd that has ended already for as long as it may.
const stopGrace = time.Second

// cluster is a sandbox while it starts.
type cluster struct {
	state.State
	programs    map[parts.Name]string
	credentials credentials
	ports       ports
	client      *rest.Config
	// manager is kube-controller-manager once it was started.
	manager process.Process
}

// Up starts a sandbox; see state.Driver.
func Up(ctx context.Context, options state.Options, progress io.Writer) (state.State, error) {
	programs, err := parts.Build(ctx, progress, needed(options.Only)...)
	if err != nil {
		return state.State{}, err
	}
	st, err := state.New(options)
	if err != nil {
		return state.State{}, err
	}
	c := &cluster{State: st, programs: programs}
	if err := c.Save(); err != nil {
		return c.State, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("the sandbox did not start within %s", startLimit))
	defer cancel()
	if err := c.start(ctx); err != nil {
		return c.State, fmt.Errorf("start sandbox %s: %w", options.Name, err)
	}
	c.Phase = state.Ready
	return c.State, c.Save()
}

func needed(only state.Scope) []parts.Name {
	names := []parts.Name{parts.Etcd, parts.ControlPlane}
	if only == state.Everything {
		names = append(names, parts.Kwok, parts.Prometheus)
	}
	return names
}

func (c *cluster) start(ctx context.Context) error {
	if err := c.prepare(ctx); err != nil {
		return err
	}
	// The definitions are read while the API server starts. Only those that the gateway simulates are installed: to
	// compile the rules of the others as well takes the API server 0.7 s of CPU and 30 MiB.
	var definitions gatewayapi.Definitions
	group, together := errgroup.WithContext(ctx)
	group.Go(func() error {
		all, err := gatewayapi.Load(together)
		definitions = all.Only("GatewayClass", "Gateway", "HTTPRoute", "GRPCRoute", "ReferenceGrant")
		return err
	})
	group.Go(func() error { return c.startAPIServer(together) })
	if err := group.Wait(); err != nil {
		return err
	}
	if err := c.startControllers(); err != nil {
		return err
	}
	if c.Options.Only == state.Everything {
		return c.simulate(ctx, definitions)
	}
	if err := definitions.Install(ctx, c.client); err != nil {
		return err
	}
	return c.awaitControllers(ctx)
}

// prepare writes everything that the processes read.
func (c *cluster) prepare(ctx context.Context) error {
	var err error
	if c.ports, err = reservePorts(ctx); err != nil {
		return err
	}
	if c.credentials, err = newCredentials(c.Dir); err != nil {
		return err
	}
	server := fmt.Sprintf("https://127.0.0.1:%d", c.ports.apiServer)
	if err := c.credentials.writeKubeconfig(c.Kubeconfig, server, c.Options.Name); err != nil {
		return err
	}
	if c.client, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig); err != nil {
		return fmt.Errorf("read kubeconfig %s: %w", c.Kubeconfig, err)
	}
	if c.Options.Only == state.Everything {
		gateway := fmt.Sprintf("http://127.0.0.1:%d", c.ports.gateway)
		c.URLs = state.URLs{
			Prometheus: fmt.Sprintf("http://127.0.0.1:%d", c.ports.prometheus),
			Metrics:    gateway + "/metrics", Traffic: gateway + "/traffic",
		}
	}
	// The client's own limits would make the start wait for nothing.
	c.client.QPS, c.client.Burst = 200, 400
	return nil
}

// run starts one of the programs under the name it is to act as.
func (c *cluster) run(part parts.Name, name string, args ...string) (process.Process, error) {
	return c.Start(process.Spec{Name: name, Path: c.programs[part], Args: args})
}

// Down ends the processes of a sandbox; see state.Driver.
func Down(ctx context.Context, st state.State, _ io.Writer) error {
	return st.StopProcesses(ctx, stopGrace)
}

// Healthy tells whether all processes of a sandbox run and its API server is ready.
func Healthy(ctx context.Context, st state.State) error {
	for _, p := range st.Processes {
		if !p.Alive() {
			return fmt.Errorf("%s is not running any more, see %s", p.Name, p.Log)
		}
	}
	config, err := clientcmd.BuildConfigFromFlags("", st.Kubeconfig)
	if err != nil {
		return fmt.Errorf("read kubeconfig %s: %w", st.Kubeconfig, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return apiServerReady(ctx, config)
}

// get fails unless url answers 200.
func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return fmt.Errorf("read the answer of %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}

// write puts a file into the cluster's folder and returns its path. Only its owner can read it.
func write(dir, name string, content []byte) (string, error) {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return "", fmt.Errorf("write %s: %w", path, err)
	}
	return path, nil
}
