package kind

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// dockerAnswer bounds how long a Docker daemon may take to answer the first question.
const dockerAnswer = 10 * time.Second

// docker is the client of one Docker daemon.
type docker struct {
	journal
	// client is the path of the docker program.
	client string
	// host is the address of our own daemon; empty means whatever the environment of this command points at.
	host string
}

func (d docker) env() []string {
	if d.host == "" {
		return nil
	}
	// A context would win over the host.
	return []string{"DOCKER_HOST=" + d.host, "DOCKER_CONTEXT=", "DOCKER_TLS_VERIFY="}
}

func (d docker) do(ctx context.Context, args ...string) (string, error) {
	return d.feed(ctx, nil, args...)
}

func (d docker) feed(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	out, err := d.run(ctx, program{path: d.client, args: args, env: d.env(), stdin: stdin})
	return strings.TrimSpace(out), err
}

func (d docker) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, dockerAnswer, fmt.Errorf("no answer within %s", dockerAnswer))
	defer cancel()
	_, err := d.do(ctx, "version", "--format", "{{.Server.Version}}")
	return err
}

func (d docker) has(ctx context.Context, kind, name string) bool {
	_, err := d.do(ctx, "inspect", "--type", kind, "--format", "{{.Id}}", name)
	return err == nil
}

// list returns the ids of the containers, running or not, that a filter of `docker ps` selects.
func (d docker) list(ctx context.Context, filter string) ([]string, error) {
	out, err := d.do(ctx, "ps", "--all", "--quiet", "--no-trunc", "--filter", filter)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	return strings.Fields(out), nil
}

// removeAll removes the containers that a filter of `docker ps` selects, with their volumes.
func (d docker) removeAll(ctx context.Context, filter string) error {
	ids, err := d.list(ctx, filter)
	if err != nil || len(ids) == 0 {
		return err
	}
	if _, err := d.do(ctx, append([]string{"rm", "--force", "--volumes"}, ids...)...); err != nil {
		return fmt.Errorf("remove containers: %w", err)
	}
	return nil
}

// connect finds the Docker daemon of this machine, or starts one of our own.
func (c *cluster) connect(ctx context.Context) error {
	missing := c.findForeign(ctx)
	if missing == nil {
		if err := c.nameIsFree(ctx); err != nil {
			return err
		}
		return c.note(detailDocker, "")
	}
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		return fmt.Errorf("DOCKER_HOST %q: no Docker daemon answers; start it, or unset the variable to have one started here: %w", host, missing)
	}
	var err error
	if c.docker, err = c.startDaemon(ctx); err != nil {
		return fmt.Errorf("no Docker daemon answers on this machine, and none could be started: %w", err)
	}
	// An up that was killed while Docker was creating its container leaves the container behind: nobody knew of it yet.
	return c.removeFromDocker(ctx)
}

// findForeign looks for the daemon that the environment of this command points at.
func (c *cluster) findForeign(ctx context.Context) error {
	client, err := findProgram("docker")
	if err != nil {
		return err
	}
	c.docker = docker{journal: c.journal, client: client}
	return c.docker.answers(ctx)
}
