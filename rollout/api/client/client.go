// Package client reads and writes Rollouts and analyses over the Kubernetes API, typed.
package client

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/gentype"
	"k8s.io/client-go/rest"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// Client reaches the Rollouts of one cluster. It is safe for concurrent use.
type Client interface {
	// Rollouts reaches those of one namespace; metav1.NamespaceAll lists and watches all of them.
	Rollouts(namespace string) Rollouts
	// AnalysisRuns reaches those of one namespace, or of all of them.
	AnalysisRuns(namespace string) AnalysisRuns
	// AnalysisTemplates reaches those of one namespace, or of all of them.
	AnalysisTemplates(namespace string) AnalysisTemplates
	// ClusterAnalysisTemplates reaches those of the cluster.
	ClusterAnalysisTemplates() ClusterAnalysisTemplates
}

// Rollouts are the Rollouts of one namespace. Every error is an API status where the server answered with one; see
// k8s.io/apimachinery/pkg/api/errors.
type Rollouts interface {
	// Create stores a new Rollout.
	Create(ctx context.Context, rollout *v1alpha1.Rollout, opts metav1.CreateOptions) (*v1alpha1.Rollout, error)
	// Get reads one Rollout from the API server.
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*v1alpha1.Rollout, error)
	// List reads all that the options select.
	List(ctx context.Context, opts metav1.ListOptions) (*v1alpha1.RolloutList, error)
	// Watch follows all that the options select.
	Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)
	// Update replaces everything but the status; it fails with a conflict unless the resourceVersion is the current one.
	Update(ctx context.Context, rollout *v1alpha1.Rollout, opts metav1.UpdateOptions) (*v1alpha1.Rollout, error)
	// UpdateStatus replaces the status alone, under the same condition.
	UpdateStatus(ctx context.Context, rollout *v1alpha1.Rollout, opts metav1.UpdateOptions) (*v1alpha1.Rollout, error)
	// Patch changes one Rollout, or the named subresource of it.
	Patch(ctx context.Context, name string, kind types.PatchType, patch []byte, opts metav1.PatchOptions, subresources ...string) (*v1alpha1.Rollout, error)
	// Delete removes one Rollout.
	Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error
}

// New connects to the cluster that the config describes; the config itself stays untouched. No request is sent yet.
func New(config *rest.Config) (Client, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register the Rollout types: %w", err)
	}
	// Errors come back as a metav1.Status, which belongs to the core group's v1.
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})

	own := rest.CopyConfig(config)
	own.GroupVersion = &v1alpha1.GroupVersion
	own.APIPath = "/apis"
	own.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	// Custom resources are not served as protobuf, which configs made for core types often ask for.
	own.ContentType = runtime.ContentTypeJSON
	own.AcceptContentTypes = runtime.ContentTypeJSON
	if own.UserAgent == "" {
		own.UserAgent = rest.DefaultKubernetesUserAgent()
	}
	connection, err := rest.RESTClientFor(own)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	return cluster{connection: connection, parameters: runtime.NewParameterCodec(scheme)}, nil
}

type cluster struct {
	connection rest.Interface
	parameters runtime.ParameterCodec
}

func (c cluster) Rollouts(namespace string) Rollouts {
	return gentype.NewClientWithList[*v1alpha1.Rollout, *v1alpha1.RolloutList](
		v1alpha1.Resource, c.connection, c.parameters, namespace,
		func() *v1alpha1.Rollout { return &v1alpha1.Rollout{} },
		func() *v1alpha1.RolloutList { return &v1alpha1.RolloutList{} },
	)
}
