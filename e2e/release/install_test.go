//go:build e2e

package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/rollout-dev/rollout/deploy/crds"
)

const (
	appImage        = "rollout.dev/e2e-app:dev"
	controllerImage = "rollout.dev/rollout-controller:dev"
	// root is the repository, seen from this package.
	root = "../.."
	// leaseDuration is how long a standby waits for a leader that was killed. Shorter than usual, so that a test doesn't
	// spend its time waiting, and long enough that a busy machine doesn't lose the lease for nothing.
	leaseDuration = 4 * time.Second
)

// install puts the images onto the node and the engine into the cluster, in the way a user does.
func (c *cluster) install(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "rollout-e2e-")
	if err != nil {
		return fmt.Errorf("make a folder for the images: %w", err)
	}
	start := time.Now()
	err = c.installFrom(ctx, dir)
	c.figures.add("images built and engine installed", "%s", time.Since(start).Round(time.Second))
	c.figures.add("size of the CRD (YAML)", "%d KiB", len(crds.Rollouts)>>10)
	if text, jsonErr := yaml.YAMLToJSON(crds.Rollouts); jsonErr == nil {
		c.figures.add("size of the CRD (JSON, as kubectl apply annotates it)", "%d KiB of 256", len(text)>>10)
	}
	return errors.Join(err, os.RemoveAll(dir))
}

func (c *cluster) installFrom(ctx context.Context, dir string) error {
	var archives []string
	for ref, source := range map[string]string{appImage: "e2e/app", controllerImage: "cmd/rollout-controller"} {
		archive, err := c.buildImage(ctx, dir, ref, source)
		if err != nil {
			return err
		}
		archives = append(archives, archive)
	}
	if _, err := c.command(ctx, append([]string{"load", "--name", c.name}, archives...)...); err != nil {
		return err
	}
	overlay := filepath.Join(dir, "install")
	if err := writeOverlay(overlay); err != nil {
		return fmt.Errorf("write the kustomization of the tests: %w", err)
	}
	installer := exec.CommandContext(ctx, "go", "run", "./hack/install", "--kubeconfig", c.Kubeconfig, "--manifests", overlay, "--image", controllerImage)
	installer.Dir = root
	_, err := runProgram(installer)
	return err
}

// buildImage writes an image with one static program, whose source is in a folder of the repository.
func (c *cluster) buildImage(ctx context.Context, dir, ref, source string) (archive string, err error) {
	binary := filepath.Join(dir, filepath.Base(source))
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, ".")
	// Some are modules of their own.
	build.Dir, build.Env = filepath.Join(root, source), append(os.Environ(), "CGO_ENABLED=0")
	if _, err := runProgram(build); err != nil {
		return "", err
	}
	archive = binary + ".tar"
	_, err = c.command(ctx, "image", "--binary", binary, "--ref", ref, "--out", archive)
	return archive, err
}

// writeOverlay changes of the installation what tests need different: a short lease, and all of the log.
func writeOverlay(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	// Kustomize takes no absolute paths, and follows symbolic links before it counts the steps up.
	here, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	manifests, err := filepath.Abs(filepath.Join(root, "deploy", "kustomize"))
	if err != nil {
		return err
	}
	base, err := filepath.Rel(here, manifests)
	if err != nil {
		return err
	}
	var patch strings.Builder
	for _, arg := range []string{"--lease-duration=" + leaseDuration.String(), "--log-level=debug"} {
		fmt.Fprintf(&patch, "- {op: add, path: /spec/template/spec/containers/0/args/-, value: %q}\n", arg)
	}
	text, err := yaml.Marshal(map[string]any{
		"namespace": controllerNamespace,
		"resources": []string{base},
		"patches": []any{map[string]any{
			"target": map[string]string{"kind": "Deployment", "name": controllerName},
			"patch":  patch.String(),
		}},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "kustomization.yaml"), text, 0o600)
}
