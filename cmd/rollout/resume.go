package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rollout-dev/rollout/cmd/rollout/internal/view"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func (p *program) resumeCommand() *cobra.Command {
	var flags requestFlags
	cmd := &cobra.Command{
		Use:   "resume NAME",
		Short: "Let a Rollout go on that was paused",
		Long: `Let a Rollout go on that was held by pause, from where it is.

A pause that is a step of the plan is ended by promote, and one in the spec (spec.paused) where the spec is kept.`,
		Example:           `  rollout resume checkout`,
		Args:              p.oneName,
		ValidArgsFunction: p.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.request(cmd, args[0], v1alpha1.VerbResume, p.nothingToResume, flags)
		},
	}
	flags.addTo(cmd)
	return cmd
}

func (p *program) nothingToResume(r *v1alpha1.Rollout) string {
	switch {
	case r.Status.Paused:
		return ""
	case r.Spec.Paused:
		return fmt.Sprintf("nothing to resume: it is the spec that pauses %s (spec.paused); set it to false where the spec is kept, or with "+
			`kubectl -n %s patch rollout %s --type=merge -p '{"spec":{"paused":false}}'`, r.Name, r.Namespace, r.Name)
	}
	if step, of, waits := view.WaitingStep(r); waits {
		return fmt.Sprintf("nothing to resume: nobody paused %s, its release is at step %d of %d, a pause of the plan; "+
			"%s promote %s ends the step", r.Name, step, of, p.name, r.Name)
	}
	return fmt.Sprintf("nothing to resume: %s is not paused (%s)", r.Name, view.Line(r, view.Style{}))
}
