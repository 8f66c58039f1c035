// Command cluster runs Kubernetes clusters on this machine, for people who try things out and for tests.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rollout-dev/rollout/e2e/cluster/image"
	"github.com/rollout-dev/rollout/e2e/cluster/kind"
	"github.com/rollout-dev/rollout/e2e/cluster/sandbox"
	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := newCommand(drivers()).ExecuteContext(ctx)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func drivers() map[state.Tier]state.Driver {
	return map[state.Tier]state.Driver{
		state.Sandbox: {Up: sandbox.Up, Down: sandbox.Down, Healthy: sandbox.Healthy},
		state.Kind:    {Up: kind.Up, Down: kind.Down, Healthy: kind.Healthy},
	}
}

func newCommand(drivers map[state.Tier]state.Driver) *cobra.Command {
	root := &cobra.Command{
		Use:   "cluster",
		Short: "Run Kubernetes clusters on this machine",
		Long: `Run Kubernetes clusters on this machine, any number of them side by side.

The sandbox tier needs nothing but Go: a real control plane and a real Prometheus, with simulated nodes and simulated
traffic that follows the routes. The kind tier runs real pods behind a real gateway and needs Docker, or root on Debian.`,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if runtime.GOOS != "linux" {
				return fmt.Errorf("clusters run on Linux only, and this is %s; run the command in a Linux virtual machine", runtime.GOOS)
			}
			return nil
		},
	}
	tiers := tiers(drivers)
	root.AddCommand(newUp(tiers), newDown(tiers), newStatus(tiers), newList(), newKubeconfig(), newBuild(), newGateway())
	root.AddCommand(kind.Commands()...)
	root.AddCommand(image.Commands()...)
	return root
}

// tiers are the ways to run a cluster that the command knows.
type tiers map[state.Tier]state.Driver

func (t tiers) of(tier state.Tier) (state.Driver, error) {
	driver, known := t[tier]
	if !known {
		return state.Driver{}, fmt.Errorf("--tier %s: this command was built without it", tier)
	}
	return driver, nil
}

// nameFlag adds the flag that says which cluster is meant.
func nameFlag(command *cobra.Command, name *string) {
	command.Flags().StringVar(name, "name", "default", "name of the cluster")
}
