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

// receipts is the question which part of the requests the canary really gets, and the last answer. It is asked beside the metrics of a
// release, so it costs two queries an interval, and nothing where nothing is analysed.
type receipts struct {
	// metric asks for the requests to the canary, its baseline for those to stable.
	metric analysis.Metric
	// since is when the weight was last changed: what was before would be mixed up with it.
	since time.Time
	asked time.Time
	share *v1alpha1.ReceivedShare
}

// receipts is the question while a step gives the canary a weight, nil if there is nobody to ask or nothing to tell apart.
func (c *Controller) receipts(w *world, s rollout.Status) *receipts {
	if s.Release == nil || s.Release.Phase != rollout.Stepping || s.Wiring.Mode != rollout.ByRoutes || s.Ledger.High == 0 || s.Ledger.Since.IsZero() ||
		c.Queries.Missing() {
		return nil
	}
	asked := v1alpha1.Metric{Name: requestRate, Threshold: &v1alpha1.Threshold{Min: "0"}, Baseline: &v1alpha1.Baseline{}}
	if notBuiltIn(asked, s.Wiring, c.Queries) != "" {
		return nil
	}
	metric, err := c.Queries.Resolve(asked, w.queryVariables(w.observed.Spec))
	if err != nil {
		// A router without such metrics. That matters to nobody who hasn't asked for one.
		return nil
	}
	return &receipts{metric: metric, since: s.Ledger.Since}
}

// receive asks from now on which share is received, whenever a metric that is wanted was measured; nil for never.
func (m *Measurer) receive(key engine.Key, question *receipts) {
	m.mu.Lock()
	defer m.mu.Unlock()
	j := m.jobs[key]
	switch {
	case j == nil:
	case question == nil || j.receipts == nil || !j.receipts.since.Equal(question.since):
		j.receipts = question
	}
}

// received is the last answer for a split that there is since then, nil if there is none.
func (m *Measurer) received(key engine.Key, since time.Time) *v1alpha1.ReceivedShare {
	m.mu.Lock()
	defer m.mu.Unlock()
	if j := m.jobs[key]; j != nil && j.receipts != nil && j.receipts.since.Equal(since) {
		return j.receipts.share
	}
	return nil
}

// askReceived asks once for all metrics that are measured at about the same time. It wakes nobody: the answer goes along with the next status.
func (m *Measurer) askReceived(j *job, at time.Time, interval time.Duration) {
	m.mu.Lock()
	r := j.receipts
	due := r != nil && m.Source != nil && at.Sub(r.asked) >= interval && at.After(r.since)
	if due {
		r.asked = at
	}
	m.mu.Unlock()
	if !due {
		return
	}
	ctx, cancel := context.WithTimeout(j.ctx, m.Timeout)
	defer cancel()
	exposed := at.Sub(r.since)
	share, known := receivedShare(analysis.Ask(ctx, m.Source, r.metric, exposed, fmt.Sprintf("received %d", at.UnixMicro())), exposed >= r.metric.Window)
	if !known {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r.share = &v1alpha1.ReceivedShare{Percent: strconv.FormatFloat(share, 'f', 1, 64), At: *microTime(at)}
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
		next.Traffic.Received = c.Measurer.received(w.key, s.Ledger.Since)
		if t := before.Traffic; next.Traffic.Received == nil && t != nil && t.Since != nil && t.Since.Time.Equal(s.Ledger.Since) {
			next.Traffic.Received = t.Received
		}
	}
	return !apiequality.Semantic.DeepEqual(silent, before)
}
