// Package process starts the programs of a cluster so that they outlive the command that started them, recognises them
// again later, and ends exactly those.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// MarkVariable is set in the environment of every started program to the folder of its cluster. A command that was
// killed between starting a program and writing that down leaves a process nobody has recorded; the mark finds it.
const MarkVariable = "ROLLOUT_CLUSTER_DIR"

const (
	poll = 25 * time.Millisecond
	// killLimit bounds the wait for the kernel to carry out a SIGKILL.
	killLimit = 5 * time.Second
)

// Spec says what to start.
type Spec struct {
	// Name is what the program is called in messages, in the state and as its argv[0].
	Name string
	// Path is the program to execute.
	Path string
	// Args are its arguments, without argv[0].
	Args []string
	// Env is added to the environment of the command itself.
	Env []string
	// Dir is its working directory.
	Dir string
	// Log is the file that receives what it prints. An existing one is appended to.
	Log string
	// Mark is the value of MarkVariable.
	Mark string
}

// Process is one started program.
type Process struct {
	// Name is the name it was started under.
	Name string `json:"name"`
	// PID is its process id.
	PID int `json:"pid"`
	// Identity tells it from a later process that was given the same PID.
	Identity string `json:"identity"`
	// Log is the file it prints to.
	Log string `json:"log,omitempty"`
}

// Start starts a program in a session of its own, so that neither the end of the command nor a Ctrl-C in its terminal
// reaches it.
func Start(spec Spec) (Process, error) {
	if err := os.MkdirAll(filepath.Dir(spec.Log), 0o750); err != nil {
		return Process{}, fmt.Errorf("create the log folder of %s: %w", spec.Name, err)
	}
	log, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return Process{}, fmt.Errorf("open the log of %s: %w", spec.Name, err)
	}
	defer func() { _ = log.Close() }()

	// No context: the process is meant to outlive the command.
	command := exec.CommandContext(context.Background(), spec.Path, spec.Args...)
	command.Args[0] = spec.Name
	command.Dir = spec.Dir
	command.Env = append(append(os.Environ(), spec.Env...), MarkVariable+"="+spec.Mark)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return Process{}, fmt.Errorf("start %s (%s): %w", spec.Name, spec.Path, err)
	}
	pid := command.Process.Pid
	identity, _, err := identify(pid)
	if err != nil {
		return Process{}, errors.Join(fmt.Errorf("identify %s: %w", spec.Name, err), command.Process.Kill())
	}
	if err := command.Process.Release(); err != nil {
		return Process{}, fmt.Errorf("release %s: %w", spec.Name, err)
	}
	return Process{Name: spec.Name, PID: pid, Identity: identity, Log: spec.Log}, nil
}

// Alive reports whether this very process still runs: not another one with its PID, and not one that has exited and
// only waits to be collected.
func (p Process) Alive() bool {
	identity, ended, err := identify(p.PID)
	if err != nil || identity != p.Identity {
		return false
	}
	if ended {
		// It stays in the process table until it is collected, which works for our own children; those of an earlier
		// command belong to init.
		_, _ = unix.Wait4(p.PID, nil, unix.WNOHANG, nil)
	}
	return !ended
}

// Await calls probe until it succeeds. It gives up when ctx ends, or at once when the process or one of those it needs
// ends; either error carries the last lines that were printed.
func (p Process) Await(ctx context.Context, what string, probe func(context.Context) error, needs ...Process) error {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		for _, needed := range append(needs, p) {
			if !needed.Alive() {
				return fmt.Errorf("%s exited while the cluster waited for %s\n%s", needed.Name, what, needed.excerpt())
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (last answer: %w)\n%s", what, context.Cause(ctx), err, p.excerpt())
		case <-ticker.C:
		}
	}
}

func (p Process) excerpt() string {
	return fmt.Sprintf("the end of %s:\n%s", p.Log, Tail(p.Log, 15))
}

// Stop asks the processes to end, all at once, and kills those that have not done so after grace. Processes that no
// longer run, or whose PID belongs to somebody else by now, are left alone. Each is asked once, even when listed
// twice: many programs take a second SIGTERM for an order to drop everything.
func Stop(ctx context.Context, grace time.Duration, processes ...Process) error {
	slices.SortStableFunc(processes, func(a, b Process) int { return a.PID - b.PID })
	processes = slices.CompactFunc(processes, func(a, b Process) bool { return a.PID == b.PID && a.Identity == b.Identity })
	var failures []error
	for _, p := range processes {
		failures = append(failures, p.signal(syscall.SIGTERM))
	}
	left := awaitEnd(ctx, grace, processes)
	for _, p := range left {
		failures = append(failures, p.signal(syscall.SIGKILL))
	}
	for _, p := range awaitEnd(context.WithoutCancel(ctx), killLimit, left) {
		failures = append(failures, fmt.Errorf("%s (pid %d) does not end, not even by SIGKILL", p.Name, p.PID))
	}
	return errors.Join(failures...)
}

// signal verifies the identity after it has a handle on the process: from then on the PID cannot be reused unnoticed.
func (p Process) signal(s syscall.Signal) error {
	handle, err := os.FindProcess(p.PID)
	if err != nil {
		return fmt.Errorf("find %s (pid %d): %w", p.Name, p.PID, err)
	}
	defer func() { _ = handle.Release() }()
	if !p.Alive() {
		return nil
	}
	if err := handle.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to %s (pid %d): %w", s, p.Name, p.PID, err)
	}
	return nil
}

// awaitEnd returns the processes that still run when all have ended, the grace is over or ctx ends.
func awaitEnd(ctx context.Context, grace time.Duration, processes []Process) []Process {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		var left []Process
		for _, p := range processes {
			if p.Alive() {
				left = append(left, p)
			}
		}
		if len(left) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return left
		case <-ticker.C:
		}
	}
}
