package controller

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout/api/strict"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// Providers asks those whom metrics name instead of the engine's own Prometheus.
type Providers struct {
	// Check says what is wrong with a provider that is known without asking anybody. Nil: nobody can be asked.
	Check func(v1alpha1.MetricProvider) error
	// Query asks, reading Secrets and connecting as the provider says.
	Query func(context.Context, ProviderRequest, analysis.Query) (analysis.Sample, error)
}

// ProviderRequest says whom a metric asks, and for whom. It names Secrets but holds none.
type ProviderRequest struct {
	// Namespace holds the Secrets.
	Namespace string
	// Name is what Jobs are called after.
	Name string
	// Owner owns the Jobs.
	Owner    metav1.OwnerReference
	Provider v1alpha1.MetricProvider
	// Gate: the web server is asked for permission, not for a document.
	Gate bool
	// Secrets are what {{args.NAME}} stands for in credentials and headers, by NAME.
	Secrets map[string]v1alpha1.SecretKey
}

// providerSource is a source that is opened when it is asked, so that a pass never waits for a Secret.
type providerSource struct {
	providers Providers
	request   ProviderRequest
}

// Query implements analysis.Source.
func (s *providerSource) Query(ctx context.Context, q analysis.Query) (analysis.Sample, error) {
	return s.providers.Query(ctx, s.request, q)
}

// provider makes the source of a metric, and its query.
func (q Queries) provider(m v1alpha1.Metric, variables map[string]string) (analysis.Source, string, error) {
	if q.Providers.Check == nil {
		return nil, "", errors.New("provider: the engine was started without providers; give the metric a query instead")
	}
	if mistakes, ok := errors.AsType[*strict.Error](m.Provider.Mistakes()); ok {
		return nil, "", mistakes.Under("provider")
	}
	p, text, err := expandProvider(*m.Provider, filler{variables, q.secrets})
	if err != nil {
		return nil, "", err
	}
	if err := q.Providers.Check(p); err != nil {
		return nil, "", fmt.Errorf("provider.%w", err)
	}
	request := ProviderRequest{Namespace: variables["namespace"], Name: variables["name"] + "-" + m.Name, Owner: q.owner, Provider: p, Secrets: q.secrets}
	return &providerSource{q.Providers, request}, text, nil
}

// ownerOf makes a Rollout the owner of what is started for it.
func ownerOf(r *v1alpha1.Rollout) metav1.OwnerReference {
	return *metav1.NewControllerRef(r, v1alpha1.GroupVersion.WithKind("Rollout"))
}
