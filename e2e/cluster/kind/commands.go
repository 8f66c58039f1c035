package kind

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

// Commands are the subcommands of this package: `load` and `istio`.
func Commands() []*cobra.Command { return []*cobra.Command{newLoad(), newIstio()} }

func newLoad() *cobra.Command {
	var name string
	load := &cobra.Command{
		Use:   "load --name CLUSTER IMAGE.tar...",
		Short: "Put container images onto the node of a kind cluster",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, archives []string) error {
			st, err := ofThisTier(name)
			if err != nil {
				return err
			}
			for _, archive := range archives {
				if err := LoadImage(cmd.Context(), st, archive); err != nil {
					return err
				}
			}
			return nil
		},
	}
	load.Flags().StringVar(&name, "name", "default", "name of the cluster")
	return load
}

func newIstio() *cobra.Command {
	var name string
	istio := &cobra.Command{
		Use:   "istio --name CLUSTER",
		Short: "Put Istio's control plane into a kind cluster, for clients that speak xDS themselves",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := ofThisTier(name)
			if err != nil {
				return err
			}
			return InstallIstio(cmd.Context(), st, cmd.ErrOrStderr())
		},
	}
	istio.Flags().StringVar(&name, "name", "default", "name of the cluster")
	return istio
}

// ofThisTier reads what is written down about a cluster, which has to run pods.
func ofThisTier(name string) (state.State, error) {
	st, err := state.Load(name)
	if err == nil && st.Options.Tier != state.Kind {
		err = fmt.Errorf("--name %s: a cluster of tier %s runs no images; start one with --tier %s", name, st.Options.Tier, state.Kind)
	}
	return st, err
}
