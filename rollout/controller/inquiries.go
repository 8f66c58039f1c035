package controller

import (
	"cmp"
	"context"
	"time"

	"github.com/rollout-dev/rollout/analysis"
)

// question is what the engine's own source is asked for one measurement. Equal questions have the same answer.
type question struct {
	query, baseline, requests string
	window                    time.Duration
}

// inquiry is a question on its way, and everybody who waits for it.
type inquiry struct {
	done     chan struct{}
	at       time.Time
	evidence analysis.Evidence
}

// answer asks for everything that a measurement needs as soon as there is a slot, and says when it did. It is false if ctx
// ended before.
func (m *Measurer) answer(ctx context.Context, metric analysis.Metric, since time.Time, id string) (time.Time, analysis.Evidence, bool) {
	source := m.sourceOf(metric)
	switch {
	case source == nil:
		return now(), analysis.Evidence{Err: errNoSource}, true
	case !shareable(metric, since):
		return m.ask(ctx, source, metric, since, id, func() {})
	}
	q := question{query: metric.Query, requests: metric.Requests, window: metric.Window}
	if metric.Baseline != nil {
		q.baseline = metric.Baseline.Query
	}
	i := m.inquire(q, metric, since, id)
	select {
	case <-i.done:
		return i.at, i.evidence, true
	case <-ctx.Done():
		return time.Time{}, analysis.Evidence{}, false
	}
}

// shareable says whether others may ask the same. A run that is younger than the window looks back less far than they do.
func shareable(metric analysis.Metric, since time.Time) bool {
	own := metric.Baseline == nil || metric.Baseline.Source == nil
	return metric.Source == nil && own && time.Since(since) >= metric.Window
}

// inquire joins those who wait for a slot with the same question, or waits as the first of them. A question that was asked
// already is nobody's any more: its answer would be older than who joins it takes it for.
func (m *Measurer) inquire(q question, metric analysis.Metric, since time.Time, id string) *inquiry {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := m.inquiries[q]; i != nil {
		return i
	}
	i := &inquiry{done: make(chan struct{})}
	ctx := m.ctx
	if ctx == nil {
		// It has been stopped, and so has everybody who asks.
		return i
	}
	m.inquiries[q] = i
	go func() {
		defer close(i.done)
		begin := func() {
			m.mu.Lock()
			delete(m.inquiries, q)
			m.mu.Unlock()
		}
		i.at, i.evidence, _ = m.ask(ctx, m.Source, metric, since, id, begin)
	}()
	return i
}

// ask waits for a slot and asks. begin is called in between.
func (m *Measurer) ask(ctx context.Context, source analysis.Source, metric analysis.Metric, since time.Time, id string, begin func()) (time.Time, analysis.Evidence, bool) {
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		begin()
		return time.Time{}, analysis.Evidence{}, false
	}
	begin()
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(metric.Timeout, m.Timeout))
	defer cancel()
	at := now()
	return at, analysis.Ask(ctx, source, metric, at.Sub(since), id), true
}

// now is as fine as the API can keep it.
func now() time.Time { return time.Now().Truncate(time.Microsecond) }
