package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rollout-dev/rollout/cmd/rollout/internal/view"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func (p *program) promoteCommand() *cobra.Command {
	var full bool
	var flags requestFlags
	cmd := &cobra.Command{
		Use:   "promote NAME",
		Short: "End the current step of a release, or with --full all of them",
		Long: `End the current step of a release, or a wait for a gate or a verdict. With --full the release skips all steps, the gates and the analysis
and goes into production as fast as it can without losing requests.

The request is bound to the revision and the step that the release is at now; if it moves on meanwhile, it is refused.`,
		Example: `  rollout promote checkout
  rollout promote checkout --full`,
		Args:              p.oneName,
		ValidArgsFunction: p.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			verb := v1alpha1.VerbPromote
			if full {
				verb = v1alpha1.VerbPromoteFull
			}
			return p.request(cmd, args[0], verb, p.nothingToPromote, flags)
		},
	}
	cmd.Flags().BoolVar(&full, "full", false, "Skip all steps, the gates and the analysis")
	flags.addTo(cmd)
	return cmd
}

func (p *program) nothingToPromote(r *v1alpha1.Rollout) string {
	release := r.Status.Release
	switch {
	case release == nil:
		return "nothing to promote: " + noRelease(r)
	case view.Installing(release):
		return fmt.Sprintf("nothing to promote: revision %s is the first one, there is nothing to skip", release.Revision)
	case view.TakenBack(release):
		return fmt.Sprintf("nothing to promote: revision %s %s; %s retry %s starts it again",
			release.Revision, view.Back(release), p.name, r.Name)
	default:
		return ""
	}
}

// noRelease says what is so while no release is under way.
func noRelease(r *v1alpha1.Rollout) string {
	if r.Status.StableRevision == "" {
		return "no release is under way"
	}
	return fmt.Sprintf("revision %s is stable", r.Status.StableRevision)
}
