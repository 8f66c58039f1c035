package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/analysis"
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
	p, text, err := expandProvider(*m.Provider, variables)
	if err != nil {
		return nil, "", fmt.Errorf("provider: %w", err)
	}
	if err := q.Providers.Check(p); err != nil {
		return nil, "", fmt.Errorf("provider: %w", err)
	}
	request := ProviderRequest{Namespace: variables["namespace"], Name: variables["name"] + "-" + m.Name, Owner: q.owner, Provider: p}
	return &providerSource{q.Providers, request}, text, nil
}

// expandProvider replaces the variables in all texts of a provider. {{window}} stays in its query, the only place where
// it is replaced before the query is asked.
func expandProvider(p v1alpha1.MetricProvider, variables map[string]string) (v1alpha1.MetricProvider, string, error) {
	p = *p.DeepCopy()
	place := queryOf(&p)
	text := *place
	*place = ""
	with := maps.Clone(variables)
	with[analysis.WindowVariable] = "{{" + analysis.WindowVariable + "}}"
	text, err := analysis.Expand(text, with)
	if err != nil {
		return p, "", err
	}
	delete(with, analysis.WindowVariable)
	document, err := json.Marshal(p)
	if err != nil {
		return p, "", fmt.Errorf("read it: %w", err)
	}
	var fields any
	if err := json.Unmarshal(document, &fields); err != nil {
		return p, "", fmt.Errorf("read it: %w", err)
	}
	if fields, err = expandTexts(fields, with); err != nil {
		return p, "", err
	}
	if document, err = json.Marshal(fields); err != nil {
		return p, "", fmt.Errorf("read it: %w", err)
	}
	var out v1alpha1.MetricProvider
	if err := json.Unmarshal(document, &out); err != nil {
		return p, "", fmt.Errorf("a variable doesn't fit where it stands: %w", err)
	}
	*queryOf(&out) = text
	return out, text, nil
}

// queryOf is where the query of a provider stands; a text of nobody's if it has none.
func queryOf(p *v1alpha1.MetricProvider) *string {
	switch {
	case p.Prometheus != nil:
		return &p.Prometheus.Query
	case p.Web != nil:
		return &p.Web.URL
	case p.Datadog != nil:
		return &p.Datadog.Query
	case p.NewRelic != nil:
		return &p.NewRelic.Query
	case p.InfluxDB != nil:
		return &p.InfluxDB.Query
	case p.Graphite != nil:
		return &p.Graphite.Query
	}
	return new(string)
}

// expandTexts replaces the variables in all texts of a document, keys of objects excepted.
func expandTexts(value any, variables map[string]string) (any, error) {
	var err error
	switch v := value.(type) {
	case string:
		if !strings.Contains(v, "{{") {
			return v, nil
		}
		return analysis.Expand(v, variables)
	case []any:
		for i := range v {
			if v[i], err = expandTexts(v[i], variables); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for name := range v {
			if v[name], err = expandTexts(v[name], variables); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return value, nil
}

// ownerOf makes a Rollout the owner of what is started for it.
func ownerOf(r *v1alpha1.Rollout) metav1.OwnerReference {
	return *metav1.NewControllerRef(r, v1alpha1.GroupVersion.WithKind("Rollout"))
}
