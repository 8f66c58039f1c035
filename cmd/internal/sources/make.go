package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
	"github.com/rollout-dev/rollout/providers/cloudwatch"
	"github.com/rollout-dev/rollout/providers/datadog"
	"github.com/rollout-dev/rollout/providers/gate"
	"github.com/rollout-dev/rollout/providers/graphite"
	"github.com/rollout-dev/rollout/providers/influxdb"
	"github.com/rollout-dev/rollout/providers/kubernetes"
	"github.com/rollout-dev/rollout/providers/newrelic"
	"github.com/rollout-dev/rollout/providers/prometheus"
	"github.com/rollout-dev/rollout/providers/web"
	"github.com/rollout-dev/rollout/rollout/api/strict"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// make opens a source with what the vault gives.
func (o *Opener) make(ctx context.Context, v *vault, r Request) (*opened, error) {
	switch p := r.Provider; {
	case p.Prometheus != nil:
		return o.prometheus(ctx, v, *p.Prometheus)
	case p.Web != nil && r.Gate:
		return o.gate(ctx, v, *p.Web)
	case p.Web != nil:
		return o.web(ctx, v, *p.Web)
	case p.Graphite != nil:
		return o.graphite(ctx, v, *p.Graphite)
	case p.Datadog != nil:
		return o.datadog(ctx, v, *p.Datadog)
	case p.NewRelic != nil:
		return o.newRelic(ctx, v, *p.NewRelic)
	case p.InfluxDB != nil:
		return o.influxDB(ctx, v, *p.InfluxDB)
	case p.CloudWatch != nil:
		return o.cloudWatch(ctx, v, *p.CloudWatch)
	case p.Kubernetes != nil:
		return o.kubernetes(r.Namespace, *p.Kubernetes)
	case p.Job != nil:
		return o.job(r, *p.Job)
	}
	return nil, errors.New("provider names none that this version knows; write exactly one of prometheus, web, job, kubernetes, datadog, cloudWatch, newRelic, influxdb and graphite")
}

// over is a source whose connections are those of a transport.
func over(transport http.RoundTripper, source analysis.Source, field string, err error) (*opened, error) {
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return &opened{source: source, close: closer(transport)}, nil
}

// without is a source that keeps no connections of its own.
func without(source analysis.Source) *opened { return &opened{source: source, close: func() {}} }

func (o *Opener) prometheus(ctx context.Context, v *vault, p v1alpha1.PrometheusProvider) (*opened, error) {
	plain := map[string]string{}
	if p.Tenant != "" {
		plain[tenantHeader] = p.Tenant
	}
	transport, err := o.connect(ctx, v, "prometheus", p.Address, p.Connection, plain)
	if err != nil {
		return nil, err
	}
	source, err := prometheus.New(p.Address, transport, v.values...)
	return over(transport, source, "prometheus", err)
}

func (o *Opener) web(ctx context.Context, v *vault, p v1alpha1.WebProvider) (*opened, error) {
	transport, err := o.connect(ctx, v, "web", p.URL, p.Connection, nil)
	if err != nil {
		return nil, err
	}
	method := p.Method
	if method == "" && p.Body != "" {
		method = http.MethodPost
	}
	source, err := web.New(web.Options{Client: outbound.Client(transport), URL: p.URL, Method: method, Body: p.Body, Path: p.JSONPath, Secrets: v.values})
	return over(transport, source, "web", err)
}

func (o *Opener) gate(ctx context.Context, v *vault, p v1alpha1.WebProvider) (*opened, error) {
	transport, err := o.connect(ctx, v, "web", p.URL, p.Connection, nil)
	if err != nil {
		return nil, err
	}
	source, err := gate.New(p.URL, outbound.Client(transport), v.values...)
	return over(transport, source, "web", err)
}

func (o *Opener) graphite(ctx context.Context, v *vault, p v1alpha1.GraphiteProvider) (*opened, error) {
	transport, err := o.connect(ctx, v, "graphite", p.Address, p.Connection, nil)
	if err != nil {
		return nil, err
	}
	source, err := graphite.New(p.Address, outbound.Client(transport), v.values...)
	return over(transport, source, "graphite", err)
}

