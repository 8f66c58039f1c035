package controller

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// requestRate is the built-in metric that tells how many requests a backend gets.
const requestRate = "request-rate"

// receipts is the question which part of the requests the canary really gets, and the last answer. It costs two queries an interval,
// while a step gives the canary a weight and is analysed, or waits for the answer.
type receipts struct {
	// metric asks for the requests to the canary, its baseline for those to stable.
	metric analysis.Metric
	// since is when the split was accepted: what was before would be mixed up with it.
	since time.Time
	// awaited: the release may wait for an answer. Any other one goes along with the next status.
	awaited bool
	timer   *time.Timer
	cancel  context.CancelFunc
	// percent is the last answer, nil until there is one; at is when it was asked for.
	percent *float64
	at      time.Time
}

// receiptsOf is the question for a plan, nil if it has none, or nobody can answer.
func (c *Controller) receiptsOf(w *world, plan rollout.Plan) *receipts {
	s, awaited := plan.Status, w.observed.Spec.Tolerance > 0
	if s.Release == nil || s.Release.Phase != rollout.Stepping || s.Wiring.Mode != rollout.ByRoutes || s.Ledger.High == 0 || s.Ledger.Since.IsZero() ||
		plan.Measure == nil && !awaited {
		return nil
	}
	metric, problem := c.Queries.receivedMetric(s.Wiring, w.queryVariables(w.observed.Spec))
	if problem != "" {
		return nil
	}
	if plan.Measure != nil {
		for _, m := range plan.Measure.Metrics {
			metric.Interval = min(metric.Interval, m.Interval)
		}
	}
	return &receipts{metric: metric, since: s.Ledger.Since, awaited: awaited}
}

// receivedMetric asks for the requests to the canary and to stable. The problem says why nobody can tell them, empty if somebody can.
func (q Queries) receivedMetric(wiring rollout.Wiring, variables map[string]string) (m analysis.Metric, problem string) {
	asked := v1alpha1.Metric{Name: requestRate, Threshold: &v1alpha1.Threshold{Min: "0"}, Baseline: &v1alpha1.Baseline{}}
	if why := notBuiltIn(asked, wiring, q); why != "" {
		return m, why
	}
	m, err := q.Resolve(asked, variables)
	if err != nil {
		return m, err.Error()
	}
	return m, ""
}

// receive asks a question from now on, nil for none. The same question goes on.
func (m *Measurer) receive(key engine.Key, question *receipts) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.receipts[key]; old != nil {
		if question != nil && old.since.Equal(question.since) && old.awaited == question.awaited {
			return
		}
		m.stopReceiving(key)
	}
	if question == nil || m.ctx == nil {
		return
	}
	ctx, cancel := context.WithCancel(m.ctx)
	question.cancel = cancel
	question.timer = time.AfterFunc(question.metric.Interval, func() { m.askReceived(ctx, key, question) })
	m.receipts[key] = question
	m.Budget.Expect(asker{of: m, key: key, received: true}, m.expected([]analysis.Metric{question.metric}))
}

func (m *Measurer) stopReceiving(key engine.Key) {
	r := m.receipts[key]
	delete(m.receipts, key)
	m.Budget.Expect(asker{of: m, key: key, received: true}, nil)
	r.timer.Stop()
	r.cancel()
}

// received is the last answer about the split that there is since then, if there is one.
func (m *Measurer) received(key engine.Key, since time.Time) (percent float64, at time.Time, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.receipts[key]; r != nil && r.since.Equal(since) && r.percent != nil {
		return *r.percent, r.at, true
	}
	return 0, time.Time{}, false
}

