package controller

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func TestTheReceivedShareIsTheCanarysPartOfTheRequests(t *testing.T) {
	none := analysis.Sample{}
	for name, c := range map[string]struct {
		canary, stable analysis.Sample
		err            error
		whole          bool
		want           float64
		known          bool
	}{
		"both get some":                      {analysis.Number(5), analysis.Number(95), nil, false, 5, true},
		"the canary gets all":                {analysis.Number(5), analysis.Number(0), nil, false, 100, true},
		"nobody gets any":                    {analysis.Number(0), analysis.Number(0), nil, true, 0, false},
		"the canary wasn't scraped yet":      {none, analysis.Number(95), nil, false, 0, false},
		"the canary has got none all along":  {none, analysis.Number(95), nil, true, 0, true},
		"nothing is known":                   {none, none, nil, true, 0, false},
		"a number that is none":              {analysis.Number(math.NaN()), analysis.Number(1), nil, true, 0, false},
		"a source that doesn't answer":       {analysis.Number(5), none, errors.New("down"), true, 0, false},
		"several series of which none is it": {analysis.Sample{Series: make([]analysis.Series, 2)}, none, nil, true, 0, false},
	} {
		got, known := receivedShare(analysis.Evidence{Sample: c.canary, Baseline: c.stable, Err: c.err}, c.whole)
		require.Equal(t, c.known, known, name)
		require.InDelta(t, c.want, got, 1e-9, name)
	}
}

// splitting is a world in which a step gives the canary a weight, and its status.
func splitting(since time.Time) (*world, rollout.Status) {
	object := exampleRollout(exampleTemplate)
	object.Spec.Strategy.Canary = routed("stable", "canary")
	wiring := wiringOf(object.Spec.Strategy)
	s := rollout.Status{Stable: "v1", Wiring: wiring, Release: &rollout.Release{Revision: "v2", Phase: rollout.Stepping}, Ledger: rollout.Ledger{Low: 20, High: 20, Since: since}}
	return &world{key: checkout, object: object, observed: rollout.Observed{Spec: rollout.Spec{Wiring: wiring}, Status: s}}, s
}

func TestTheReceivedShareIsAskedForBesideMetricsAndOnlyWhileAStepSplits(t *testing.T) {
	c := withQueries()
	w, s := splitting(time.Unix(1, 0))
	question := c.receipts(w, s)
	require.Equal(t, [2]string{"canary", "stable"}, [2]string{question.metric.Query, question.metric.Baseline.Query})
	for name, change := range map[string]func(*rollout.Status){
		"no release":       func(s *rollout.Status) { s.Release = nil },
		"another phase":    func(s *rollout.Status) { s.Release = &rollout.Release{Phase: rollout.Promoting} },
		"no weight":        func(s *rollout.Status) { s.Ledger.High = 0 },
		"not accepted yet": func(s *rollout.Status) { s.Ledger.Since = time.Time{} },
		"no split":         func(s *rollout.Status) { s.Wiring = rollout.Wiring{Mode: rollout.ByPods} },
	} {
		changed := s
		change(&changed)
		require.Nil(t, c.receipts(w, changed), name)
	}
	c.Queries.Builtin = func(Built) (string, error) { return "", errors.New("it counts all backends together") }
	require.Nil(t, c.receipts(w, s))
	c.Queries.Builtin = nil
	require.Nil(t, c.receipts(w, s))
}

func TestTheReceivedShareCostsTwoQueriesAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		m, woken := measuring(t, 4, answering(func(_ context.Context, q analysis.Query) (analysis.Sample, error) {
			if !strings.HasPrefix(q.ID, "received") {
				return analysis.Number(1), nil
			}
			asked.Add(1)
			if strings.HasSuffix(q.ID, "stable") {
				return analysis.Number(30), nil
			}
			return analysis.Number(10), nil
		}))
		since := time.Now().Add(-time.Minute)
		question := metric(t, requestRate)
		question.Baseline = &analysis.Baseline{Query: "stable"}
		m.Want(checkout, &rollout.Measure{Run: 7, Metrics: []analysis.Metric{metric(t, "a"), metric(t, "b")}})
		m.receive(checkout, &receipts{metric: question, since: since})
		advance(25 * time.Second)
		require.EqualValues(t, 6, woken.Load(), "an answer is no reason for a pass")
		require.EqualValues(t, 6, asked.Load())
		require.Equal(t, "25.0", m.received(checkout, since).Percent)
		m.receive(checkout, &receipts{metric: question, since: since})
		require.NotNil(t, m.received(checkout, since), "the same question keeps its answer")

		later := time.Now()
		m.receive(checkout, &receipts{metric: question, since: later})
		require.Nil(t, m.received(checkout, since), "the answer was about another weight")
		require.Nil(t, m.received(checkout, later))
		m.receive(checkout, nil)
		advance(25 * time.Second)
		require.EqualValues(t, 6, asked.Load())
	})
}

func TestTheReceivedShareGoesAlongWithAStatusAndIsNoReasonToWriteOne(t *testing.T) {
	since := time.Unix(100, 0)
	w, s := splitting(since)
	plan := rollout.Plan{Status: s}
	c := &Controller{Options: Options{Measurer: NewMeasurer(MeasurerOptions{Concurrency: 1})}}
	w.object.Status = newStatus(w, plan)
	share := &v1alpha1.ReceivedShare{Percent: "19.8", At: metav1.NewMicroTime(since)}
	c.Measurer.jobs[checkout] = &job{receipts: &receipts{since: since, share: share}}

	next := newStatus(w, plan)
	require.False(t, c.tellReceived(w, &next, s))
	require.Equal(t, share, next.Traffic.Received)
	w.object.Status = next
	delete(c.Measurer.jobs, checkout)
	again := newStatus(w, plan)
	require.False(t, c.tellReceived(w, &again, s))
	require.Equal(t, share, again.Traffic.Received, "what the status says is kept as long as the weight is the same")

	s.Ledger.Since = since.Add(time.Second)
	other := newStatus(w, rollout.Plan{Status: s})
	require.True(t, c.tellReceived(w, &other, s))
	require.Nil(t, other.Traffic.Received)
	s.Release = nil
	over := newStatus(w, rollout.Plan{Status: s})
	require.True(t, c.tellReceived(w, &over, s))
	require.Nil(t, over.Traffic.Received)
}
