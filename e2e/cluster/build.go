package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rollout-dev/rollout/e2e/cluster/parts"
	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

// newBuild builds ahead of time what up would build, so that a program that brings clusters up behind the scenes finds
// everything there.
func newBuild() *cobra.Command {
	var tier string
	var mesh bool
	command := &cobra.Command{
		Use:   "build",
		Short: "Build the programs of a tier ahead of time",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			names := map[state.Tier][]parts.Name{
				state.Sandbox: {parts.ControlPlane, parts.Etcd, parts.Kwok, parts.Prometheus},
				state.Kind:    {parts.ControlPlane, parts.Node, parts.Etcd, parts.CoreDNS, parts.Traefik, parts.Prometheus},
			}[state.Tier(tier)]
			if names == nil {
				return fmt.Errorf("--tier is %q; it must be sandbox or kind", tier)
			}
			if mesh {
				names = append(names, parts.Istiod)
			}
			_, err := parts.Build(command.Context(), command.ErrOrStderr(), names...)
			return err
		},
	}
	command.Flags().StringVar(&tier, "tier", string(state.Sandbox), "sandbox or kind")
	command.Flags().BoolVar(&mesh, "istio", false, "build Istio's control plane as well")
	return command
}
