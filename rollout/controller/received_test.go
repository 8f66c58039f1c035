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

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/budget"
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

func TestTheReceivedShareIsAskedForWhileAStepSplitsAndIsAnalysedOrWaitsForIt(t *testing.T) {
	c := withQueries()
	w, s := splitting(time.Unix(1, 0))
	measure := &rollout.Measure{Metrics: []analysis.Metric{{Interval: 3 * time.Second}}}
	question := c.receiptsOf(w, rollout.Plan{Status: s, Measure: measure})
	require.Equal(t, [2]string{"canary", "stable"}, [2]string{question.metric.Query, question.metric.Baseline.Query})
	require.Equal(t, 3*time.Second, question.metric.Interval)
	require.False(t, question.awaited)
	for name, change := range map[string]func(*rollout.Status){
		"no release":       func(s *rollout.Status) { s.Release = nil },
		"another phase":    func(s *rollout.Status) { s.Release = &rollout.Release{Phase: rollout.Promoting} },
		"no weight":        func(s *rollout.Status) { s.Ledger.High = 0 },
		"not accepted yet": func(s *rollout.Status) { s.Ledger.Since = time.Time{} },
		"no split":         func(s *rollout.Status) { s.Wiring = rollout.Wiring{Mode: rollout.ByPods} },
	} {
		changed := s
		change(&changed)
		require.Nil(t, c.receiptsOf(w, rollout.Plan{Status: changed, Measure: measure}), name)
	}
	require.Nil(t, c.receiptsOf(w, rollout.Plan{Status: s}), "nothing is analysed, so nothing is asked")
	w.observed.Spec.Tolerance = 3
	require.True(t, c.receiptsOf(w, rollout.Plan{Status: s}).awaited)
	c.Queries.Builtin = func(Built) (string, error) { return "", errors.New("it counts all backends together") }
	require.Nil(t, c.receiptsOf(w, rollout.Plan{Status: s}))
}

func TestTheReceivedShareCostsTwoQueriesAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		canary := 10.0
		m, woken := measuring(t, 1, answering(func(_ context.Context, q analysis.Query) (analysis.Sample, error) {
			asked.Add(1)
			if strings.HasSuffix(q.ID, "stable") {
				return analysis.Number(30), nil
			}
			return analysis.Number(canary), nil
		}))
		since := time.Now().Add(-time.Minute)
		question := func(since time.Time, awaited bool) *receipts {
			q := metric(t, requestRate)
			q.Baseline = &analysis.Baseline{Query: "stable"}
			return &receipts{metric: q, since: since, awaited: awaited}
		}
		m.receive(checkout, question(since, false))
		advance(25 * time.Second)
		m.receive(checkout, question(since, false))
		advance(10 * time.Second)
		require.EqualValues(t, 6, asked.Load())
		require.Zero(t, woken.Load(), "an answer that nobody waits for is no reason for a pass")
		percent, _, known := m.received(checkout, since)
		require.True(t, known)
		require.InDelta(t, 25, percent, 1e-9)

		later := time.Now()
		m.receive(checkout, question(later, true))
		for _, of := range []time.Time{since, later} {
			_, _, known = m.received(checkout, of)
			require.False(t, known, "the answer was about another weight")
		}
		canary = math.NaN()
		advance(15 * time.Second)
		require.Zero(t, woken.Load())
		canary = 90
		advance(10 * time.Second)
		require.EqualValues(t, 1, woken.Load())
		m.receive(checkout, nil)
		before := asked.Load()
		advance(time.Minute)
		require.Equal(t, before, asked.Load())
	})
}

func TestTheReceivedShareGoesAlongWithAStatusAndIsNoReasonToWriteOne(t *testing.T) {
	since := time.Unix(100, 0)
	w, s := splitting(since)
	plan := rollout.Plan{Status: s}
	c := &Controller{Options: Options{Measurer: NewMeasurer(MeasurerOptions{Budget: budget.New(1, nil)})}}
	w.object.Status = newStatus(w, plan)
	c.observeReceived(w)
	require.Nil(t, w.observed.Received)
	c.Measurer.receipts[checkout] = &receipts{since: since, percent: new(19.84), at: since.Add(time.Minute)}
	c.observeReceived(w)
	require.Equal(t, &rollout.Received{Percent: 19.84, Since: since}, w.observed.Received)

	next := newStatus(w, plan)
	require.False(t, c.tellReceived(w, &next, s))
	share := &v1alpha1.ReceivedShare{Percent: "19.8", At: *microTime(since.Add(time.Minute))}
	require.Equal(t, share, next.Traffic.Received)
	w.object.Status = next
	delete(c.Measurer.receipts, checkout)
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

func TestAMeasuredShareThatCanNotBeHadSaysWhatToDo(t *testing.T) {
	measured := func(change func(*v1alpha1.Rollout)) func(*v1alpha1.Rollout) {
		return func(r *v1alpha1.Rollout) {
			r.Spec.Strategy.Canary = stickyCanary()
			r.Spec.Strategy.Canary.TrafficRouting.MeasuredShare = &v1alpha1.MeasuredShare{Tolerance: 3}
			r.Status.Traffic = &v1alpha1.Traffic{Wiring: newWiring(wiringOf(r.Spec.Strategy))}
			change(r)
		}
	}
	fine := resolveExample(t, measured(func(r *v1alpha1.Rollout) {
		r.Spec.Strategy.Canary.TrafficRouting.Affinity.Cookie.TTLSeconds = new(int32(60))
	}))
	require.Empty(t, fine.problems)
	require.Equal(t, 3, fine.spec.Tolerance)
	long := resolveExample(t, measured(func(*v1alpha1.Rollout) {}))
	require.Contains(t, long.problems[0].Message, "within affinity.cookie.ttlSeconds (3600), and spec.progressDeadlineSeconds (600) takes the release back before")

	object := exampleRollout(exampleTemplate)
	measured(func(r *v1alpha1.Rollout) { r.Spec.Strategy.Canary.TrafficRouting.Affinity = nil })(object)
	r := resolved{spec: rollout.Spec{Wiring: wiringOf(object.Spec.Strategy)}}
	r.resolveReceived(Queries{}, &world{object: object})
	require.Contains(t, r.problems[0].Message, "trafficRouting.measuredShare needs Prometheus")
	none := Queries{Builtin: func(Built) (string, error) { return "", errors.New("envoy has no built-in metrics") }}
	r.problems = nil
	r.resolveReceived(none, &world{object: object})
	require.Contains(t, r.problems[0].Message, "measuredShare can't be had: envoy has no built-in metrics; leave measuredShare out")
}
