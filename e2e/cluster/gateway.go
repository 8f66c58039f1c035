package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/rollout-dev/rollout/e2e/cluster/sandbox"
	"github.com/rollout-dev/rollout/e2e/cluster/sandbox/gateway"
)

// newGateway is not for people: a sandbox starts it.
func newGateway() *cobra.Command {
	var kubeconfig, listen string
	var rate float64
	var seed uint64
	command := &cobra.Command{
		Use: sandbox.GatewayCommand, Hidden: true, Args: cobra.NoArgs,
		Short: "Simulate a gateway, its clients and the applications behind it",
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return fmt.Errorf("read --kubeconfig %s: %w", kubeconfig, err)
			}
			log, err := zap.NewProduction()
			if err != nil {
				return fmt.Errorf("set up the log: %w", err)
			}
			log.Info("simulating", zap.String("listen", listen), zap.Float64("rps", rate), zap.Uint64("seed", seed))
			return gateway.Run(command.Context(), gateway.Config{
				Cluster: config, Listen: listen, RequestsPerSecond: rate, Seed: seed, Log: log,
			})
		},
	}
	flags := command.Flags()
	flags.StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig of the cluster")
	flags.StringVar(&listen, "listen", "127.0.0.1:0", "address for metrics and reports")
	flags.Float64Var(&rate, "rps", 100, "requests per second to each route")
	flags.Uint64Var(&seed, "seed", rand.Uint64(), "decides latencies and errors")
	return command
}
