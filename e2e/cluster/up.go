package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

// cleanupLimit bounds taking a cluster down after a failed start or at the end of a foreground one.
const cleanupLimit = 2 * time.Minute

func newUp(tiers tiers) *cobra.Command {
	var options state.Options
	var tier, only string
	var foreground bool
	command := &cobra.Command{
		Use:   "up",
		Short: "Start a cluster, and print the path of its kubeconfig when it can be used",
		Long: `Start a cluster, and print the path of its kubeconfig on standard output when it can be used. What happens meanwhile is
told on standard error. A cluster that runs already is left as it is.`,
		Example: `  export KUBECONFIG=$(cluster up)
  cluster up --name api-only --only apiserver
  cluster up --tier kind`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			options.Tier, options.Only = state.Tier(tier), state.Scope(only)
			if err := options.Validate(); err != nil {
				return err
			}
			// Asked for at once: a parent that dies while the cluster starts must not be taken for another one.
			parent := os.Getppid()
			u := upper{tiers: tiers, options: options, progress: command.ErrOrStderr()}
			st, err := u.up(command.Context())
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(command.OutOrStdout(), st.Kubeconfig); err != nil {
				return fmt.Errorf("print the kubeconfig's path: %w", err)
			}
			if !foreground {
				return nil
			}
			return u.hold(command.Context(), parent)
		},
	}
	nameFlag(command, &options.Name)
	flags := command.Flags()
	flags.StringVar(&tier, "tier", string(state.Sandbox), "sandbox or kind")
	flags.StringVar(&only, "only", "", "start a part of a sandbox: apiserver (etcd and kube-apiserver) or control-plane (and kube-controller-manager)")
	flags.IntVar(&options.Nodes, "nodes", 3, "simulated nodes of a sandbox")
	flags.DurationVar(&options.ScrapeInterval, "scrape-interval", time.Second, "how often Prometheus asks the gateway for its metrics")
	flags.Float64Var(&options.RequestsPerSecond, "rps", 100, "simulated requests per second to each route of a sandbox")
	flags.BoolVar(&foreground, "foreground", false, "stay, and take the cluster down on Ctrl-C or when the calling process ends")
	return command
}

// upper brings one cluster up.
type upper struct {
	tiers    tiers
	options  state.Options
	progress io.Writer
}

func (u upper) say(format string, args ...any) { _, _ = fmt.Fprintf(u.progress, format+"\n", args...) }

func (u upper) up(ctx context.Context) (state.State, error) {
	driver, err := u.tiers.of(u.options.Tier)
	if err != nil {
		return state.State{}, err
	}
	release, err := lock(ctx, u.options.Name, u.progress)
	if err != nil {
		return state.State{}, err
	}
	defer release()

	existing, usable, err := u.existing(ctx)
	if err != nil || usable {
		return existing, err
	}
	start := time.Now()
	st, err := driver.Up(ctx, u.options, u.progress)
	if err != nil {
		return state.State{}, errors.Join(err, u.abandon(ctx))
	}
	u.say("cluster %s (%s) is ready after %s", u.options.Name, u.options.Tier, time.Since(start).Round(100*time.Millisecond))
	describeURLs(u.progress, st)
	return st, nil
}

// existing returns the cluster of that name when it can be used as it is. What is left of one that can't is taken
// down.
func (u upper) existing(ctx context.Context) (st state.State, usable bool, err error) {
	st, err = state.Load(u.options.Name)
	if errors.Is(err, state.ErrNotFound) {
		return state.State{}, false, nil
	}
	if err != nil {
		return state.State{}, false, err
	}
	driver, err := u.tiers.of(st.Options.Tier)
	if err != nil {
		return state.State{}, false, err
	}
	ill := fmt.Errorf("it is %s", st.Phase)
	if st.Phase == state.Ready {
		ill = driver.Healthy(ctx, st)
	}
	if ill != nil {
		u.say("cluster %s can't be used any more (%v); starting it anew", u.options.Name, ill)
		return state.State{}, false, takeDown(ctx, driver, st, u.progress)
	}
	if st.Options != u.options {
		return state.State{}, false, fmt.Errorf(
			"cluster %s runs with other options (%s); take it down first (cluster down --name %s), or give this one another --name",
			u.options.Name, st.Options, u.options.Name)
	}
	u.say("cluster %s (%s) runs already", st.Options.Name, st.Options.Tier)
	describeURLs(u.progress, st)
	return st, true, nil
}

// abandon ends what a failed start has left. The logs stay, unless the user interrupted the start.
func (u upper) abandon(ctx context.Context) error {
	st, err := state.Load(u.options.Name)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	driver, err := u.tiers.of(st.Options.Tier)
	if err != nil {
		return err
	}
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
	defer cancel()
	if ctx.Err() != nil {
		return takeDown(cleanup, driver, st, u.progress)
	}
	if err := driver.Down(cleanup, st, u.progress); err != nil {
		return fmt.Errorf("clean up after the failed start: %w", err)
	}
	st.Phase, st.Processes = state.Failed, nil
	u.say("nothing of it runs any more; its logs stay in %s until \"cluster down --name %s\"", st.Dir, u.options.Name)
	return st.Save()
}

const parentPoll = 200 * time.Millisecond

// hold waits for a signal or the death of the calling process, and takes the cluster down.
func (u upper) hold(ctx context.Context, parent int) error {
	u.say("Ctrl-C takes it down")
	awaitEnd(ctx, parent)
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
	defer cancel()
	return down(cleanup, u.tiers, u.options.Name, u.progress)
}

// awaitEnd returns when ctx ends or this process has another parent than it had: its own has died.
func awaitEnd(ctx context.Context, parent int) {
	ticker := time.NewTicker(parentPoll)
	defer ticker.Stop()
	for os.Getppid() == parent {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func lock(ctx context.Context, name string, progress io.Writer) (release func(), err error) {
	return state.Lock(ctx, name, func() {
		_, _ = fmt.Fprintf(progress, "waiting for another command that works on cluster %s\n", name)
	})
}

func describeURLs(w io.Writer, st state.State) {
	for _, line := range []struct{ what, url string }{
		{"kubeconfig", st.Kubeconfig},
		{"Prometheus", st.URLs.Prometheus},
		{"gateway", st.URLs.Gateway},
		{"gateway's metrics", st.URLs.Metrics},
		{"received traffic", st.URLs.Traffic},
	} {
		if line.url != "" {
			_, _ = fmt.Fprintf(w, "  %-18s %s\n", line.what, line.url)
		}
	}
}
