package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// What the cluster command offers in every kind cluster, and deploy/kustomize installs.
const (
	prometheusInCluster = "http://prometheus.monitoring:9090"
	engineNamespace     = "rollout-system"
	engineSelector      = "app.kubernetes.io/part-of=rollout"

	controllerImage = "rollout.dev/rollout-controller:demo"
	appImage        = "rollout.dev/checkout:demo"
)

// kindStage runs the controller and the application as pods.
type kindStage struct {
	cluster *cluster
	dir     string
}

func (k *kindStage) install(ctx context.Context) error {
	for _, built := range []struct{ program, image string }{
		{"./cmd/rollout-controller", controllerImage},
		{"./e2e/app", appImage},
	} {
		if err := k.load(ctx, built.program, built.image); err != nil {
			return fmt.Errorf("put %s into the cluster: %w", built.image, err)
		}
	}
	return command(ctx, "go", "run", "./hack/install", "--kubeconfig", k.cluster.kubeconfig,
		"--image", controllerImage, "--prometheus-address", prometheusInCluster)
}

// load builds a program, makes an image of it and puts that onto the cluster's node.
func (k *kindStage) load(ctx context.Context, program, image string) error {
	fmt.Println("  building", image)
	binary := filepath.Join(k.dir, filepath.Base(program))
	if err := command(ctx, "env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, program); err != nil {
		return err
	}
	if err := k.cluster.run(ctx, "image", "--binary", binary, "--ref", image, "--out", binary+".tar"); err != nil {
		return err
	}
	return k.cluster.run(ctx, "load", "--name", k.cluster.name, binary+".tar")
}

// command runs a program of this machine; what it prints is for the user.
func command(ctx context.Context, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("run %s: %w", c, err)
	}
	return nil
}

func (k *kindStage) image() string { return appImage }

func (k *kindStage) settle() int { return 2 }

func (k *kindStage) clients() clients { return &realClients{url: k.cluster.urls.Gateway} }

// broken is never closed: Kubernetes starts a controller that has ended again.
func (k *kindStage) broken() <-chan struct{} { return nil }

func (k *kindStage) log(ctx context.Context) string {
	app, err := connect(k.cluster.kubeconfig, k)
	if err != nil {
		return err.Error()
	}
	return app.podLogs(ctx, engineNamespace, engineSelector, tailLines)
}

func (k *kindStage) close() error { return nil }
