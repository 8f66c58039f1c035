package stage

import (
	"bytes"
	"fmt"
	"os/exec"
	"sync"
)

// Controller is a process of the engine that looks after one namespace and keeps its lease there. Its methods may be called
// from several goroutines.
type Controller struct {
	args   []string
	output output

	mu   sync.Mutex
	cmd  *exec.Cmd     // follows mu
	done chan struct{} // follows mu
}

// NewController makes a controller that isn't started yet. A process that is killed and started again keeps its identity, so
// that it need not wait for its own lease to run out. Of several flags of one name the last counts.
func (c *Cluster) NewController(namespace, identity string, flags ...string) *Controller {
	return &Controller{args: append([]string{
		"--kubeconfig", c.Kubeconfig, "--namespace", namespace, "--leader-election-namespace", namespace,
		"--identity", identity, "--prometheus-address", c.Prometheus, "--health-address", "127.0.0.1:0",
		"--metrics-address", "127.0.0.1:0", "--log-format", "console", "--log-level", "debug",
	}, flags...)}
}

// Start starts the process and returns a channel that is closed when it has ended.
func (c *Controller) Start() (ended <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cmd, done := Command("rollout-controller", c.args...), make(chan struct{})
	cmd.Stdout, cmd.Stderr = &c.output, &c.output
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a controller: %w", err)
	}
	c.cmd, c.done = cmd, done
	go func() {
		defer close(done)
		if err := cmd.Wait(); err != nil {
			_, _ = fmt.Fprintf(&c.output, "--- the process ended: %v\n", err)
		}
	}()
	return done, nil
}

// Kill ends the process the hard way, so that no signal handler runs, and returns when it is gone.
func (c *Controller) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Kill() // It may have ended by itself.
	<-c.done
	c.cmd = nil
}

// Output is what the process has written so far, and those before it.
func (c *Controller) Output() string { return c.output.String() }

// output collects what several processes write one after the other.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer // follows mu
}

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(text)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
