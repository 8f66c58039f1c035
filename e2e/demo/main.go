// Command demo plays three releases of a sample application against constant traffic, in a cluster of its own: a good
// one that is promoted, and two bad ones that are taken back.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
)

// The tiers of the cluster command.
const (
	sandboxTier = "sandbox"
	kindTier    = "kind"
)

const (
	// installLimit bounds putting the engine into the cluster; for kind two images are built.
	installLimit = 15 * time.Minute
	// tailLines is how much of a log is shown after a failure.
	tailLines = 20
	// reportLimit bounds asking for the reasons of a failure.
	reportLimit = 20 * time.Second
	parentPoll  = 200 * time.Millisecond
)

func main() {
	// SIGPIPE too: writing to a pager that has quit must not kill the demo before it has cleaned up.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	// Client libraries log to standard error, into the picture. What matters comes back as an error.
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	tier := pflag.String("tier", sandboxTier, "sandbox (simulated pods and traffic) or kind (real ones)")
	pflag.Parse()
	if err := run(ctx, *tier); err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, tier string) (err error) {
	if tier != sandboxTier && tier != kindTier {
		return fmt.Errorf("--tier %q: want %s or %s", tier, sandboxTier, kindTier)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go endWithParent(ctx, cancel)

	dir, err := os.MkdirTemp("", "rollout-demo-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	programs := os.Getenv("ROLLOUT_BIN")
	if programs == "" {
		programs = "bin"
	}
	fmt.Printf("Three releases of a sample application against constant traffic, in a %s cluster of their own.\n"+
		"Ctrl-C ends the demo at any time and removes everything.\n\n", tier)
	c := &cluster{
		tier: tier, name: fmt.Sprintf("demo-%04x", rand.N(1<<16)),
		program: filepath.Join(programs, "cluster"), progress: &progress{out: os.Stderr},
	}
	defer func() { err = errors.Join(err, c.down()) }()
	if err := c.up(ctx); err != nil {
		return err
	}
	return perform(ctx, c, programs, dir)
}

// perform plays the demo in a cluster that is up.
func perform(ctx context.Context, c *cluster, programs, dir string) (err error) {
	stage := stageOf(c, programs, dir)
	defer func() { err = errors.Join(err, stage.close()) }()
	app, err := connect(c.kubeconfig, stage)
	if err != nil {
		return err
	}
	history, err := newHistory(c.urls.Prometheus)
	if err != nil {
		return err
	}
	if err := install(ctx, app); err != nil {
		return err
	}
	show := newDisplay(os.Stdout)
	defer show.close()
	clients := stage.clients()
	defer clients.stop()
	c.progress.mute(true)
	p := &play{
		app: app, clients: clients, history: history, display: show,
		place: fmt.Sprintf("%s cluster %s", c.tier, c.name), started: time.Now(), versions: map[string]string{},
	}
	results, err := p.run(ctx)
	clients.stop()
	show.close()
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w\n\n%s", err, explain(ctx, c, stage, programs))
	}
	summarize(os.Stdout, results)
	var broken []error
	for _, r := range results {
		broken = append(broken, r.check())
	}
	if err := errors.Join(broken...); err != nil {
		return fmt.Errorf("%w\n\n%s", err, explain(ctx, c, stage, programs))
	}
	fmt.Print("\nAs promised: the good version was promoted, the bad ones were taken back, and no request was lost.\n", next(c.tier))
	return nil
}

func install(ctx context.Context, a *app) error {
	ctx, cancel := context.WithTimeoutCause(ctx, installLimit, fmt.Errorf("it took longer than %s", installLimit))
	defer cancel()
	fmt.Println("\nInstalling the engine")
	err := a.installDefinition(ctx)
	if err == nil {
		err = a.stage.install(ctx)
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("install the engine: %w", err)
	}
	return nil
}

// explain is what a person would look at after a failure, while the cluster is still there.
func explain(ctx context.Context, c *cluster, s stage, programs string) string {
	ctx, cancel := context.WithTimeout(ctx, reportLimit)
	defer cancel()
	picture, err := exec.CommandContext(ctx, filepath.Join(programs, "rollout"), //nolint:gosec // ROLLOUT_BIN is meant to say what runs.
		"--kubeconfig", c.kubeconfig, "--namespace", namespace, "get", appName).CombinedOutput()
	if err != nil {
		picture = append(picture, err.Error()...)
	}
	log := strings.Split(strings.TrimSpace(s.log(ctx)), "\n")
	return fmt.Sprintf("rollout get %s:\n\n%s\nThe end of the controller's log:\n\n%s",
		appName, picture, strings.Join(log[max(len(log)-tailLines, 0):], "\n"))
}

// endWithParent ends the demo when the process that started it has died: a killed go run doesn't tell its program.
func endWithParent(ctx context.Context, cancel context.CancelCauseFunc) {
	parent := os.Getppid()
	ticker := time.NewTicker(parentPoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if os.Getppid() != parent {
				cancel(errors.New("the process that started the demo has ended"))
			}
		}
	}
}
