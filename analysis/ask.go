package analysis

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// WindowVariable stays in the queries of a Metric: its value depends on when they are asked.
const WindowVariable = "window"

// shortest is the smallest window: no source knows an empty one.
const shortest = time.Second

// Evidence is everything that one measurement brought in.
type Evidence struct {
	// Sample is the answer about the revision under test, Baseline that about stable.
	Sample, Baseline Sample
	// Counts are the requests that Sample is about, if somebody counts them.
	Counts []Counts
	// Err is what prevented one of the answers.
	Err error
}

// Ask asks a source everything that one measurement of a metric needs. exposed is how long the run has had traffic: a query
// doesn't look back further, or it would hold the errors of an earlier revision behind the same Service against this one.
// The id names the measurement; see Query.ID.
func Ask(ctx context.Context, source Source, m Metric, exposed time.Duration, id string) Evidence {
	var e Evidence
	window := max(min(m.Window, exposed), shortest).Truncate(time.Millisecond)
	if e.Sample, e.Err = source.Query(ctx, Query{Text: windowed(m.Query, window), Window: window, ID: id}); e.Err != nil {
		return e
	}
	if m.Baseline != nil {
		stable := source
		if m.Baseline.Source != nil {
			stable = m.Baseline.Source
		}
		if e.Baseline, e.Err = stable.Query(ctx, Query{Text: windowed(m.Baseline.Query, window), Window: window, ID: id + "/stable"}); e.Err != nil {
			e.Err = fmt.Errorf("stable: %w", e.Err)
			return e
		}
	}
	e.Counts = e.Sample.Counts
	if m.Requests == "" {
		return e
	}
	requests, err := source.Query(ctx, Query{Text: windowed(m.Requests, window), Window: window, ID: id + "/requests"})
	if err != nil {
		e.Err = fmt.Errorf("requests: %w", err)
		return e
	}
	e.Counts = counted(requests)
	return e
}

// counted takes the values of a query that counts requests for what they are.
func counted(s Sample) []Counts {
	counts := s.Counts
	for _, series := range s.Series {
		counts = append(counts, Counts{Labels: series.Labels, Requests: series.Value})
	}
	return counts
}

// Total is how many requests counts are about.
func Total(counts []Counts) float64 {
	total := 0.0
	for _, c := range counts {
		total += c.Requests
	}
	return total
}

// windowed fills the window into a query.
func windowed(query string, window time.Duration) string {
	return strings.ReplaceAll(query, "{{"+WindowVariable+"}}", fmt.Sprintf("%dms", window.Milliseconds()))
}
