package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// child is a program that runs beside the demo, and never longer than it.
type child struct {
	name    string
	command *exec.Cmd
	done    chan struct{}
	// err is how it ended; set before done is closed.
	err error
}

// start runs a command. It gets a process group of its own, so that a Ctrl-C in the terminal reaches the demo alone, and
// SIGTERM when the demo dies without having stopped it.
func start(command *exec.Cmd) (*child, error) {
	c := &child{name: filepath.Base(command.Path), command: command, done: make(chan struct{})}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error)
	go func() {
		defer close(c.done)
		// The kernel sends the signal when the thread that started the program ends, so that thread waits here.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			c.err = command.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	return c, nil
}

// stop asks the program to end and kills it if that takes longer than grace. The error is how it ended.
func (c *child) stop(grace time.Duration) error {
	if err := c.command.Process.Signal(syscall.SIGTERM); err != nil {
		<-c.done // It has ended already.
		return c.err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.err
	case <-timer.C:
	}
	err := c.command.Process.Kill()
	<-c.done
	return errors.Join(fmt.Errorf("%s did not end within %s and was killed", c.name, grace), err)
}
