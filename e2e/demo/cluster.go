package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

const (
	// upLimit leaves time for building Kubernetes on a small machine.
	upLimit   = 60 * time.Minute
	downLimit = 3 * time.Minute
)

// cluster is the demo's own, run by the cluster command.
type cluster struct {
	tier, name string
	// program is the path of the cluster command.
	program  string
	progress *progress
	process  *child

	kubeconfig string
	urls       struct{ Prometheus, Traffic, Gateway string }
}

// progress passes on what the cluster command tells, except while a picture is on the screen.
type progress struct {
	out   io.Writer
	mu    sync.Mutex
	muted bool // follows mu
}

func (p *progress) mute(muted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.muted = muted
}

// Write always takes everything: the cluster must not end because a terminal did.
func (p *progress) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.muted {
		_, _ = p.out.Write(text)
	}
	return len(text), nil
}

// up starts the cluster in the foreground of a process of ours: when the demo dies, whatever the reason, that process
// takes the cluster down.
func (c *cluster) up(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, upLimit, fmt.Errorf("it took longer than %s", upLimit))
	defer cancel()
	reader, writer := io.Pipe()
	// No traffic until the application is there to answer it. Not bound to ctx: it is stopped, never killed.
	command := exec.Command(c.program, "up", "--foreground", "--tier", c.tier, "--name", c.name, "--rps", "0") //nolint:noctx // See above.
	command.Stdout, command.Stderr = writer, c.progress
	var err error
	if c.process, err = start(command); err != nil {
		return err
	}
	line := make(chan string, 1)
	go func() {
		first, _ := bufio.NewReader(reader).ReadString('\n')
		line <- first
		_, _ = io.Copy(io.Discard, reader)
	}()
	select {
	case <-line:
		return c.describe(ctx)
	case <-c.process.done:
		_ = writer.Close()
		return fmt.Errorf("start the cluster: %s up: %w", c.program, c.process.err)
	case <-ctx.Done():
		_ = writer.CloseWithError(ctx.Err())
		return fmt.Errorf("start the cluster: %w", context.Cause(ctx))
	}
}

// describe asks where the cluster's parts are.
func (c *cluster) describe(ctx context.Context) error {
	command := exec.CommandContext(ctx, c.program, "status", "--name", c.name, "-o", "json")
	command.Stderr = c.progress
	output, err := command.Output()
	if err != nil {
		return fmt.Errorf("ask where the cluster's parts are: %s status: %w", c.program, err)
	}
	var status struct {
		Kubeconfig string
		URLs       struct{ Prometheus, Traffic, Gateway string }
	}
	if err := json.Unmarshal(output, &status); err != nil {
		return fmt.Errorf("read what %s status prints: %w", c.program, err)
	}
	c.kubeconfig, c.urls = status.Kubeconfig, status.URLs
	return nil
}

// run carries out another subcommand for this cluster.
func (c *cluster) run(ctx context.Context, args ...string) error {
	command := exec.CommandContext(ctx, c.program, args...)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(c.program), strconv.Quote(args[0]), err, output.Bytes())
	}
	return nil
}

// down ends the cluster. If its own process doesn't do that properly, as it does when its start is interrupted, another
// one cleans up behind it.
func (c *cluster) down() error {
	if c.process == nil {
		return nil
	}
	fmt.Println("\nTaking the cluster down")
	c.progress.mute(true)
	err := c.process.stop(downLimit)
	if err != nil {
		ctx, cancel := context.WithTimeout(context.Background(), downLimit)
		defer cancel()
		if again := c.run(ctx, "down", "--name", c.name); again != nil {
			return errors.Join(fmt.Errorf("take the cluster down: %w", err), again)
		}
	}
	fmt.Println("It is gone, with everything that ran in it")
	return nil
}
