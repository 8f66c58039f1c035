package controller

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/budget"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// errNoSource is what every measurement says without a metric source.
var errNoSource = errors.New("there is nobody to ask; start the controller with --prometheus-address")

// asker is who waits for answers: a Rollout or an AnalysisRun, as which Measurer knows it. What is received is asked for beside its metrics.
type asker struct {
	of       *Measurer
	key      engine.Key
	received bool
}

// question is what a server is asked for one measurement. Equal questions have the same answer.
type question struct {
	// of and baselineOf are who is asked, with what credentials; empty for the engine's own source.
	of, baselineOf            string
	query, baseline, requests string
	window                    time.Duration
}

// sourceOf is who is asked about a metric, nil if there is nobody.
func (m *Measurer) sourceOf(metric analysis.Metric) analysis.Source {
	if metric.Source != nil {
		return metric.Source
	}
	return m.Source
}

// expected are the questions that metrics lead to.
func (m *Measurer) expected(metrics []analysis.Metric) []budget.Expected {
	var all []budget.Expected
	for _, metric := range metrics {
		if m.sourceOf(metric) != nil {
			all = append(all, budget.Expected{Of: serverOf(metric), Interval: often(metric)})
		}
	}
	return all
}

// answer asks for everything that a measurement needs when it is its turn, and says when that was. It is false if ctx ended before.
func (m *Measurer) answer(ctx context.Context, by asker, metric analysis.Metric, since time.Time, id string) (budget.Answer, bool) {
	source := m.sourceOf(metric)
	if source == nil {
		return budget.Answer{At: now(), Evidence: analysis.Evidence{Err: errNoSource}}, true
	}
	wanted := budget.Question{Asker: by, Of: serverOf(metric), Interval: often(metric)}
	within := ctx
	if q, shareable := shared(metric, since); shareable {
		m.mu.Lock()
		all := m.ctx
		m.mu.Unlock()
		if all == nil {
			return budget.Answer{}, false // It has been stopped, and so has everybody who asks.
		}
		wanted.Same, within = q, all
	}
	return m.Budget.Ask(ctx, wanted, func() budget.Answer {
		within, cancel := context.WithTimeout(within, cmp.Or(metric.Timeout, m.Timeout))
		defer cancel()
		at := now()
		return budget.Answer{At: at, Evidence: analysis.Ask(within, source, metric, at.Sub(since), id)}
	})
}

// shared is the question of a metric, if others may ask the same. A run that is younger than the window looks back less far than
// they do.
func shared(metric analysis.Metric, since time.Time) (question, bool) {
	q := question{query: metric.Query, requests: metric.Requests, window: metric.Window}
	var shareable, baseline bool
	q.of, shareable = identityOf(metric.Source)
	if metric.Baseline != nil {
		q.baseline = metric.Baseline.Query
		q.baselineOf, baseline = identityOf(metric.Baseline.Source)
		shareable = shareable && baseline
	}
	return q, shareable && time.Since(since) >= metric.Window
}

// identityOf tells a source from all others that may answer differently, and is false where two questions are never the same:
// Jobs and gates do something each time, and so may a server that is sent a document.
func identityOf(source analysis.Source) (string, bool) {
	if source == nil {
		return "", true
	}
	s, ok := source.(*providerSource)
	if !ok || s.request.Provider.Job != nil || sends(s.request.Provider.Web) {
		return "", false
	}
	// Whose Secrets are read, and for some what is asked about, depends on the namespace. Jobs alone have a name and an owner.
	request := s.request
	request.Name, request.Owner = "", metav1.OwnerReference{}
	text, err := json.Marshal(request)
	return string(text), err == nil
}

// sends says whether a web server gets more than a request for a page.
func sends(web *v1alpha1.WebProvider) bool {
	return web != nil && (web.Body != "" || web.Method != "" && web.Method != http.MethodGet)
}

// serverOf is who has to bear the questions of a metric.
func serverOf(metric analysis.Metric) budget.Server {
	switch s := metric.Source.(type) {
	case nil:
		return budget.Server{Kind: budget.Own}
	case *gateSource:
		return budget.Server{Kind: budget.Gates, Name: hostOf(s.request.Provider)}
	case *providerSource:
		return budget.Server{Kind: budget.Providers, Name: hostOf(s.request.Provider)}
	}
	return budget.Server{Kind: budget.Providers}
}

// often is how often a metric is asked for. A Job is looked at until it has ended.
func often(metric analysis.Metric) time.Duration {
	if s, ok := metric.Source.(*providerSource); ok && s.request.Provider.Job != nil {
		return min(metric.Interval, pendingPause)
	}
	return metric.Interval
}

// hostOf is the host and port that a provider names, or the name of the service where it names none.
func hostOf(p v1alpha1.MetricProvider) string {
	address := ""
	switch {
	case p.Prometheus != nil:
		address = p.Prometheus.Address
	case p.Web != nil:
		address = p.Web.URL
	case p.Graphite != nil:
		address = p.Graphite.Address
	case p.InfluxDB != nil:
		address = p.InfluxDB.Address
	case p.Datadog != nil:
		address = cmp.Or(p.Datadog.Address, "datadog")
	case p.NewRelic != nil:
		address = cmp.Or(p.NewRelic.Address, "newRelic")
	case p.CloudWatch != nil:
		address = cmp.Or(p.CloudWatch.Address, "cloudWatch/"+p.CloudWatch.Region)
	default:
		return "kubernetes" // Jobs and the metrics APIs are both behind the API server.
	}
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return address
}

// now is as fine as the API can keep it.
func now() time.Time { return time.Now().Truncate(time.Microsecond) }
