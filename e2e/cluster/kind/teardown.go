package kind

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rollout-dev/rollout/e2e/cluster/process"
)

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
		return c.removeFromDocker(ctx)
	default:
		return c.leaveDaemon(ctx)
	}
}

// removeFromDocker removes the cluster's containers, with their volumes, and its network.
func (c *cluster) removeFromDocker(ctx context.Context) error {
	if err := c.docker.answers(ctx); err != nil {
		return err
	}
	return c.step("removing the cluster's containers and network", func() error {
		if err := c.docker.removeAll(ctx, "label=io.x-k8s.kind.cluster="+c.kindName()); err != nil {
			return err
		}
		if err := c.removeBuilder(ctx); err != nil {
			return err
		}
		if !c.docker.has(ctx, "network", c.kindName()) {
			return nil
		}
		_, err := c.docker.do(ctx, "network", "rm", c.kindName())
		return err
	})
}

// leaveDaemon removes the cluster from our own daemon, and stops the daemon when no other cluster uses it.
func (c *cluster) leaveDaemon(ctx context.Context) error {
	e, err := findDaemon()
	if err != nil {
		return err
	}
	release, err := c.lock(ctx, "docker")
	if err != nil {
		return err
	}
	defer release()
	// A daemon that has died is started once more: only it can take a container's layers out of the cache.
	var failure error
	if _, err := os.Stat(e.path("data")); !errors.Is(err, fs.ErrNotExist) {
		if c.docker, failure = e.ensure(ctx, c.journal); failure == nil {
			failure = c.removeFromDocker(ctx)
		}
	}
	left, err := e.leave(c.st.Options.Name)
	if err != nil || left > 0 {
		return errors.Join(failure, err)
	}
	err = c.step("stopping the Docker daemon", func() error { return e.stop(ctx) })
	return errors.Join(failure, err, os.RemoveAll(filepath.Join(e.root, "logs")))
}
