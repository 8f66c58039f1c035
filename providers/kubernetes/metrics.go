// Package kubernetes asks Kubernetes itself: its metrics APIs, custom.metrics.k8s.io (v1beta2) and external.metrics.k8s.io
// (v1beta1), which adapters such as prometheus-adapter and KEDA serve; and Jobs.
package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	custom "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	external "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
)

// Metrics implements analysis.Source. It may be used by any number of goroutines.
type Metrics struct {
	client     rest.Interface
	server     outbound.Server
	path       []string
	parameters map[string]string
	decode     func([]byte) (analysis.Sample, error)
	question   string
}

var _ analysis.Source = (*Metrics)(nil)

// External makes a source of a metric that belongs to no object of the cluster. The selector is over the metric's labels;
// each value is a series.
func External(client rest.Interface, namespace, metric string, selector labels.Selector) *Metrics {
	s := &Metrics{
		client: client, server: outbound.Server{Kind: "Kubernetes", Address: "external.metrics.k8s.io"},
		path:     []string{"apis", external.SchemeGroupVersion.Group, external.SchemeGroupVersion.Version, "namespaces", namespace, metric},
		decode:   decodeExternal,
		question: "external metric " + metric,
	}
	if !selector.Empty() {
		s.parameters = map[string]string{"labelSelector": selector.String()}
	}
	return s
}

// Object names what a custom metric is about.
type Object struct {
	// Resource is its plural, with the group behind a dot if it has one: pods, services, httproutes.gateway.networking.k8s.io.
	Resource string
	// Name of one object; empty for all that the selector matches, of which each is a series.
	Name     string
	Selector labels.Selector
}

// Custom makes a source of a metric of objects in a namespace.
func Custom(client rest.Interface, namespace, metric string, of Object) *Metrics {
	name, parameters := of.Name, map[string]string{}
	if name == "" {
		name = custom.AllObjects
		if of.Selector != nil && !of.Selector.Empty() {
			parameters["labelSelector"] = of.Selector.String()
		}
	}
	return &Metrics{
		client: client, server: outbound.Server{Kind: "Kubernetes", Address: "custom.metrics.k8s.io"},
		path:       []string{"apis", custom.SchemeGroupVersion.Group, custom.SchemeGroupVersion.Version, "namespaces", namespace, of.Resource, name, metric},
		parameters: parameters,
		decode:     decodeCustom,
		question:   fmt.Sprintf("metric %s of %s %s", metric, of.Resource, name),
	}
}

// Query asks for the values now.
func (s *Metrics) Query(ctx context.Context, _ analysis.Query) (analysis.Sample, error) {
	request := s.client.Get().AbsPath(s.path...).SetHeader("Accept", "application/json").MaxRetries(0)
	for name, value := range s.parameters {
		request = request.Param(name, value)
	}
	sample, err := s.ask(ctx, request)
	if err != nil {
		return analysis.Sample{}, s.server.Failed(s.question, err, hint(err))
	}
	return sample, nil
}

func (s *Metrics) ask(ctx context.Context, request *rest.Request) (analysis.Sample, error) {
	stream, err := request.Stream(ctx)
	if err != nil {
		return analysis.Sample{}, err
	}
	defer stream.Close()
	body, err := io.ReadAll(io.LimitReader(stream, outbound.MaxAnswer+1))
	switch {
	case err != nil:
		return analysis.Sample{}, fmt.Errorf("read the answer: %w", err)
	case len(body) > outbound.MaxAnswer:
		return analysis.Sample{}, outbound.ErrTooLarge
	}
	return s.decode(body)
}

// hint adds what to do where an adapter or a permission is missing.
func hint(err error) string {
	switch {
	case apierrors.IsNotFound(err):
		return reason(err) + "; is an adapter installed that serves this metric?"
	case apierrors.IsForbidden(err):
		return reason(err) + "; the controller's role must allow get on it"
	}
	return reason(err)
}

func decodeExternal(body []byte) (analysis.Sample, error) {
	var list struct {
		Kind  string                          `json:"kind"`
		Items *[]external.ExternalMetricValue `json:"items"`
	}
	if err := unmarshal(body, &list); err != nil {
		return analysis.Sample{}, err
	}
	if list.Kind != "ExternalMetricValueList" || list.Items == nil {
		return analysis.Sample{}, fmt.Errorf("the answer is a %q, not an ExternalMetricValueList", list.Kind)
	}
	var sample analysis.Sample
	for _, item := range *list.Items {
		sample.Series = append(sample.Series, series(item.MetricLabels, item.Value))
	}
	return sample, nil
}

func decodeCustom(body []byte) (analysis.Sample, error) {
	var list struct {
		Kind  string                `json:"kind"`
		Items *[]custom.MetricValue `json:"items"`
	}
	if err := unmarshal(body, &list); err != nil {
		return analysis.Sample{}, err
	}
	if list.Kind != "MetricValueList" || list.Items == nil {
		return analysis.Sample{}, fmt.Errorf("the answer is a %q, not a MetricValueList", list.Kind)
	}
	var sample analysis.Sample
	for _, item := range *list.Items {
		sample.Series = append(sample.Series, series(map[string]string{"kind": item.DescribedObject.Kind, "name": item.DescribedObject.Name}, item.Value))
	}
	return sample, nil
}

func unmarshal(body []byte, out any) error {
	if err := json.Unmarshal(body, out); err != nil {
		return errors.New("the answer isn't the expected JSON: " + err.Error())
	}
	return nil
}

func series(labels map[string]string, value resource.Quantity) analysis.Series {
	return analysis.Series{Labels: labels, Value: value.AsApproximateFloat64()}
}
