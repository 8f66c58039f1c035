package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

// report is what status prints.
type report struct {
	state.State
	// Healthy tells whether the cluster can be used.
	Healthy bool `json:"healthy"`
	// Problem says why not.
	Problem string `json:"problem,omitempty"`
	// ResidentBytes is the memory its processes hold.
	ResidentBytes int64 `json:"residentBytes"`
}

func newStatus(tiers tiers) *cobra.Command {
	var name, output string
	command := &cobra.Command{
		Use:   "status",
		Short: "Show a cluster; fails unless it can be used",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return fmt.Errorf("-o %q: want json, or leave it out", output)
			}
			if err := state.ValidateName(name); err != nil {
				return err
			}
			st, err := state.Load(name)
			if err != nil {
				return err
			}
			driver, err := tiers.of(st.Options.Tier)
			if err != nil {
				return err
			}
			ill := fmt.Errorf("it is %s", st.Phase)
			if st.Phase == state.Ready {
				ill = driver.Healthy(command.Context(), st)
			}
			r := report{State: st, Healthy: ill == nil, ResidentBytes: resident(st)}
			if ill != nil {
				r.Problem = ill.Error()
			}
			if err := r.print(command.OutOrStdout(), output); err != nil {
				return fmt.Errorf("print the status: %w", err)
			}
			if ill != nil {
				return fmt.Errorf("cluster %s can't be used: %w", name, ill)
			}
			return nil
		},
	}
	nameFlag(command, &name)
	command.Flags().StringVarP(&output, "output", "o", "", "json, to print everything that is known")
	return command
}

func (r report) print(w io.Writer, output string) error {
	if output == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	if _, err := fmt.Fprintf(w, "cluster %s (%s): %s, %d MiB\n", r.Options.Name, r.Options.Tier, r.Phase, r.ResidentBytes>>20); err != nil {
		return err
	}
	describeURLs(w, r.State)
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, p := range r.Processes {
		condition := "running"
		if !p.Alive() {
			condition = "gone"
		}
		if _, err := fmt.Fprintf(table, "  %s\t%d\t%s\t%d MiB\t%s\n", p.Name, p.PID, condition, p.Resident()>>20, p.Log); err != nil {
			return err
		}
	}
	return table.Flush()
}

func resident(st state.State) int64 {
	var sum int64
	for _, p := range st.Processes {
		if p.Alive() {
			sum += p.Resident()
		}
	}
	return sum
}

func newList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the clusters of this user",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			clusters, err := state.List()
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(command.OutOrStdout(), 0, 8, 2, ' ', 0)
			_, _ = fmt.Fprintln(table, "NAME\tTIER\tPHASE\tAGE\tMEMORY\tKUBECONFIG")
			for _, st := range clusters {
				age := time.Since(st.CreatedAt).Round(time.Second)
				_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d MiB\t%s\n", st.Options.Name, st.Options.Tier, st.Phase, age, resident(st)>>20, st.Kubeconfig)
			}
			if err := table.Flush(); err != nil {
				return fmt.Errorf("print the clusters: %w", err)
			}
			return nil
		},
	}
}

func newKubeconfig() *cobra.Command {
	var name string
	command := &cobra.Command{
		Use:     "kubeconfig",
		Short:   "Print the path of a cluster's kubeconfig",
		Example: "  export KUBECONFIG=$(cluster kubeconfig)",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := state.ValidateName(name); err != nil {
				return err
			}
			st, err := state.Load(name)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(command.OutOrStdout(), st.Kubeconfig); err != nil {
				return fmt.Errorf("print the kubeconfig's path: %w", err)
			}
			return nil
		},
	}
	nameFlag(command, &name)
	return command
}
