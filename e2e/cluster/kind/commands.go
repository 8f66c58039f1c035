package kind

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

// Commands are the subcommands of this package: `load`.
func Commands() []*cobra.Command {
	var name string
	load := &cobra.Command{
		Use:   "load --name CLUSTER IMAGE.tar...",
		Short: "Put container images onto the node of a kind cluster",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, archives []string) error {
			st, err := state.Load(name)
			if err != nil {
				return err
			}
			if st.Options.Tier != state.Kind {
				return fmt.Errorf("--name %s: a cluster of tier %s runs no images; start one with --tier %s", name, st.Options.Tier, state.Kind)
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
	return []*cobra.Command{load}
}
