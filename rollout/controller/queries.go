package controller

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
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

// Built is a built-in metric to make a query for.
type Built struct {
	// Name is success-rate, error-rate, request-rate or latency; Quantile, between 0 and 1, is for the last.
	Name, Quantile string
	// Namespace and Service are what the requests are sent to; Pods is a regular expression for the names of the pods.
	Namespace, Service, Pods string
	// Window is PromQL's way to say how far back to look, or the variable that stands for it.
	Window string
}

// Queries makes the queries and conditions of metrics.
type Queries struct {
	// Builtin makes the query of a built-in metric. Nil: there is no metric source.
	Builtin func(Built) (string, error)
	// Counts makes the query that counts the requests which a built-in metric is about. Nil: there is none.
	Counts func(Built) (string, error)
	// TellsApart says whether a built-in metric tells the requests of revisions apart behind routes of some kinds, or, without routes, by
	// their pods. The error says what to do instead. Nil: always.
	TellsApart func(metric string, routes []string) error
	// Condition compiles an expression of the user's. Nil: there is no language for it.
	Condition func(text string) (analysis.Condition, error)
	// Providers asks others than the engine's own Prometheus.
	Providers Providers
	// owner owns what providers start.
	owner metav1.OwnerReference
	// secrets are the arguments that come from Secrets, by name.
	secrets map[string]v1alpha1.SecretKey
}

// Missing says whether there is nothing to ask.
func (q Queries) Missing() bool { return q.Builtin == nil }

// Resolve makes a metric of the spec one that can be measured. Errors name the field, the value and the way out.
func (q Queries) Resolve(m v1alpha1.Metric, variables map[string]string) (analysis.Metric, error) {
	out := analysis.Metric{
		Name:         m.Name,
		Interval:     durationOr(m.Interval, defaultInterval),
		InitialDelay: durationOr(m.InitialDelay, 0),
		Window:       durationOr(m.Window, defaultWindow),
		Count:        int(m.Count),
		Limits:       limitsOf(m.MetricLimits),
		DryRun:       m.DryRun != nil && *m.DryRun,
		Choice:       choiceOf(m.Series),
		MinRequests:  float64(m.MinRequests),
	}
	own := map[string]string{analysis.WindowVariable: "{{" + analysis.WindowVariable + "}}"}
	maps.Copy(own, variables)
	variables = own
	if err := q.judging(m, &out); err != nil {
		return out, err
	}
	var err error
	if out.Source, out.Query, err = q.asked(m, m.Query, variables); err != nil {
		return out, err
	}
	if out.Requests, err = q.requests(m, variables); err != nil {
		return out, fmt.Errorf("requestsQuery: %w", err)
	}
	return out, q.baseline(m, &out, variables)
}

// judging reads how an answer becomes a verdict.
func (q Queries) judging(m v1alpha1.Metric, out *analysis.Metric) (err error) {
	if m.Threshold != nil {
		if out.Threshold, err = analysis.ParseThreshold(m.Threshold.Min, m.Threshold.Max); err != nil {
			return fmt.Errorf("threshold: %w", err)
		}
	}
	if out.Success, err = q.condition(m.SuccessCondition); err != nil {
		return fmt.Errorf("successCondition: %w", err)
	}
	if out.Failure, err = q.condition(m.FailureCondition); err != nil {
		return fmt.Errorf("failureCondition: %w", err)
	}
	judged := out.Success != nil || out.Failure != nil
	switch {
	case judged == (m.Threshold != nil):
		return errors.New("a metric is judged in one way; give it a threshold, or else successCondition, failureCondition or both")
	case out.Choice == analysis.List && !judged:
		return errors.New("series is List, which only conditions understand; give successCondition or failureCondition instead of threshold")
	case out.Choice == analysis.List && m.Baseline != nil:
		return errors.New("series is List, and a list is not compared with stable; use All or Any with baseline")
	}
	return nil
}

// condition compiles an expression; an empty one is none.
func (q Queries) condition(text string) (analysis.Condition, error) {
	switch {
	case text == "":
		return nil, nil
	case q.Condition == nil:
		return nil, fmt.Errorf("%q can't be read by this controller; use threshold", text)
	}
	return q.Condition(text)
}

