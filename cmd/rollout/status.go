package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollout-dev/rollout/cmd/rollout/internal/view"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func (p *program) statusCommand() *cobra.Command {
	var timeout time.Duration
	var watch bool
	cmd := &cobra.Command{
		Use:   "status NAME",
		Short: "Wait until a Rollout has settled, and tell by the exit code how",
		Long: `Wait until a Rollout has settled for its current spec, printing a line for every change of its state.

Exit codes:
  0  Healthy: the revision of the spec is stable and serves everything, and no restart is under way
  2  Paused: the release waits for a person
  3  Degraded: the revision was taken back or can't be released
  4  it has not settled within --timeout
  5  Progressing, with --watch=false only
  1  anything else: no such Rollout, no connection, deleted or interrupted while waiting, wrong usage`,
		Example: `  rollout status checkout --timeout 30m
  rollout status checkout --watch=false`,
		Args:              p.oneName,
		ValidArgsFunction: p.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout <= 0 {
				return fmt.Errorf("--timeout %s: it must be more than 0; --watch=false does not wait", timeout)
			}
			c, err := p.connect()
			if err != nil {
				return err
			}
			if !watch {
				return p.statusNow(cmd.Context(), c, nameOf(args[0]))
			}
			return p.statusWait(cmd.Context(), c, nameOf(args[0]), timeout)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "How long to wait")
	cmd.Flags().BoolVarP(&watch, "watch", "w", true, "Wait; with =false, report what is so now")
	return cmd
}

func (p *program) statusNow(ctx context.Context, c *cluster, name string) error {
	rollout, err := c.get(ctx, name)
	if err != nil {
		return err
	}
	if unseen := c.borrowed(ctx, rollout).unseen(rollout); unseen != "" {
		if _, err := fmt.Fprintln(p.streams.Out, unseen); err != nil {
			return err
		}
		return &exitError{code: exitProgressing}
	}
	if _, err := fmt.Fprintln(p.streams.Out, view.Line(rollout, p.style())); err != nil {
		return err
	}
	return outcome(rollout)
}

var errNotSettled = errors.New("not settled in time")

func (p *program) statusWait(ctx context.Context, c *cluster, name string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errNotSettled)
	defer cancel()
	line := ""
	var settled error
	var change *borrowed
	done := false
	err := p.followOne(ctx, c, name, viewer{trouble: p.warnOnce(), see: func(r *v1alpha1.Rollout) (bool, error) {
		if change == nil {
			seen := c.borrowed(ctx, r)
			change = &seen
		}
		if unseen := change.unseen(r); unseen != "" {
			return false, p.printText(unseen, &line)
		}
		if err := p.printLine(r, &line); err != nil {
			return false, err
		}
		settled, done = outcome(r), !progressing(r)
		return done, nil
	}})
	switch {
	case err != nil:
		return err
	case done:
		return settled
	case errors.Is(context.Cause(ctx), errNotSettled):
		return &exitError{exitTimeout, fmt.Sprintf("%s/%s has not settled within %s", c.namespace, name, timeout)}
	default:
		return fmt.Errorf("interrupted before %s/%s had settled", c.namespace, name)
	}
}

// progressing says whether a Rollout goes on without anybody's help. A request that has not been answered may still
// change everything, so that a status right after a promote does not report the pause that this ends.
func progressing(r *v1alpha1.Rollout) bool {
	if view.Behind(r) != "" || view.Unanswered(r) != nil {
		return true
	}
	switch r.Status.Phase {
	case v1alpha1.PhaseHealthy:
		return view.Restarting(r)
	case v1alpha1.PhasePaused, v1alpha1.PhaseDegraded:
		return false
	default:
		return true
	}
}

// outcome is the state of a Rollout as an exit code. The words have been printed already.
func outcome(r *v1alpha1.Rollout) error {
	switch {
	case progressing(r):
		return &exitError{code: exitProgressing}
	case r.Status.Phase == v1alpha1.PhasePaused:
		return &exitError{code: exitPaused}
	case r.Status.Phase == v1alpha1.PhaseDegraded:
		return &exitError{code: exitDegraded}
	default:
		return nil
	}
}
