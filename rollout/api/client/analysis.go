package client

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/gentype"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// AnalysisRuns are the AnalysisRuns of one namespace.
type AnalysisRuns interface {
	// Create stores a new one, without its status.
	Create(ctx context.Context, run *v1alpha1.AnalysisRun, opts metav1.CreateOptions) (*v1alpha1.AnalysisRun, error)
	// Get reads one from the API server.
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*v1alpha1.AnalysisRun, error)
	// List reads all that the options select.
	List(ctx context.Context, opts metav1.ListOptions) (*v1alpha1.AnalysisRunList, error)
	// Watch follows all that the options select.
	Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)
	// UpdateStatus replaces the status alone; it fails with a conflict unless the resourceVersion is the current one.
	UpdateStatus(ctx context.Context, run *v1alpha1.AnalysisRun, opts metav1.UpdateOptions) (*v1alpha1.AnalysisRun, error)
	// Patch changes one, or the named subresource of it.
	Patch(ctx context.Context, name string, kind types.PatchType, patch []byte, opts metav1.PatchOptions, subresources ...string) (*v1alpha1.AnalysisRun, error)
	// Delete removes one.
	Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error
}

// AnalysisTemplates are the AnalysisTemplates of one namespace.
type AnalysisTemplates interface {
	// Create stores a new one.
	Create(ctx context.Context, template *v1alpha1.AnalysisTemplate, opts metav1.CreateOptions) (*v1alpha1.AnalysisTemplate, error)
	// List reads all that the options select.
	List(ctx context.Context, opts metav1.ListOptions) (*v1alpha1.AnalysisTemplateList, error)
	// Watch follows all that the options select.
	Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)
}

// ClusterAnalysisTemplates are those of the cluster.
type ClusterAnalysisTemplates interface {
	// Create stores a new one.
	Create(ctx context.Context, template *v1alpha1.ClusterAnalysisTemplate, opts metav1.CreateOptions) (*v1alpha1.ClusterAnalysisTemplate, error)
	// List reads all that the options select.
	List(ctx context.Context, opts metav1.ListOptions) (*v1alpha1.ClusterAnalysisTemplateList, error)
	// Watch follows all that the options select.
	Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)
}

func (c cluster) AnalysisRuns(namespace string) AnalysisRuns {
	return gentype.NewClientWithList[*v1alpha1.AnalysisRun, *v1alpha1.AnalysisRunList](
		v1alpha1.AnalysisRunResource, c.connection, c.parameters, namespace,
		func() *v1alpha1.AnalysisRun { return &v1alpha1.AnalysisRun{} },
		func() *v1alpha1.AnalysisRunList { return &v1alpha1.AnalysisRunList{} },
	)
}

func (c cluster) AnalysisTemplates(namespace string) AnalysisTemplates {
	return gentype.NewClientWithList[*v1alpha1.AnalysisTemplate, *v1alpha1.AnalysisTemplateList](
		v1alpha1.AnalysisTemplateResource, c.connection, c.parameters, namespace,
		func() *v1alpha1.AnalysisTemplate { return &v1alpha1.AnalysisTemplate{} },
		func() *v1alpha1.AnalysisTemplateList { return &v1alpha1.AnalysisTemplateList{} },
	)
}

func (c cluster) ClusterAnalysisTemplates() ClusterAnalysisTemplates {
	return gentype.NewClientWithList[*v1alpha1.ClusterAnalysisTemplate, *v1alpha1.ClusterAnalysisTemplateList](
		v1alpha1.ClusterAnalysisTemplateResource, c.connection, c.parameters, metav1.NamespaceNone,
		func() *v1alpha1.ClusterAnalysisTemplate { return &v1alpha1.ClusterAnalysisTemplate{} },
		func() *v1alpha1.ClusterAnalysisTemplateList { return &v1alpha1.ClusterAnalysisTemplateList{} },
	)
}
