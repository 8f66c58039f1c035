package controller

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
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
		"provider.web.url is forbidden":                                  {Web: &v1alpha1.WebProvider{URL: "http://forbidden/"}},
		"there is no variable {{pod}}":                                   {Graphite: &v1alpha1.GraphiteProvider{Address: "http://g/", Query: "a.{{pod}}"}},
		"provider.graphite.address: query: there is no variable {{pod}}": {Graphite: &v1alpha1.GraphiteProvider{Address: "http://{{pod}}/", Query: "a"}},
		"there is no variable {{window}}":                                {Graphite: &v1alpha1.GraphiteProvider{Address: "http://{{window}}/", Query: "a"}},
	} {
		_, err := q.Resolve(provided(p), variables)
		require.ErrorContains(t, err, want)
	}
	_, err := Queries{}.Resolve(provided(v1alpha1.MetricProvider{Web: &v1alpha1.WebProvider{URL: "http://web/"}}), variables)
	require.ErrorContains(t, err, "started without providers")
}

func TestAProviderThatCannotBeReadIsAProblemOfTheSpecWithTheWholePath(t *testing.T) {
	q := asked(nil, nil)
	for text, want := range map[string]string{
		`{"web":{"ulr":"http://web/"}}`: `provider.web.ulr is a text, and there is no such field; did you mean url? ` +
			`Known are url, method, body, jsonPath, authorization, headers, tls; provider.web.url is missing; it must be a text`,
		`{"newRelic":{"accountID":"42","query":"SELECT 1","userKey":{"name":"a","key":"b"}}}`: `provider.newRelic.accountID is "42", a text; it must be a whole number`,
		`{"web":{"url":"http://web/","authorization":{"bearer":"tok-Qx81"}}}`:                 `provider.web.authorization.bearer is a text, which can't be read: a credential is {name: SECRET, key: KEY}, or {{args.NAME}}`,
		`{"web":{"url":"http://web/","headers":[{"name":"X-Key","vlaue":"tok-Qx81"}]}}`:       `provider.web.headers[0].vlaue is a text, and there is no such field; did you mean value?`,
		`{"datadog":{"query":"a","apiKey":{"name":"dd"},"applicationKey":"tok-Qx81"}}`:        `provider.datadog.apiKey.key is missing; it must be a text; provider.datadog.applicationKey is a text`,
		`{"cloudWatch":5}`: `provider.cloudWatch is 5, a number; it must be an object of region,`,
	} {
		var m v1alpha1.Metric
		require.NoError(t, json.Unmarshal([]byte(`{"name":"errors","threshold":{"max":"5"},"provider":`+text+`}`), &m), "one mistake must not hide all Rollouts")
		_, err := q.Resolve(m, variables)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "tok-Qx81", "what was written by mistake may be the credential itself")
		again, err := json.Marshal(m.Provider)
		require.NoError(t, err)
		require.JSONEq(t, text, string(again), "nothing of it is lost")
	}
}

// withArguments are queries of a metric with two secrets and a value.
func withArguments(requests *[]ProviderRequest, queries *[]analysis.Query) (Queries, map[string]string) {
	q := asked(requests, queries)
	q.secrets = map[string]v1alpha1.SecretKey{"token": {Name: "keys", Key: "t"}, "id": {Name: "keys", Key: "i"}}
	with := maps.Clone(variables)
	with["args.host"] = "shop.example"
	return q, with
}

