//go:build e2e

package release

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

// history is how far back Prometheus is asked for scrapes.
const history = 5 * time.Minute

// scrapes are the times at which Prometheus got something about the canary Service from the gateway, since a time.
func (s *shop) scrapes(metric string, since time.Time) []time.Time {
	s.t.Helper()
	query := fmt.Sprintf(`%s{service=~"%s-canary-http-80@kubernetesgateway"}[%s]`, metric, s.namespace, model.Duration(history))
	value, _, err := s.prometheus.Query(s.ctx, query, time.Now())
	require.NoError(s.t, err)
	series, ok := value.(model.Matrix)
	require.True(s.t, ok, "Prometheus answers %s with a %s", query, value.Type())
	var times []time.Time
	for _, stream := range series {
		for _, sample := range stream.Values {
			if at := sample.Timestamp.Time(); !at.Before(since) {
				times = append(times, at)
			}
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return slices.CompactFunc(times, time.Time.Equal)
}

// firstBreach is the first scrape after which an expression has a value that breaches.
func (s *shop) firstBreach(expression string, scrapes []time.Time, breaches func(float64) bool) time.Time {
	s.t.Helper()
	for _, at := range scrapes {
		value, _, err := s.prometheus.Query(s.ctx, expression, at)
		require.NoError(s.t, err)
		vector, ok := value.(model.Vector)
		require.True(s.t, ok, "Prometheus answers %s with a %s", expression, value.Type())
		if len(vector) == 1 && !math.IsNaN(float64(vector[0].Value)) && breaches(float64(vector[0].Value)) {
			return at
		}
	}
	require.Fail(s.t, "no scrape shows the breach", "%s at %d scrapes", expression, len(scrapes))
	return time.Time{}
}
