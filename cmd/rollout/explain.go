package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollout-dev/rollout/providers/prometheus"
)

func (p *program) explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Explain what the engine does by itself",
		Args:  cobra.ArbitraryArgs,
		RunE:  p.onlySubcommands,
	}
	cmd.AddCommand(p.explainMetricCommand())
	return cmd
}

// builtin is what a built-in metric is explained for.
type builtin struct {
	router, service, pods, quantile, window string
}

func (p *program) explainMetricCommand() *cobra.Command {
	names := []string{prometheus.SuccessRate, prometheus.ErrorRate, prometheus.RequestRate, prometheus.Latency}
	var b builtin
	cmd := &cobra.Command{
		Use:     "metric NAME",
		Short:   "Show the queries of a built-in metric: " + strings.Join(names, ", "),
		Example: "  rollout explain metric success-rate --router istio -n shop --service checkout-canary",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%s needs one NAME: %s", cmd.CommandPath(), strings.Join(names, ", "))
			}
			return nil
		},
		ValidArgsFunction: cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp),
		RunE:              func(_ *cobra.Command, args []string) error { return p.explainMetric(args[0], b) },
	}
	f := cmd.Flags()
	f.StringVar(&b.router, "router", string(prometheus.Traefik), "whose metrics: traefik, istio, envoy-gateway, nginx-gateway-fabric or pods")
	f.StringVar(&b.service, "service", "CANARY-SERVICE", "Service of the canary")
	f.StringVar(&b.pods, "pods", "ROLLOUT-REVISION-.+", "regular expression for the names of the pods, for --router pods")
	f.StringVar(&b.quantile, "quantile", "0.99", "quantile of latency, between 0 and 1")
	f.StringVar(&b.window, "window", "1m", "how far back the query looks, as PromQL writes it")
	return cmd
}

func (p *program) explainMetric(name string, b builtin) error {
	namespace := "NAMESPACE"
	if p.flags.Namespace != nil && *p.flags.Namespace != "" {
		namespace = *p.flags.Namespace
	}
	backend := prometheus.Backend{Namespace: namespace, Service: b.service, Pods: b.pods, Window: b.window}
	query, err := prometheus.BuiltIn(prometheus.Router(b.router), name, b.quantile, backend)
	if err != nil {
		return err
	}
	counts, err := prometheus.BuiltInCounts(prometheus.Router(b.router), name, backend)
	if err != nil {
		return err
	}
	text := query + "\n\n# the requests it is about, for minRequests\n" + counts.Requests + "\n\n# the bad ones among them\n" + counts.Bad + "\n"
	if counts.Buckets != "" {
		text += "\n# those up to each bound of the histogram\n" + counts.Buckets + "\n"
	}
	_, err = fmt.Fprint(p.streams.Out, text)
	return err
}
