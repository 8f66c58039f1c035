package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"text/template"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	watchtools "k8s.io/client-go/tools/watch"

	"github.com/rollout-dev/rollout/deploy/crds"
	"github.com/rollout-dev/rollout/rollout/api/client"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// The names in shop.yaml and checkout.yaml.
const (
	namespace     = "shop"
	appName       = "checkout"
	canaryService = "checkout-canary"
	replicas      = 10
	// versionVariable is the environment variable that tells the application its version.
	versionVariable = "VERSION"
)

//go:embed shop.yaml
var shopManifest []byte

//go:embed checkout.yaml
var checkoutManifest string

var checkoutTemplate = template.Must(template.New("checkout.yaml").Option("missingkey=error").Parse(checkoutManifest))

// version is one of the application.
type version struct {
	// Version is its name.
	Version string
	// ErrorRate is the part of the requests, 0 to 1, that it answers with an error, Latency how long an answer takes.
	ErrorRate, Latency string
}

// app is the sample application in a cluster.
type app struct {
	stage     stage
	kube      kubernetes.Interface
	resources dynamic.Interface
	rollouts  client.Rollouts
}

func connect(kubeconfig string, stage stage) (*app, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's kubeconfig: %w", err)
	}
	a := &app{stage: stage}
	if a.kube, err = kubernetes.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	if a.resources, err = dynamic.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	rollouts, err := client.New(config)
	if err != nil {
		return nil, err
	}
	a.rollouts = rollouts.Rollouts(namespace)
	return a, nil
}

// installDefinition applies the CRD and returns when the API server serves Rollouts.
func (a *app) installDefinition(ctx context.Context) error {
	for _, definition := range crds.All() {
		if err := a.apply(ctx, definition); err != nil {
			return err
		}
	}
	var last error
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		_, last = a.rollouts.List(ctx, metav1.ListOptions{Limit: 1})
		if apierrors.IsNotFound(last) {
			return false, nil
		}
		return last == nil, last
	})
	if err != nil {
		return fmt.Errorf("wait until the API server serves Rollouts: %w", errors.Join(err, last))
	}
	return nil
}

// open applies everything but the Rollout.
func (a *app) open(ctx context.Context) error { return a.apply(ctx, shopManifest) }

// release applies the Rollout with a version, as a person or a pipeline would.
func (a *app) release(ctx context.Context, v version) error {
	manifest, err := a.render(v)
	if err != nil {
		return err
	}
	return a.apply(ctx, manifest)
}

func (a *app) render(v version) ([]byte, error) {
	var manifest bytes.Buffer
	if err := checkoutTemplate.Execute(&manifest, struct {
		version
		Image            string
		Replicas, Settle int
	}{v, a.stage.image(), replicas, a.stage.settle()}); err != nil {
		return nil, fmt.Errorf("fill in checkout.yaml: %w", err)
	}
	return manifest.Bytes(), nil
}

// resourceOf is where the API has the kinds that the demo applies.
func resourceOf(kind string) (schema.GroupVersionResource, bool) {
	resource, known := map[string]schema.GroupVersionResource{
		"Namespace":                {Version: "v1", Resource: "namespaces"},
		"Service":                  {Version: "v1", Resource: "services"},
		"HTTPRoute":                {Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"},
		"CustomResourceDefinition": {Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"},
		v1alpha1.Kind:              v1alpha1.GroupVersion.WithResource(v1alpha1.Resource),
	}[kind]
	return resource, known
}

// apply applies the documents of a manifest in their order.
func (a *app) apply(ctx context.Context, manifest []byte) error {
	documents := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := documents.Decode(object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a manifest: %w", err)
		}
		resource, known := resourceOf(object.GetKind())
		if !known {
			return fmt.Errorf("apply %s %s: the demo knows no such kind", object.GetKind(), object.GetName())
		}
		_, err := a.resources.Resource(resource).Namespace(object.GetNamespace()).
			Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "rollout-demo", Force: true})
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
}

// watch follows the Rollout. The watch survives a lost connection and ends with stop.
func (a *app) watch() (events <-chan watch.Event, stop func()) {
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return a.rollouts.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return a.rollouts.Watch(ctx, o)
		},
	}
	_, _, watcher, done := watchtools.NewIndexerInformerWatcher(source, &v1alpha1.Rollout{})
	return watcher.ResultChan(), func() {
		watcher.Stop()
		<-done
	}
}

// versions are the versions of all revisions, by hash.
func (a *app) versions(ctx context.Context) (map[string]string, error) {
	sets, err := a.kube.AppsV1().ReplicaSets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list ReplicaSets: %w", err)
	}
	found := map[string]string{}
	for i := range sets.Items {
		found[sets.Items[i].Labels[v1alpha1.PodTemplateHashLabel]] = versionOf(&sets.Items[i])
	}
	return found, nil
}

func versionOf(set *appsv1.ReplicaSet) string {
	for _, container := range set.Spec.Template.Spec.Containers {
		for _, variable := range container.Env {
			if variable.Name == versionVariable {
				return variable.Value
			}
		}
	}
	return ""
}

// podLogs are the ends of the logs of some pods.
func (a *app) podLogs(ctx context.Context, namespace, selector string, lines int64) string {
	pods, err := a.kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return fmt.Sprintf("list the pods in %s: %v", namespace, err)
	}
	var all bytes.Buffer
	for _, pod := range pods.Items {
		text, err := a.kube.CoreV1().Pods(namespace).GetLogs(pod.Name, &corev1.PodLogOptions{TailLines: &lines}).DoRaw(ctx)
		if err != nil {
			text = []byte(err.Error())
		}
		fmt.Fprintf(&all, "--- %s\n%s\n", pod.Name, bytes.TrimSpace(text))
	}
	return all.String()
}
