package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func (p *program) restartCommand() *cobra.Command {
	var flags requestFlags
	cmd := &cobra.Command{
		Use:   "restart NAME",
		Short: "Replace all pods by new ones of the same revision",
		Long: `Replace all pods by new ones of the same revision, a few at once and with surge, so that none is missing meanwhile. The
template stays as it is, so this is no release: there are no steps and nothing is judged. It waits for a release that is
under way.

status waits until all are replaced.`,
		Example: `  rollout restart checkout
  rollout restart checkout && rollout status checkout`,
		Args:              p.oneName,
		ValidArgsFunction: p.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.request(cmd, args[0], v1alpha1.VerbRestart, nothingToRestart, flags)
		},
	}
	flags.addTo(cmd)
	return cmd
}

func nothingToRestart(r *v1alpha1.Rollout) string {
	if r.Status.StableRevision == "" {
		return fmt.Sprintf("nothing to restart: no revision of %s has been stable yet", r.Name)
	}
	return ""
}
