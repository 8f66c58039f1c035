//go:build e2e

package release

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// shared is the cluster of all tests of this package: to start one takes longer than any of them. TestMain alone sets it.
var shared *cluster

// parallel is how many tests run at the same time, of those that disturb no other.
const parallel = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.list").Value.String() != "" {
		os.Exit(m.Run())
	}
	// The tests that may run side by side wait most of the time, whatever the number of processors.
	if err := flag.Set("test.parallel", parallel); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	// An API server that answers late is there all the same. All tests call through one connection, and what is under way there fails when
	// it is given up, after 15s by default.
	if err := os.Setenv("HTTP2_PING_TIMEOUT_SECONDS", "60"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := run(ctx, m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

// run starts the cluster, runs the tests in it, and takes it down. The command that runs the cluster takes it down by
// itself should this process die, by a panic for example.
func run(ctx context.Context, m *testing.M) (code int, err error) {
	c, err := startCluster(ctx)
	if err != nil {
		return 1, err
	}
	defer func() {
		if stopErr := c.stop(); err == nil {
			err = stopErr
		}
	}()
	if err := c.install(ctx); err != nil {
		return 1, err
	}
	shared = c
	code = m.Run()
	if code != 0 {
		c.printLogs(context.WithoutCancel(ctx), os.Stderr, controllerSelector)
	}
	c.collectFigures(context.WithoutCancel(ctx))
	c.figures.print(os.Stdout)
	c.transitions.print(os.Stdout)
	c.dataPlanes.print(os.Stdout)
	return code, nil
}