func TestASecretArgumentStandsForACredentialOrInAHeaderAndIsNeverFilledIn(t *testing.T) {
	var requests []ProviderRequest
	var queries []analysis.Query
	q, with := withArguments(&requests, &queries)
	var m v1alpha1.Metric
	require.NoError(t, json.Unmarshal([]byte(`{"name":"errors","threshold":{"max":"5"},"provider":{"web":{"url":"http://{{args.host}}/",
		"authorization":{"basic":{"username":"{{ args.id }}","password":"{{args.token}}"}},
		"headers":[{"name":"X-Key","value":"Key {{ args.token }} of {{args.host}}"},{"name":"X-Host","value":"{{args.host}}"}]}}}`), &m))
	resolved, err := q.Resolve(m, with)
	require.NoError(t, err)
	_, err = resolved.Source.Query(t.Context(), analysis.Query{})
	require.NoError(t, err)
	web := requests[0].Provider.Web
	require.Equal(t, "http://shop.example/", web.URL)
	require.Equal(t, v1alpha1.BasicAuthorization{Username: v1alpha1.SecretKey{Argument: "id"}, Password: v1alpha1.SecretKey{Argument: "token"}}, *web.Authorization.Basic)
	require.Equal(t, "Key {{args.token}} of shop.example", web.Headers[0].Value)
	require.Equal(t, "shop.example", web.Headers[1].Value)
	require.Equal(t, q.secrets, requests[0].Secrets)
}

func TestASecretArgumentElsewhereIsRefusedWithTheFieldAndTheWayOut(t *testing.T) {
	q, with := withArguments(nil, nil)
	const elsewhere = "the argument token is a secret and would be seen there; use it in the value of a header, or in the place of a credential"
	for text, want := range map[string]string{
		`{"web":{"url":"http://web/?t={{args.token}}"}}`:                                                                                                                        "provider.web.url: " + elsewhere,
		`{"web":{"url":"http://web/","body":"{{ args.token }}"}}`:                                                                                                               "provider.web.body: " + elsewhere,
		`{"web":{"url":"http://web/","tls":{"serverName":"{{args.token}}"}}}`:                                                                                                   "provider.web.tls.serverName: " + elsewhere,
		`{"prometheus":{"address":"http://{{args.token}}/","query":"up"}}`:                                                                                                      "provider.prometheus.address: " + elsewhere,
		`{"prometheus":{"address":"http://p/","query":"up{a='{{args.token}}'}"}}`:                                                                                               "provider.prometheus.query: " + elsewhere,
		`{"prometheus":{"address":"http://p/","query":"up","tenant":"{{args.token}}"}}`:                                                                                         "provider.prometheus.tenant: " + elsewhere,
		`{"kubernetes":{"external":{"metric":"q","selector":{"matchLabels":{"a":"{{args.token}}"}}}}}`:                                                                          "provider.kubernetes.external.selector.matchLabels.a: " + elsewhere,
		`{"cloudWatch":{"region":"eu-central-1","keys":{"accessKeyID":"{{args.id}}","secretAccessKey":"{{args.token}}"},"queries":[{"id":"a","expression":"{{args.token}}"}]}}`: "provider.cloudWatch.queries[0].expression: " + elsewhere,
		`{"job":{"spec":{"template":{"spec":{"containers":[{"name":"a","env":[{"name":"T","value":"{{args.token}}"}]}]}}}}}`: "provider.job.spec.template.spec.containers[0].env[0].value: the argument token is a secret and would be seen there; " +
			"name the Secret itself, in env[].valueFrom.secretKeyRef of the container",
		`{"influxdb":{"address":"http://i/","organization":"o","query":"a","token":"{{args.host}}"}}`:   "provider.influxdb.token: the argument host has a value that everybody sees, and a credential must come from a Secret; give it valueFrom: {secretKeyRef:",
		`{"influxdb":{"address":"http://i/","organization":"o","query":"a","token":"{{args.nobody}}"}}`: "provider.influxdb.token: there is no argument nobody; add it to args, with valueFrom: {secretKeyRef:",
	} {
		var m v1alpha1.Metric
		require.NoError(t, json.Unmarshal([]byte(`{"name":"errors","threshold":{"max":"5"},"provider":`+text+`}`), &m))
		_, err := q.Resolve(m, with)
		require.ErrorContains(t, err, want, text)
	}
}