func (o *Opener) datadog(ctx context.Context, v *vault, p v1alpha1.DatadogProvider) (*opened, error) {
	api, err := v.value(ctx, "datadog.apiKey", p.APIKey)
	if err != nil {
		return nil, err
	}
	application, err := v.value(ctx, "datadog.applicationKey", p.ApplicationKey)
	if err != nil {
		return nil, err
	}
	transport := o.allow.Transport(nil)
	source, err := datadog.New(cmp.Or(p.Address, datadog.DefaultAddress), api, application, transport)
	return over(transport, source, "datadog", err)
}

func (o *Opener) newRelic(ctx context.Context, v *vault, p v1alpha1.NewRelicProvider) (*opened, error) {
	key, err := v.value(ctx, "newRelic.userKey", p.UserKey)
	if err != nil {
		return nil, err
	}
	transport := o.allow.Transport(nil)
	source, err := newrelic.New(cmp.Or(p.Address, newrelic.DefaultAddress), p.AccountID, key, transport)
	return over(transport, source, "newRelic", err)
}

func (o *Opener) influxDB(ctx context.Context, v *vault, p v1alpha1.InfluxDBProvider) (*opened, error) {
	token, err := v.value(ctx, "influxdb.token", p.Token)
	if err != nil {
		return nil, err
	}
	transport := o.allow.Transport(nil)
	source, err := influxdb.New(p.Address, p.Organization, token, transport)
	return over(transport, source, "influxdb", err)
}

func (o *Opener) cloudWatch(ctx context.Context, v *vault, p v1alpha1.CloudWatchProvider) (*opened, error) {
	keys, err := v.keys(ctx, "cloudWatch.keys", p.Keys)
	if err != nil {
		return nil, err
	}
	transport := o.allow.Transport(nil)
	options := cloudwatch.Options{Region: p.Region, Address: p.Address, Transport: transport,
		AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, SessionToken: keys.SessionToken}
	for _, q := range p.Queries {
		query := cloudwatch.Query{ID: q.ID, Expression: q.Expression, Period: time.Duration(q.PeriodSeconds) * time.Second, Hidden: q.Hidden}
		if m := q.Metric; m != nil {
			query.Namespace, query.Metric, query.Dimensions, query.Statistic = m.Namespace, m.Name, m.Dimensions, m.Statistic
		}
		options.Queries = append(options.Queries, query)
	}
	source, err := cloudwatch.New(options)
	return over(transport, source, "cloudWatch", err)
}

func (o *Opener) kubernetes(namespace string, p v1alpha1.KubernetesProvider) (*opened, error) {
	client := o.kube.CoreV1().RESTClient()
	if e := p.External; e != nil {
		selector, err := selectorOf(e.Selector)
		if err != nil {
			return nil, fmt.Errorf("kubernetes.external.selector: %w", err)
		}
		return without(kubernetes.External(client, namespace, e.Metric, selector)), nil
	}
	if p.Custom == nil {
		return nil, errors.New("kubernetes names neither external nor custom; write one of them")
	}
	selector, err := selectorOf(p.Custom.Selector)
	if err != nil {
		return nil, fmt.Errorf("kubernetes.custom.selector: %w", err)
	}
	return without(kubernetes.Custom(client, namespace, p.Custom.Metric, kubernetes.Object{Resource: p.Custom.Resource, Name: p.Custom.Name, Selector: selector})), nil
}

func selectorOf(s *metav1.LabelSelector) (labels.Selector, error) {
	if s == nil {
		return labels.Everything(), nil
	}
	return metav1.LabelSelectorAsSelector(s)
}

func (o *Opener) job(r Request, p v1alpha1.JobProvider) (*opened, error) {
	spec, err := jobSpec(p)
	if err != nil {
		return nil, err
	}
	source, err := kubernetes.NewJob(kubernetes.JobOptions{Client: o.kube.BatchV1(), Namespace: r.Namespace, Name: r.Name, Owner: r.Owner, Spec: spec, Labels: p.Labels, Annotations: p.Annotations})
	if err != nil {
		return nil, fmt.Errorf("job: %w", err)
	}
	return without(source), nil
}

// jobSpec reads the spec strictly: a misspelled field would be dropped, and the Job would measure something else.
func jobSpec(p v1alpha1.JobProvider) (batchv1.JobSpec, error) {
	var spec batchv1.JobSpec
	if mistakes, ok := errors.AsType[*strict.Error](strict.Unmarshal(p.Spec.Raw, &spec)); ok {
		return spec, mistakes.Under("job.spec")
	}
	return spec, nil
}
