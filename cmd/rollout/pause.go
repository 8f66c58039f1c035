package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rollout-dev/rollout/cmd/rollout/internal/view"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func (p *program) pauseCommand() *cobra.Command {
	var flags requestFlags
	cmd := &cobra.Command{
		Use:   "pause NAME",
		Short: "Hold a Rollout where it is, until it is resumed",
		Long: `Hold a Rollout where it is, until it is resumed: no release starts and none goes on, whatever step it is at. The share of
the traffic stays as it is.

Aborting, scaling and repair still work, and the metrics still take a bad release back. The spec stays as it is, so a
GitOps tool has nothing to undo.`,
		Example:           `  rollout pause checkout`,
		Args:              p.oneName,
		ValidArgsFunction: p.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.request(cmd, args[0], v1alpha1.VerbPause, nothingToPause, flags)
		},
	}
	flags.addTo(cmd)
	return cmd
}

func nothingToPause(r *v1alpha1.Rollout) string {
	if paused := view.Paused(r); paused != "" {
		return fmt.Sprintf("nothing to pause: %s is paused already, %s", r.Name, paused)
	}
	return ""
}
