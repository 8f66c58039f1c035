package prometheus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	apiv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/rollout-dev/rollout/analysis"
)

// noise is by how much, relative to the requests, the bad ones may exceed them: both are sums of rounded increases.
const noise = 1e-9

// bound is the label that holds a bucket's upper bound.
const bound = "le"

// batchKey is one series within one batch.
type batchKey struct {
	at     model.Time
	series model.Fingerprint
}

// tally gathers the answers of the expressions.
type tally struct {
	query  analysis.Query
	counts map[batchKey]*analysis.Counts
}

// counts asks for every expression over the same batches. Each point of a range is one batch: the expression looks back by
// the step, so batches meet and don't overlap.
func (s *Source) counts(ctx context.Context, q analysis.Query) (analysis.Sample, error) {
	c := q.Counts
	if err := checkCounts(q); err != nil {
		return analysis.Sample{}, s.server.Failed("counts", err, err.Error())
	}
	if q.At.IsZero() {
		q.At = time.Now()
	}
	t := tally{query: q, counts: map[batchKey]*analysis.Counts{}}
	span := apiv1.Range{Start: q.At.Add(-time.Duration(max(c.Batches, 1)-1) * q.Window), End: q.At, Step: q.Window}
	for _, part := range []struct {
		text string
		add  func(*analysis.Counts, model.Metric, float64) error
	}{
		{c.Requests, func(to *analysis.Counts, _ model.Metric, n float64) error { to.Requests += n; return nil }},
		{c.Bad, func(to *analysis.Counts, _ model.Metric, n float64) error { to.Bad += n; return nil }},
		{c.Buckets, addBucket},
	} {
		if part.text == "" {
			continue
		}
		value, _, err := s.api.QueryRange(ctx, part.text, span, apiv1.WithLimit(mostSeries+1))
		if err != nil {
			return analysis.Sample{}, s.server.Failed(part.text, err, reason(err))
		}
		if err := t.add(value, part.add); err != nil {
			return analysis.Sample{}, s.server.Failed(part.text, err, err.Error())
		}
	}
	all, err := t.done()
	if err != nil {
		return analysis.Sample{}, s.server.Failed(c.Bad, err, err.Error())
	}
	return analysis.Sample{Counts: all}, nil
}

func checkCounts(q analysis.Query) error {
	switch c := q.Counts; {
	case q.Window < time.Millisecond:
		return fmt.Errorf("the window is %s; it must be at least 1ms", q.Window)
	case (c.Requests == "") != (c.Bad == ""):
		return errors.New("requests and bad requests are counted together or not at all; give both expressions")
	case c.Requests == "" && c.Buckets == "":
		return errors.New("there is no expression; give those of requests and bad requests, or that of buckets")
	case c.Batches < 0 || c.Batches > mostBatches:
		return fmt.Errorf("%d batches are asked for; at most %d can be", c.Batches, mostBatches)
	}
	return nil
}

// add takes up what an expression gave.
func (t *tally) add(value model.Value, add func(*analysis.Counts, model.Metric, float64) error) error {
	matrix, ok := value.(model.Matrix)
	if !ok {
		return errors.New("the answer holds no range of samples")
	}
	if len(matrix) > mostSeries {
		return fmt.Errorf("it gives more than %d series; aggregate them with sum by (...) (...)", mostSeries)
	}
	for _, stream := range matrix {
		if len(stream.Histograms) > 0 {
			return errors.New("it gives a native histogram; count its buckets with histogram_fraction(...) * histogram_count(...)")
		}
		for _, point := range stream.Values {
			n := float64(point.Value)
			if math.IsNaN(n) || math.IsInf(n, 0) || n < 0 {
				return fmt.Errorf("%s is %v at %s, which counts nothing; use increase(...)", stream.Metric, n, point.Timestamp.Time().UTC().Format(time.RFC3339))
			}
			if err := add(t.at(stream.Metric, point.Timestamp), stream.Metric, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// at finds the counts of a series and batch, without the labels that don't tell series apart.
func (t *tally) at(metric model.Metric, at model.Time) *analysis.Counts {
	metric = metric.Clone()
	delete(metric, bound)
	delete(metric, model.MetricNameLabel)
	key := batchKey{at, metric.Fingerprint()}
	if c := t.counts[key]; c != nil {
		return c
	}
	revision := ""
	if label := model.LabelName(t.query.Counts.Revision); label != "" {
		revision = string(metric[label])
		delete(metric, label)
	}
	to := at.Time().UTC()
	c := &analysis.Counts{Revision: revision, Labels: labelsOf(metric), From: to.Add(-t.query.Window), To: to}
	t.counts[key] = c
	return c
}

func addBucket(to *analysis.Counts, metric model.Metric, n float64) error {
	upper, err := strconv.ParseFloat(string(metric[bound]), 64)
	if err != nil || math.IsNaN(upper) {
		return fmt.Errorf("%s has no bound in its label %s; keep it with sum by (%s, ...) (...)", metric, bound, bound)
	}
	to.Buckets = append(to.Buckets, analysis.Bucket{UpperBound: upper, Count: n})
	return nil
}

// done is everything in its order.
func (t *tally) done() ([]analysis.Counts, error) {
	var all []analysis.Counts
	for _, c := range t.counts {
		if c.Bad > c.Requests*(1+noise) {
			return nil, fmt.Errorf("it counts %v bad requests and the other expression %v in all; both must count the same requests", c.Bad, c.Requests)
		}
		slices.SortFunc(c.Buckets, func(a, b analysis.Bucket) int { return cmp.Compare(a.UpperBound, b.UpperBound) })
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b analysis.Counts) int {
		return cmp.Or(a.To.Compare(b.To), cmp.Compare(a.Revision, b.Revision), compareLabels(a.Labels, b.Labels))
	})
	return all, nil
}

func compareLabels(a, b map[string]string) int {
	flat := func(labels map[string]string) []string {
		var out []string
		for _, name := range slices.Sorted(maps.Keys(labels)) {
			out = append(out, name, labels[name])
		}
		return out
	}
	return slices.Compare(flat(a), flat(b))
}
