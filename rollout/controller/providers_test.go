package controller

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

var variables = map[string]string{"namespace": "shop", "name": "checkout", "revision": "abc", "service": "canary"}

// asked is a provider that says what it was asked.
func asked(requests *[]ProviderRequest, queries *[]analysis.Query) Queries {
	return Queries{owner: metav1.OwnerReference{Name: "checkout", UID: "1"}, Providers: Providers{
		Check: func(p v1alpha1.MetricProvider) error {
			if p.Web != nil && p.Web.URL == "http://forbidden/" {
				return errors.New("web.url is forbidden")
			}
			return nil
		},
		Query: func(_ context.Context, r ProviderRequest, q analysis.Query) (analysis.Sample, error) {
			*requests, *queries = append(*requests, r), append(*queries, q)
			return analysis.Number(1), nil
		},
	}}
}

func provided(p v1alpha1.MetricProvider) v1alpha1.Metric {
	return v1alpha1.Metric{Name: "errors", Threshold: &v1alpha1.Threshold{Max: "5"}, Provider: &p}
}

func TestAMetricWithAProviderAsksItWithItsVariablesFilledIn(t *testing.T) {
	var requests []ProviderRequest
	var queries []analysis.Query
	spec := provided(v1alpha1.MetricProvider{Prometheus: &v1alpha1.PrometheusProvider{
		Address: "http://{{namespace}}.mimir", Query: "rate(errors{service=\"{{service}}\"}[{{window}}])", Tenant: "{{ namespace }}",
	}})
	m, err := asked(&requests, &queries).Resolve(spec, variables)
	require.NoError(t, err)
	require.NoError(t, analysis.Ask(t.Context(), m.Source, m, 8*time.Second, "id").Err)
	require.Equal(t, `rate(errors{service="canary"}[8000ms])`, queries[0].Text)
	require.Equal(t, "http://shop.mimir", requests[0].Provider.Prometheus.Address)
	require.Equal(t, "shop", requests[0].Provider.Prometheus.Tenant)
	require.Equal(t, []string{"shop", "checkout-errors", "checkout"}, []string{requests[0].Namespace, requests[0].Name, requests[0].Owner.Name})
	require.Equal(t, "http://{{namespace}}.mimir", spec.Provider.Prometheus.Address, "the spec stays as the user wrote it")
}

func TestVariablesInAJobCannotChangeItsShape(t *testing.T) {
	var requests []ProviderRequest
	var queries []analysis.Query
	with := map[string]string{"namespace": "shop", "name": "checkout", "revision": `","image":"evil`}
	m, err := asked(&requests, &queries).Resolve(provided(v1alpha1.MetricProvider{Job: &v1alpha1.JobProvider{
		Spec: runtime.RawExtension{Raw: []byte(`{"template":{"metadata":{"name":"{{revision}}"}}}`)},
	}}), with)
	require.NoError(t, err)
	_, err = m.Source.Query(t.Context(), analysis.Query{})
	require.NoError(t, err)
	require.JSONEq(t, `{"template":{"metadata":{"name":"\",\"image\":\"evil"}}}`, string(requests[0].Provider.Job.Spec.Raw))
}

func TestAProviderThatCannotBeAskedIsAProblemOfTheSpec(t *testing.T) {
	q := asked(nil, nil)
	for want, p := range map[string]v1alpha1.MetricProvider{
		"provider: web.url is forbidden":                         {Web: &v1alpha1.WebProvider{URL: "http://forbidden/"}},
		"there is no variable {{pod}}":                           {Graphite: &v1alpha1.GraphiteProvider{Address: "http://g/", Query: "a.{{pod}}"}},
		"graphite: address: query: there is no variable {{pod}}": {Graphite: &v1alpha1.GraphiteProvider{Address: "http://{{pod}}/", Query: "a"}},
		"there is no variable {{window}}":                        {Graphite: &v1alpha1.GraphiteProvider{Address: "http://{{window}}/", Query: "a"}},
	} {
		_, err := q.Resolve(provided(p), variables)
		require.ErrorContains(t, err, want)
	}
	_, err := Queries{}.Resolve(provided(v1alpha1.MetricProvider{Web: &v1alpha1.WebProvider{URL: "http://web/"}}), variables)
	require.ErrorContains(t, err, "started without providers")
}
