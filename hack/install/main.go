// Command install puts the engine into a cluster, or takes it out again, without kubectl.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/resource"
)

type options struct {
	flags        *genericclioptions.ConfigFlags
	manifests    string
	image        string
	prometheus   string
	timeout      time.Duration
	withRollouts bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "install:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	o := options{flags: genericclioptions.NewConfigFlags(true)}
	root := &cobra.Command{
		Use:           "install",
		Short:         "Install the engine from deploy/kustomize and wait until it is ready",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return install(cmd.Context(), o) },
	}
	root.Flags().StringVar(&o.image, "image", "", "image of the controller, for example registry.example/rollout-controller:v1.2.3")
	root.Flags().StringVar(&o.prometheus, "prometheus-address", "", "where Prometheus answers, as seen from the controller")
	root.PersistentFlags().StringVar(&o.manifests, "manifests", filepath.Join("deploy", "kustomize"), "directory of the kustomization")
	root.PersistentFlags().DurationVar(&o.timeout, "timeout", 2*time.Minute, "how long to wait")
	o.flags.AddFlags(root.PersistentFlags())

	remove := &cobra.Command{
		Use:   "remove",
		Short: "Remove the engine; the Rollouts and their pods stay",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return remove(cmd.Context(), o) },
	}
	remove.Flags().BoolVar(&o.withRollouts, "with-rollouts", false, "also remove the CRD: this deletes every Rollout of the cluster and its pods")
	root.AddCommand(remove)
	return root
}

func install(ctx context.Context, o options) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, errors.New("the time given by --timeout is over"))
	defer cancel()
	objects, err := render(o)
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := apply(ctx, object); err != nil {
			return err
		}
	}
	return waitUntilReady(ctx, o.flags, objects)
}

// render loads the manifests with the changes that the options ask for.
func render(o options) ([]*resource.Info, error) {
	dir, err := os.MkdirTemp("", "rollout-install-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the kustomization: %w", err)
	}
	var objects []*resource.Info
	if err = writeOverlay(dir, o); err == nil {
		objects, err = load(o.flags, dir)
	}
	return objects, errors.Join(err, os.RemoveAll(dir))
}

func remove(ctx context.Context, o options) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, errors.New("the time given by --timeout is over"))
	defer cancel()
	objects, err := load(o.flags, o.manifests)
	if err != nil {
		return err
	}
	// Backwards, so that the controller is gone before the rights it works with.
	for _, object := range slices.Backward(objects) {
		kind := object.Mapping.GroupVersionKind.Kind
		if kind == "CustomResourceDefinition" && !o.withRollouts {
			fmt.Println(describe(object), "kept, with all Rollouts; --with-rollouts removes them and their pods")
			continue
		}
		if err := removeObject(ctx, object); err != nil {
			return err
		}
	}
	return nil
}
