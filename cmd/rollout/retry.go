package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rollout-dev/rollout/cmd/rollout/internal/view"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func (p *program) retryCommand() *cobra.Command {
	var flags requestFlags
	cmd := &cobra.Command{
		Use:               "retry NAME",
		Short:             "Start a release that was taken back again, from its first step",
		Example:           `  rollout retry checkout`,
		Args:              p.oneName,
		ValidArgsFunction: p.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.request(cmd, args[0], v1alpha1.VerbRetry, p.nothingToRetry, flags)
		},
	}
	flags.addTo(cmd)
	return cmd
}

func (p *program) nothingToRetry(r *v1alpha1.Rollout) string {
	release := r.Status.Release
	switch {
	case release == nil:
		return "nothing to retry: " + noRelease(r)
	case !view.TakenBack(release):
		return fmt.Sprintf("nothing to retry: revision %s is being released; %s get %s shows how far it is",
			release.Revision, p.name, r.Name)
	default:
		return ""
	}
}
