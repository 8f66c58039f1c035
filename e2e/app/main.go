// Command app is the sample application that the demo and the end-to-end tests release. It tells which version and pod
// answered, can be made bad in two ways (errors and slowness), and ends as a well-behaved application does.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	s, err := readSettings(os.Getenv)
	if err != nil {
		return err
	}
	if s.pod, err = os.Hostname(); err != nil {
		return fmt.Errorf("read the name of the pod: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	return newApp(s).serve(ctx, listener)
}
