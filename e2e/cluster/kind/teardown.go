package kind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rollout-dev/rollout/e2e/cluster/process"
)

const removing = "removing the cluster's containers and network"

func (c *cluster) down(ctx context.Context) error {
	// What a crashed up has started may still be at work: kind, debootstrap, apt-get.
	orphans, err := process.Marked(c.dir)
	if err != nil {
		return err
	}
	if err := process.Stop(ctx, sweepGrace, orphans...); err != nil {
		return err
	}
	if err := errors.Join(unmountBelow(c.dir), allowServices()); err != nil {
		return err
	}
	host, chosen := c.st.Details[detailDocker]
	switch {
	case !chosen:
		return nil
	case host == "":
		client, err := findProgram("docker")
		if err != nil {
			return err
		}
		c.docker = docker{journal: c.journal, client: client}
		return c.step(removing, func() error { return c.removeFromDocker(ctx) })
	default:
		return c.leaveDaemon(ctx)
	}
}

// removeFromDocker removes the cluster's containers, with their volumes, and its network.
func (c *cluster) removeFromDocker(ctx context.Context) error {
	if err := c.docker.removeAll(ctx, c.nodeFilter()); err != nil {
		return err
	}
	if err := c.removeBuilder(ctx); err != nil {
		return err
	}
	if !c.docker.has(ctx, "network", c.kindName()) {
		return nil
	}
	if _, err := c.docker.do(ctx, "network", "rm", c.kindName()); err != nil {
		return fmt.Errorf("remove the cluster's network: %w", err)
	}
	return nil
}

// nodeFilter selects the cluster's nodes in `docker ps`, by the label that kind puts on them.
func (c *cluster) nodeFilter() string { return "label=io.x-k8s.kind.cluster=" + c.kindName() }

// nameIsFree refuses a name that somebody else's Docker daemon already has for a cluster of unknown origin. It is asked
// before anything is written down: otherwise our own down would remove that cluster.
func (c *cluster) nameIsFree(ctx context.Context) error {
	nodes, err := c.docker.list(ctx, c.nodeFilter())
	if err != nil || len(nodes) == 0 {
		return err
	}
	return fmt.Errorf("--name %s: Docker already has a kind cluster %s that is not known here; take another name, or remove it (docker rm --force %s)",
		c.st.Options.Name, c.kindName(), c.node())
}

// leaveDaemon removes the cluster from our own daemon, and stops the daemon when no other cluster uses it.
func (c *cluster) leaveDaemon(ctx context.Context) error {
	e, err := findDaemon()
	if err != nil {
		return err
	}
	release, err := c.lock(ctx, "docker", "starts or stops the Docker daemon")
	if err != nil {
		return err
	}
	defer release()
	// A daemon that has died is started once more: only it can take a container's layers out of the cache.
	var failure error
	if _, err := os.Stat(e.path("data")); !errors.Is(err, fs.ErrNotExist) {
		if c.docker, failure = e.ensure(ctx, c.journal); failure == nil {
			failure = c.step(removing, func() error { return c.removeFromDocker(ctx) })
		}
	}
	left, err := e.leave(c.st.Options.Name)
	if err != nil || left > 0 {
		return errors.Join(failure, err)
	}
	err = c.step("stopping the Docker daemon", func() error { return e.stop(ctx) })
	return errors.Join(failure, err, os.RemoveAll(filepath.Join(e.root, "logs")))
}
