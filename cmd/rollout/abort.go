package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rollout-dev/rollout/cmd/rollout/internal/view"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func (p *program) abortCommand() *cobra.Command {
	var flags requestFlags
	cmd := &cobra.Command{
		Use:   "abort NAME",
		Short: "Take the release back: stable gets all traffic again",
		Long: `Take the release back: stable gets all traffic again, then the pods of the new revision go. The spec stays as it is; a
change of the template starts a new release, and retry this one again.

An abort goes before any other request that has not been answered yet.`,
		Example:           `  rollout abort checkout`,
		Args:              p.oneName,
		ValidArgsFunction: p.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.request(cmd, args[0], v1alpha1.VerbAbort, nothingToAbort, flags)
		},
	}
	flags.addTo(cmd)
	return cmd
}

func nothingToAbort(r *v1alpha1.Rollout) string {
	release := r.Status.Release
	switch {
	case release == nil:
		return "nothing to abort: " + noRelease(r)
	case view.Installing(release):
		return fmt.Sprintf("nothing to abort: revision %s is the first one, there is no stable revision to go back to", release.Revision)
	case view.TakenBack(release):
		return fmt.Sprintf("nothing to abort: revision %s %s", release.Revision, view.Back(release))
	default:
		return ""
	}
}