// asked is who is asked for a metric, nil for the engine's own Prometheus, and what.
func (q Queries) asked(m v1alpha1.Metric, own string, variables map[string]string) (analysis.Source, string, error) {
	if m.Provider != nil && own == "" {
		return q.provider(m, variables)
	}
	text, err := q.query(m, own, variables)
	return nil, text, err
}

// query is what the engine's own source is asked: the user's own words, or for a built-in metric what the router measures.
func (q Queries) query(m v1alpha1.Metric, own string, variables map[string]string) (string, error) {
	if own != "" {
		return analysis.Expand(own, variables)
	}
	if q.Missing() {
		return "", nil
	}
	return q.Builtin(built(m, variables))
}

// requests is what counts the requests that a metric is about, empty if nobody wants to know: the user's own words, or for a built-in metric
// what the router measures.
func (q Queries) requests(m v1alpha1.Metric, variables map[string]string) (string, error) {
	switch {
	case m.RequestsQuery != "":
		return analysis.Expand(m.RequestsQuery, variables)
	case m.MinRequests == 0 || m.Query != "" || m.Provider != nil || q.Counts == nil:
		return "", nil
	}
	return q.Counts(built(m, variables))
}

func built(m v1alpha1.Metric, variables map[string]string) Built {
	return Built{Name: m.Name, Quantile: cmp.Or(m.Quantile, defaultQuantile), Namespace: variables["namespace"], Service: variables["service"],
		Window: variables[analysis.WindowVariable], Pods: podsOf(variables)}
}

// podsOf matches the pods of the revision.
func podsOf(variables map[string]string) string {
	return regexp.QuoteMeta(workloadName(variables["name"], variables["revision"])) + "-.+"
}

// baseline makes the same question about stable.
func (q Queries) baseline(m v1alpha1.Metric, out *analysis.Metric, variables map[string]string) error {
	if m.Baseline == nil {
		return nil
	}
	out.Baseline = &analysis.Baseline{By: analysis.Ratio}
	if m.Baseline.By == "Difference" {
		out.Baseline.By = analysis.Difference
	}
	own := m.Baseline.Query
	if own == "" {
		own = m.Query
	}
	var err error
	if out.Baseline.Source, out.Baseline.Query, err = q.asked(m, own, ofStable(variables)); err != nil {
		return fmt.Errorf("baseline: %w", err)
	}
	if out.Baseline.Query == out.Query && m.Provider == nil && !q.Missing() {
		return errors.New("baseline asks for the same as the metric itself: its query names neither {{service}} nor {{revision}}, which differ for stable; " +
			"use one of them, or give baseline.query")
	}
	return nil
}

// ofStable are the variables as they are for the stable revision.
func ofStable(variables map[string]string) map[string]string {
	stable := maps.Clone(variables)
	for of, name := range map[string]string{"stableService": "service", "stableRevision": "revision"} {
		delete(stable, name)
		if value, there := variables[of]; there {
			stable[name] = value
		}
	}
	return stable
}

func limitsOf(m v1alpha1.MetricLimits) analysis.Limits {
	limits := analysis.Limits{
		ConsecutiveFailures: limit(m.ConsecutiveFailureLimit),
		Inconclusive:        limit(m.InconclusiveLimit),
		ConsecutiveErrors:   limit(m.ConsecutiveErrorLimit),
		NoData:              map[string]analysis.NoDataPolicy{"Fail": analysis.AsFail, "Pass": analysis.AsPass}[m.NoData],
	}
	switch {
	case m.FailureLimit != nil:
		limits.Failures = int(*m.FailureLimit)
	case m.ConsecutiveFailureLimit != nil:
		limits.Failures = -1
	}
	return limits
}

func limit(n *int32) *int {
	if n == nil {
		return nil
	}
	return new(int(*n))
}

func choiceOf(series string) analysis.Choice {
	return map[string]analysis.Choice{"All": analysis.All, "Any": analysis.Any, "List": analysis.List}[series]
}
