package controller

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// The defaults of metrics.
const (
	defaultInterval = 10 * time.Second
	defaultWindow   = time.Minute
	defaultQuantile = "0.99"
)

// latency is the only built-in metric that doesn't count requests.
const latency = "latency"

// windowVariable stays in a resolved query: its value depends on when the query is asked.
const windowVariable = "window"

// Built is a built-in metric to make a query for.
type Built struct {
	// Name is success-rate, error-rate, request-rate or latency; Quantile, between 0 and 1, is for the last.
	Name, Quantile string
	// Namespace and Service are what the requests are sent to; Pods is a regular expression for the names of the pods.
	Namespace, Service, Pods string
	// Window is PromQL's way to say how far back to look, or the variable that stands for it.
	Window string
}

// Queries makes the queries of metrics.
type Queries struct {
	// Builtin makes the query of a built-in metric. Nil: there is no metric source.
	Builtin func(Built) (string, error)
	// PodsTellApart says that the built-in metrics are those of the pods, which need no gateway to tell revisions apart.
	PodsTellApart bool
	// Providers asks others than the engine's own Prometheus.
	Providers Providers
	// owner owns what providers start.
	owner metav1.OwnerReference
}

// Missing says whether there is nothing to ask.
func (q Queries) Missing() bool { return q.Builtin == nil }

// Resolve makes a metric of the spec one that can be measured. Errors name the field, the value and the way out.
func (q Queries) Resolve(m v1alpha1.Metric, variables map[string]string) (analysis.Metric, error) {
	out := analysis.Metric{
		Name:         m.Name,
		Interval:     durationOr(m.Interval, defaultInterval),
		Window:       durationOr(m.Window, defaultWindow),
		FailureLimit: int(m.FailureLimit),
	}
	var err error
	if out.Threshold, err = analysis.ParseThreshold(m.Threshold.Min, m.Threshold.Max); err != nil {
		return out, fmt.Errorf("threshold: %w", err)
	}
	if m.Provider != nil {
		out.Source, out.Query, err = q.provider(m, variables)
		return out, err
	}
	window := "{{" + windowVariable + "}}"
	if m.Query != "" {
		variables[windowVariable] = window
		out.Query, err = analysis.Expand(m.Query, variables)
		return out, err
	}
	if q.Missing() {
		return out, nil
	}
	quantile := m.Quantile
	if quantile == "" {
		quantile = defaultQuantile
	}
	out.Query, err = q.Builtin(Built{Name: m.Name, Quantile: quantile, Window: window,
		Namespace: variables["namespace"], Service: variables["service"], Pods: podsOf(variables)})
	return out, err
}

// podsOf matches the pods of the revision.
func podsOf(variables map[string]string) string {
	return regexp.QuoteMeta(workloadName(variables["name"], variables["revision"])) + "-.+"
}

// queryAt is the query with its window filled in: as long as the metric says, but not longer than this run has had
// traffic. Looking back further would hold the errors of an earlier revision behind the same Service against this one.
func queryAt(metric analysis.Metric, exposed time.Duration) analysis.Query {
	window := max(min(metric.Window, exposed), time.Second).Truncate(time.Millisecond)
	text := strings.ReplaceAll(metric.Query, "{{"+windowVariable+"}}", fmt.Sprintf("%dms", window.Milliseconds()))
	return analysis.Query{Text: text, Window: window}
}
