package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

func newDown(tiers tiers) *cobra.Command {
	var name string
	var all bool
	command := &cobra.Command{
		Use:   "down",
		Short: "Stop a cluster and remove everything that belongs to it",
		Long: `Stop a cluster and remove everything that belongs to it, however it was left: running, half started, or after its
programs were killed. That there is no such cluster is no error.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if !all {
				return down(command.Context(), tiers, name, command.ErrOrStderr())
			}
			clusters, err := state.List()
			if err != nil {
				return err
			}
			var failures []error
			for _, st := range clusters {
				failures = append(failures, down(command.Context(), tiers, st.Options.Name, command.ErrOrStderr()))
			}
			return errors.Join(failures...)
		},
	}
	nameFlag(command, &name)
	command.Flags().BoolVar(&all, "all", false, "every cluster that list shows")
	command.MarkFlagsMutuallyExclusive("name", "all")
	return command
}

// down takes the cluster called name down while nobody else works on it.
func down(ctx context.Context, tiers tiers, name string, progress io.Writer) error {
	if err := state.ValidateName(name); err != nil {
		return err
	}
	release, err := lock(ctx, name, progress)
	if err != nil {
		return err
	}
	defer release()
	st, err := state.Load(name)
	if errors.Is(err, state.ErrNotFound) {
		_, _ = fmt.Fprintf(progress, "there is no cluster %s\n", name)
		return nil
	}
	if err != nil {
		return err
	}
	driver, err := tiers.of(st.Options.Tier)
	if err != nil {
		return err
	}
	return takeDown(ctx, driver, st, progress)
}

// takeDown ends the cluster, then removes its folder: when ending it fails, down can be called again.
func takeDown(ctx context.Context, driver state.Driver, st state.State, progress io.Writer) error {
	start := time.Now()
	st.Phase = state.Stopping
	if err := st.Save(); err != nil {
		return err
	}
	if err := driver.Down(ctx, st, progress); err != nil {
		return fmt.Errorf("take down cluster %s: %w", st.Options.Name, err)
	}
	if err := st.Remove(); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(progress, "cluster %s is gone after %s\n", st.Options.Name, time.Since(start).Round(100*time.Millisecond))
	return nil
}
