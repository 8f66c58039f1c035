package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	controllerName  = "rollout-controller"
	controllerImage = "rollout.dev/rollout-controller"
	namespace       = "rollout-system"
)

// writeOverlay makes dir a kustomization that changes what the options ask for and nothing else, just as a user would
// write it.
func writeOverlay(dir string, o options) error {
	base, err := relative(dir, o.manifests)
	if err != nil {
		return fmt.Errorf("find --manifests %s: %w", o.manifests, err)
	}
	overlay := map[string]any{"namespace": namespace, "resources": []string{base}}
	if o.image != "" {
		name, tag, err := splitImage(o.image)
		if err != nil {
			return err
		}
		overlay["images"] = []any{map[string]any{"name": controllerImage, "newName": name, "newTag": tag}}
	}
	if o.prometheus != "" {
		overlay["configMapGenerator"] = []any{map[string]any{
			"name":     controllerName,
			"behavior": "merge",
			"literals": []string{"prometheus-address=" + o.prometheus},
		}}
	}
	text, err := yaml.Marshal(overlay)
	if err != nil {
		return fmt.Errorf("render the kustomization: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), text, 0o600); err != nil {
		return fmt.Errorf("write the kustomization: %w", err)
	}
	return nil
}

// relative is the path from one directory to another. Kustomize takes no absolute ones, and counts the steps up after it
// followed symbolic links, which the path of a temporary directory may hold.
func relative(from, to string) (string, error) {
	from, err := filepath.EvalSymlinks(from)
	if err != nil {
		return "", err
	}
	if to, err = filepath.Abs(to); err != nil {
		return "", err
	}
	if to, err = filepath.EvalSymlinks(to); err != nil {
		return "", err
	}
	return filepath.Rel(from, to)
}

// splitImage separates the tag; a colon before the last slash belongs to the registry's port.
func splitImage(image string) (name, tag string, err error) {
	at := strings.LastIndex(image, ":")
	if at <= strings.LastIndex(image, "/") || at == len(image)-1 {
		return "", "", fmt.Errorf("--image %q has no tag: write it as name:tag", image)
	}
	return image[:at], image[at+1:], nil
}
