package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/controller/budget"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// pendingPause is how long to wait before a source is asked again that hasn't found out yet.
const pendingPause = 2 * time.Second

// MeasurerOptions are what a Measurer needs.
type MeasurerOptions struct {
	// Source answers the queries; nil if there is none.
	Source analysis.Source
	// Budget bounds the queries, together with all others that have the same one.
	Budget *budget.Budget
	// Timeout bounds one query.
	Timeout time.Duration
}

// Measurer asks the metric source beside the passes, so that a slow source never delays a change of traffic. What it
// measured comes back as an observation; what isn't persisted by then is simply measured again.
type Measurer struct {
	MeasurerOptions

	mu   sync.Mutex
	jobs map[engine.Key]*job // follows mu
	// receipts are what is asked for besides metrics.
	receipts map[engine.Key]*receipts // follows mu
	// wake brings a Rollout back to the queue; ctx ends all queries. Both follow mu and are set by Start.
	wake func(engine.Key)
	ctx  context.Context //nolint:containedctx // Queries outlive the call that schedules them.
}

// job is what is measured for one run of one Rollout, at one step.
type job struct {
	measure rollout.Measure
	timers  map[string]*time.Timer
	// asked is when each metric was last asked for.
	asked   map[string]time.Time
	results []analysis.Measurement
	cancel  context.CancelFunc
	ctx     context.Context //nolint:containedctx // Ends with the run.
}

// NewMeasurer makes a Measurer. It measures nothing before Start.
func NewMeasurer(o MeasurerOptions) *Measurer {
	return &Measurer{MeasurerOptions: o, jobs: map[engine.Key]*job{}, receipts: map[engine.Key]*receipts{}}
}

// Start lets measurements happen from now on, until ctx ends. wake is called for a Rollout that has new results. It has to come before
// the first pass: what that wants would be lost, and nothing else might bring the Rollout back for a long time.
func (m *Measurer) Start(ctx context.Context, wake func(engine.Key)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ctx, m.wake = ctx, wake
	context.AfterFunc(ctx, m.end)
}

// end stops everything.
func (m *Measurer) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.jobs {
		m.stop(key)
	}
	for key := range m.receipts {
		m.stopReceiving(key)
	}
	m.ctx = nil
}

// Want says what is to be measured for a Rollout from now on; nil for nothing. Results that the plan's status has taken
// up, as Last tells, are dropped.
func (m *Measurer) Want(key engine.Key, want *rollout.Measure) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.jobs[key]
	if want == nil || m.ctx == nil {
		if old != nil {
			m.stop(key)
		}
		return
	}
	if old != nil && (old.measure.Run != want.Run || old.measure.Step != want.Step) {
		// The same name may stand for another query at another step.
		m.stop(key)
		old = nil
	}
	if old == nil {
		old = &job{timers: map[string]*time.Timer{}, asked: map[string]time.Time{}}
		old.ctx, old.cancel = context.WithCancel(m.ctx)
		m.jobs[key] = old
	}
	old.measure = *want
	old.dropTaken()
	m.Budget.Expect(asker{of: m, key: key}, m.expected(want.Metrics))
	m.schedule(key, old)
}

// Results are the measurements that no persisted status has taken up yet, oldest first.
func (m *Measurer) Results(key engine.Key) []analysis.Measurement {
	m.mu.Lock()
	defer m.mu.Unlock()
	if j := m.jobs[key]; j != nil {
		return append([]analysis.Measurement(nil), j.results...)
	}
	return nil
}

func (m *Measurer) stop(key engine.Key) {
	j := m.jobs[key]
	delete(m.jobs, key)
	m.Budget.Expect(asker{of: m, key: key}, nil)
	j.cancel()
	for _, timer := range j.timers {
		timer.Stop()
	}
}

func (j *job) dropTaken() {
	var left []analysis.Measurement
	for _, r := range j.results {
		if r.At.After(j.measure.Last[r.Metric]) {
			left = append(left, r)
		}
	}
	j.results = left
}

// schedule makes sure that every metric has a timer. Metrics that are no longer wanted lose theirs.
func (m *Measurer) schedule(key engine.Key, j *job) {
	wanted := map[string]bool{}
	for _, metric := range j.measure.Metrics {
		wanted[metric.Name] = true
		if j.timers[metric.Name] != nil || j.decided(metric) {
			continue
		}
		last := j.last(metric.Name)
		wait := time.Duration(0)
		if !last.IsZero() {
			wait = time.Until(last.Add(metric.Interval))
		}
		if from := j.measure.From[metric.Name]; !from.IsZero() {
			wait = max(wait, time.Until(from))
		}
		j.timers[metric.Name] = time.AfterFunc(max(wait, 0), func() { m.measure(key, j, metric) })
	}
	for name, timer := range j.timers {
		if !wanted[name] {
			timer.Stop()
			delete(j.timers, name)
		}
	}
}

// decided says whether a gate has given its last word, even if no status shows it yet.
func (j *job) decided(metric analysis.Metric) bool {
	return metric.Gate && !metric.Repeated && slices.ContainsFunc(j.results, func(r analysis.Measurement) bool {
		return r.Metric == metric.Name && (r.Verdict == analysis.Pass || r.Verdict == analysis.Fail)
	})
}

// last is when a metric was last measured, as far as this process or the status knows. A measurement is known by the one
// before it, which a process that was killed meanwhile finds in the status.
func (j *job) last(metric string) time.Time {
	last := j.measure.Last[metric]
	if asked := j.asked[metric]; asked.After(last) {
		last = asked
	}
	return last
}

// later asks again for what a source is still finding out.
func (m *Measurer) later(key engine.Key, j *job, metric analysis.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.jobs[key] == j && j.ctx.Err() == nil && j.timers[metric.Name] != nil {
		j.timers[metric.Name] = time.AfterFunc(pendingPause, func() { m.measure(key, j, metric) })
	}
}

// measure asks for one metric and schedules its next measurement.
func (m *Measurer) measure(key engine.Key, j *job, metric analysis.Metric) {
	m.mu.Lock()
	run, step, since := j.measure.Run, j.measure.Step, j.measure.Since
	id := fmt.Sprintf("%s run %d step %d %s after %d", key, run, step, metric.Name, j.last(metric.Name).UnixMicro())
	m.mu.Unlock()
	answer, answered := m.answer(j.ctx, asker{of: m, key: key}, metric, since, id)
	if !answered {
		return
	}
	if errors.Is(answer.Evidence.Err, analysis.ErrPending) {
		m.later(key, j, metric)
		return
	}
	result := analysis.Measurement{Run: run, Step: step, Metric: metric.Name, At: answer.At, Judgement: analysis.Judge(metric, answer.Evidence)}

	m.mu.Lock()
	defer m.mu.Unlock()
	if m.jobs[key] != j || j.ctx.Err() != nil {
		return
	}
	j.asked[metric.Name] = answer.At
	j.results = append(j.results, result)
	delete(j.timers, metric.Name)
	m.schedule(key, j)
	m.wake(key)
}