// askReceived asks once, and again an interval later.
func (m *Measurer) askReceived(ctx context.Context, key engine.Key, r *receipts) {
	answer, answered := m.answer(ctx, asker{of: m, key: key, received: true}, r.metric, r.since, fmt.Sprintf("%s received %d", key, now().UnixMicro()))
	if !answered {
		return
	}
	percent, known := receivedShare(answer.Evidence, answer.At.Sub(r.since) >= r.metric.Window)

	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	r.timer = time.AfterFunc(r.metric.Interval, func() { m.askReceived(ctx, key, r) })
	if !known {
		return
	}
	r.percent, r.at = &percent, answer.At
	if r.awaited {
		m.wake(key)
	}
}

// receivedShare is the canary's part of the requests in percent. A canary without a series gets nothing, once it has had the time to be
// scraped: whole says that the window is filled.
func receivedShare(e analysis.Evidence, whole bool) (percent float64, known bool) {
	canary, there := single(e.Sample)
	stable, beside := single(e.Baseline)
	total := canary + stable
	seen := whole || there && beside
	if e.Err != nil || !seen || math.IsNaN(total) || total <= 0 {
		return 0, false
	}
	return 100 * canary / total, true
}

// single is the number of a sample with one series at most.
func single(s analysis.Sample) (value float64, there bool) {
	if len(s.Series) != 1 {
		return 0, false
	}
	return s.Series[0].Value, true
}

// tellReceived adds to a status what is known of the share that is received, and says whether anything else has changed: it is no reason
// to write.
func (c *Controller) tellReceived(w *world, next *v1alpha1.RolloutStatus, s rollout.Status) (changed bool) {
	before := w.object.Status
	silent := *next.DeepCopy()
	if before.Traffic != nil {
		silent.Traffic.Received = before.Traffic.Received
	}
	if s.Release != nil && s.Release.Phase == rollout.Stepping && !s.Ledger.Since.IsZero() {
		if t := before.Traffic; t != nil && t.Since != nil && t.Since.Time.Equal(s.Ledger.Since) {
			next.Traffic.Received = t.Received
		}
		if percent, at, known := c.Measurer.received(w.key, s.Ledger.Since); known {
			next.Traffic.Received = &v1alpha1.ReceivedShare{Percent: strconv.FormatFloat(percent, 'f', 1, 64), At: *microTime(at)}
		}
	}
	return !apiequality.Semantic.DeepEqual(silent, before)
}

// observeReceived takes up what was measured of the split that there is.
func (c *Controller) observeReceived(w *world) {
	since := w.observed.Status.Ledger.Since
	if percent, _, known := c.Measurer.received(w.key, since); known {
		w.observed.Received = &rollout.Received{Percent: percent, Since: since}
	}
}

// resolveReceived reads whether a release waits for the share that is received, and says why it can't.
func (r *resolved) resolveReceived(queries Queries, w *world) {
	canary := w.object.Spec.Strategy.Canary
	if canary == nil || canary.TrafficRouting == nil || canary.TrafficRouting.MeasuredShare == nil {
		return
	}
	const field = "spec.strategy.canary.trafficRouting.measuredShare"
	r.spec.Tolerance = int(canary.TrafficRouting.MeasuredShare.Tolerance)
	if queries.Missing() {
		r.problems = append(r.problems, rollout.Problem{Reason: reasonNoMetricSource, Reference: true,
			Message: field + " needs Prometheus, and the engine was started without its address; start the controller with --prometheus-address"})
		return
	}
	if _, problem := queries.receivedMetric(r.spec.Wiring, w.queryVariables(r.spec)); problem != "" {
		r.problem(reasonInvalidStrategy, "%s can't be had: %s; leave measuredShare out", field, problem)
	}
	if a := r.spec.Affinity; a != nil && a.TTL >= r.spec.ProgressDeadline {
		r.problem(reasonInvalidStrategy, "%s: with affinity the share follows the weight only within affinity.cookie.ttlSeconds (%d), and spec.progressDeadlineSeconds (%d) takes "+
			"the release back before; make the life of the cookie shorter, or the deadline longer", field, int(a.TTL.Seconds()), int(r.spec.ProgressDeadline.Seconds()))
	}
}
