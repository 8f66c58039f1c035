// Package gatewayapi puts the Gateway API's resource definitions into a cluster.
package gatewayapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	// The definitions come from the module the clients are compiled from.
	_ "sigs.k8s.io/gateway-api/apis/v1"
)

const module = "sigs.k8s.io/gateway-api"

// established bounds the wait for the API server to serve what was installed.
const established = 30 * time.Second

var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// Definitions are the resource definitions of the Gateway API's standard channel.
type Definitions []*unstructured.Unstructured

// Load reads the definitions out of the Go module cache, in the version this command is compiled with.
func Load(ctx context.Context) (Definitions, error) {
	version, err := compiledVersion()
	if err != nil {
		return nil, err
	}
	dir, err := download(ctx, module+"@"+version)
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "config", "crd", "standard", "*.yaml"))
	if err == nil && len(files) == 0 {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("find the resource definitions of %s %s in %s: %w", module, version, dir, err)
	}
	var all Definitions
	for _, path := range files {
		object, err := read(path)
		if err != nil {
			return nil, err
		}
		// The folder also holds an admission policy that guards upgrades of a cluster people depend on.
		if object.GetKind() == "CustomResourceDefinition" {
			all = append(all, object)
		}
	}
	return all, nil
}

func compiledVersion() (string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", errors.New("read the build information of this command: it has none")
	}
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return dependency.Version, nil
		}
	}
	return "", fmt.Errorf("find %s in the build information of this command: it is not there", module)
}

func download(ctx context.Context, query string) (string, error) {
	output, err := exec.CommandContext(ctx, "go", "mod", "download", "-json", query).Output()
	var answer struct{ Dir, Error string }
	unreadable := json.Unmarshal(output, &answer)
	if answer.Error != "" {
		return "", fmt.Errorf("download module %s: %s", query, answer.Error)
	}
	if err := errors.Join(err, unreadable); err != nil {
		return "", fmt.Errorf("download module %s: %w", query, err)
	}
	return answer.Dir, nil
}

func read(path string) (*unstructured.Unstructured, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read resource definition: %w", err)
	}
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(content, &object.Object); err != nil {
		return nil, fmt.Errorf("parse resource definition %s: %w", path, err)
	}
	return object, nil
}

// Only returns the definitions of these kinds.
func (d Definitions) Only(kinds ...string) Definitions {
	var some Definitions
	for _, definition := range d {
		kind, _, err := unstructured.NestedString(definition.Object, "spec", "names", "kind")
		if err == nil && slices.Contains(kinds, kind) {
			some = append(some, definition)
		}
	}
	return some
}

// Install creates the definitions that the cluster doesn't have yet and returns when the API server serves them all.
func (d Definitions) Install(ctx context.Context, config *rest.Config) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client for the resource definitions: %w", err)
	}
	for _, definition := range d {
		_, err := client.Resource(definitions).Create(ctx, definition, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create resource definition %s: %w", definition.GetName(), err)
		}
	}
	for _, definition := range d {
		name := definition.GetName()
		err := wait.PollUntilContextTimeout(ctx, 25*time.Millisecond, established, true, func(ctx context.Context) (bool, error) {
			current, err := client.Resource(definitions).Get(ctx, name, metav1.GetOptions{})
			return err == nil && isEstablished(current), err
		})
		if err != nil {
			return fmt.Errorf("wait until the API server serves %s: %w", name, err)
		}
	}
	return nil
}

func isEstablished(definition *unstructured.Unstructured) bool {
	conditions, _, err := unstructured.NestedSlice(definition.Object, "status", "conditions")
	if err != nil {
		return false
	}
	for _, c := range conditions {
		condition, ok := c.(map[string]any)
		if ok && condition["type"] == "Established" && condition["status"] == "True" {
			return true
		}
	}
	return false
}
