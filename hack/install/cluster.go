package main

import (
	"context"
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// fieldManager owns the fields that install wrote, so that a later version of it can remove one.
const fieldManager = "rollout-install"

// load renders the kustomization and finds the API of each object.
func load(flags *genericclioptions.ConfigFlags, kustomization string) ([]*resource.Info, error) {
	objects, err := resource.NewBuilder(flags).
		Unstructured().
		FilenameParam(false, &resource.FilenameOptions{Kustomize: kustomization}).
		ContinueOnError().
		Flatten().
		Do().
		Infos()
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", kustomization, err)
	}
	return objects, nil
}

func apply(ctx context.Context, object *resource.Info) error {
	text, err := json.Marshal(object.Object)
	if err != nil {
		return fmt.Errorf("apply %s: %w", describe(object), err)
	}
	// Helper takes no context; between two objects is soon enough to stop.
	if ctx.Err() != nil {
		return fmt.Errorf("apply %s: %w", describe(object), context.Cause(ctx))
	}
	applied, err := resource.NewHelper(object.Client, object.Mapping).
		WithFieldManager(fieldManager).
		Patch(object.Namespace, object.Name, types.ApplyPatchType, text, &metav1.PatchOptions{Force: new(true)})
	if err != nil {
		return fmt.Errorf("apply %s: %w", describe(object), err)
	}
	fmt.Println(describe(object), "applied")
	return object.Refresh(applied, true)
}

func removeObject(ctx context.Context, object *resource.Info) error {
	if ctx.Err() != nil {
		return fmt.Errorf("remove %s: %w", describe(object), context.Cause(ctx))
	}
	foreground := metav1.DeletePropagationForeground
	_, err := resource.NewHelper(object.Client, object.Mapping).
		DeleteWithOptions(object.Namespace, object.Name, &metav1.DeleteOptions{PropagationPolicy: &foreground})
	switch {
	case apierrors.IsNotFound(err):
		fmt.Println(describe(object), "is not there")
	case err != nil:
		return fmt.Errorf("remove %s: %w", describe(object), err)
	default:
		fmt.Println(describe(object), "removed")
	}
	return nil
}

func describe(object *resource.Info) string {
	return object.Mapping.GroupVersionKind.Kind + " " + object.Name
}

// waitUntilReady follows the controller's Deployment until all its pods run what was applied.
func waitUntilReady(ctx context.Context, flags *genericclioptions.ConfigFlags, objects []*resource.Info) error {
	config, err := flags.ToRESTConfig()
	if err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	for _, object := range objects {
		if object.Mapping.GroupVersionKind.Kind != "Deployment" {
			continue
		}
		if err := waitForDeployment(ctx, client, object.Namespace, object.Name); err != nil {
			return err
		}
	}
	return nil
}

func waitForDeployment(ctx context.Context, client kubernetes.Interface, namespace, name string) error {
	only := fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
	deployments := client.AppsV1().Deployments(namespace)
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = only
			return deployments.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = only
			return deployments.Watch(ctx, o)
		},
	}
	last := ""
	_, err := watchtools.UntilWithSync(ctx, source, &appsv1.Deployment{}, nil, func(event watch.Event) (bool, error) {
		deployment, ok := event.Object.(*appsv1.Deployment)
		if !ok || event.Type == watch.Deleted {
			return false, fmt.Errorf("it was deleted")
		}
		ready, progress := readiness(deployment)
		if progress != last {
			fmt.Printf("Deployment %s: %s\n", name, progress)
			last = progress
		}
		return ready, nil
	})
	if err != nil {
		return fmt.Errorf("wait for Deployment %s in namespace %s (last seen: %s): %w", name, namespace, last, err)
	}
	return nil
}

func readiness(d *appsv1.Deployment) (ready bool, progress string) {
	if d.Status.ObservedGeneration < d.Generation {
		return false, "not seen by the cluster yet"
	}
	want := *d.Spec.Replicas
	updated := min(d.Status.UpdatedReplicas, d.Status.AvailableReplicas)
	return updated >= want && d.Status.Replicas == want, fmt.Sprintf("%d of %d pods ready", updated, want)
}
