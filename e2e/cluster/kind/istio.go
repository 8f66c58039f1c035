package kind

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollout-dev/rollout/e2e/cluster/parts"
	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

const (
	istioNamespace = "istio-system"
	istioTimeout   = 20 * time.Minute
	// istioAPI is the module whose definitions the control plane is built with.
	istioAPI = "istio.io/api"
)

// InstallIstio puts Istio's resource definitions and control plane into a running cluster and returns when it serves clients that
// speak xDS themselves; there is no sidecar and nothing that would inject one. What is there already stays.
func InstallIstio(ctx context.Context, st state.State, progress io.Writer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, istioTimeout, fmt.Errorf("not within %s", istioTimeout))
	defer cancel()
	c, err := running(st, progress)
	if err != nil {
		return err
	}
	programs, err := parts.Build(ctx, c.progress, parts.Istiod)
	if err != nil {
		return err
	}
	image, err := buildAddonImage(parts.Istiod, programs[parts.Istiod])
	if err != nil {
		return err
	}
	k, err := newClient(st.Kubeconfig)
	if err != nil {
		return err
	}
	return c.step("installing Istio", func() error { return c.installIstio(ctx, k, image) })
}

func (c *cluster) installIstio(ctx context.Context, k *client, image addonImage) error {
	work, working := errgroup.WithContext(ctx)
	work.Go(func() error { return c.load(working, image.archive) })
	work.Go(func() error { return applyIstioAPI(working, k) })
	if err := work.Wait(); err != nil {
		return err
	}
	if err := k.applyTemplate(ctx, "istiod.yaml", settings{IstioNamespace: istioNamespace, IstiodImage: image.ref}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("not within %s", readyTimeout))
	defer cancel()
	return poll(ctx, "Istio to be ready", func(ctx context.Context) error {
		if err := k.deploymentsReady(ctx, istioNamespace); err != nil {
			return err
		}
		return k.podsReady(ctx, istioNamespace, 1)
	})
}

// applyIstioAPI applies the definitions that belong to the control plane.
func applyIstioAPI(ctx context.Context, k *client) error {
	module, err := parts.ModuleFolder(ctx, parts.Istiod, istioAPI)
	if err != nil {
		return err
	}
	manifest, err := os.ReadFile(filepath.Join(module, "kubernetes", "customresourcedefinitions.gen.yaml"))
	if err != nil {
		return fmt.Errorf("read Istio's resource definitions: %w", err)
	}
	return k.apply(ctx, manifest)
}
