// Command rollout shows what a Rollout does and why, waits for it, and hands on what a person wants of it. Under a name
// such as kubectl-ro it is a plugin of kubectl.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, environment{
		args:    os.Args,
		streams: genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		now:     time.Now,
		getenv:  os.Getenv,
		size:    terminalSize,
		retry:   time.Second,
	})
	stop()
	os.Exit(code)
}

// terminalSize is how many columns and lines stdout shows; false if it is not a terminal. Some terminals don't know their
// size and get that of the first ones.
func terminalSize() (columns, lines int, ok bool) {
	fd := int(os.Stdout.Fd())
	if !term.IsTerminal(fd) {
		return 0, 0, false
	}
	columns, lines, err := term.GetSize(fd)
	if err != nil || columns <= 0 || lines <= 0 {
		return 80, 24, true
	}
	return columns, lines, true
}
