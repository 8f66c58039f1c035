// Package kind runs a cluster with real pods: one kind node in Docker, with a Gateway API gateway and Prometheus in it.
// Where there is no Docker daemon it starts one of its own, and where no registry can be reached it builds the node's image
// from Debian packages and Go modules.
package kind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

// What is written down about a cluster of this tier alone.
const (
	// detailDocker is the address of our own Docker daemon when it runs the cluster; empty means the environment's.
	detailDocker = "docker"
	// detailNode is the container that is the cluster's node.
	detailNode = "node"
)

const (
	upTimeout     = 45 * time.Minute
	downTimeout   = 3 * time.Minute
	healthTimeout = 15 * time.Second
)

// cluster is one cluster on its way up or down.
type cluster struct {
	journal
	st     state.State
	docker docker
}

func newCluster(st state.State, progress io.Writer) *cluster {
	return &cluster{journal: journal{progress: progress, dir: st.Dir}, st: st}
}

// kindName is what kind calls the cluster: a user may have clusters of their own in the same Docker.
func (c *cluster) kindName() string { return "rollout-" + c.st.Options.Name }

func (c *cluster) node() string { return c.kindName() + "-control-plane" }

// note writes a detail down.
func (c *cluster) note(key, value string) error {
	if c.st.Details == nil {
		c.st.Details = map[string]string{}
	}
	c.st.Details[key] = value
	return c.st.Save()
}

// Up starts a cluster and returns when its parts serve: the node, CoreDNS, kube-proxy, the gateway and Prometheus. After
// an error the returned state tells what there is; Down removes it.
func Up(ctx context.Context, opts state.Options, progress io.Writer) (state.State, error) {
	st, err := state.New(opts)
	if err != nil {
		return st, err
	}
	if err := st.Save(); err != nil {
		return st, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, upTimeout, fmt.Errorf("not up within %s", upTimeout))
	defer cancel()
	c := newCluster(st, progress)
	if err := c.up(ctx); err != nil {
		c.st.Phase = state.Failed
		return c.st, errors.Join(fmt.Errorf("start cluster %s in kind: %w", opts.Name, err), c.st.Save())
	}
	c.st.Phase = state.Ready
	return c.st, c.st.Save()
}

func (c *cluster) up(ctx context.Context) error {
	// Docker comes first: whoever can't have it should learn that before minutes of building.
	if err := c.connect(ctx); err != nil {
		return err
	}
	addons, err := c.buildAddonImages(ctx)
	if err != nil {
		return err
	}
	kind, err := c.kindCommand(ctx)
	if err != nil {
		return err
	}
	node, err := c.chooseNodeImage(ctx)
	if err != nil {
		return err
	}
	if err := c.step("creating the cluster", func() error { return c.create(ctx, kind, node) }); err != nil {
		return err
	}
	client, err := newClient(c.st.Kubeconfig)
	if err != nil {
		return err
	}
	return c.step("installing Gateway API, Traefik and Prometheus", func() error {
		if err := c.installAddons(ctx, client, addons); err != nil {
			return err
		}
		return c.awaitReady(ctx, client)
	})
}

// Healthy tells whether the cluster's parts serve.
func Healthy(ctx context.Context, st state.State) error {
	ctx, cancel := context.WithTimeoutCause(ctx, healthTimeout, fmt.Errorf("no answer within %s", healthTimeout))
	defer cancel()
	client, err := newClient(st.Kubeconfig)
	if err != nil {
		return err
	}
	return client.ready(ctx, st.URLs)
}

// Down removes the cluster, also one that is only half up, and with the last cluster our own Docker daemon. It leaves
// nothing in the kernel: no process, mount, link, firewall rule or cgroup. Images stay in the cache.
func Down(ctx context.Context, st state.State, progress io.Writer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, downTimeout, fmt.Errorf("not down within %s", downTimeout))
	defer cancel()
	c := newCluster(st, progress)
	if err := c.down(ctx); err != nil {
		return fmt.Errorf("take cluster %s down: %w", st.Options.Name, err)
	}
	return nil
}
