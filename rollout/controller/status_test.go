package controller

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// fullStatus has every field set, so that one that is forgotten on the way shows.
func fullStatus() rollout.Status {
	at := func(s int) time.Time { return time.Unix(int64(1700000000+s), 123456000).UTC() }
	return rollout.Status{
		Stable: "sss", Runs: 4,
		Release: &rollout.Release{
			Run: 4, Revision: "ccc", Phase: rollout.Aborted, Step: 2, Started: at(1), StepStarted: at(2), Deadline: at(3),
			ReadyHighWater: 5, WeightHighWater: 25, Capacity: rollout.Capacity{Weight: 25, Since: at(4)}, ExposedAt: at(5), Approved: true,
			Cause: rollout.ByAnalysis, CauseMessage: "bad", AbortedAt: at(6),
			Metrics: []analysis.Record{{Metric: "m", Threshold: ">= 1", Verdict: analysis.Fail, Text: "0.5", Message: "was 0.5", At: at(7),
				Passes: 1, Failures: 2, NoData: 3, Errors: 4}},
		},
		Ledger: rollout.Ledger{Low: 5, High: 25, Accepted: true, Since: at(8),
			Stable: rollout.Pointer{Revision: "sss", Since: at(9)}, Canary: rollout.Pointer{Revision: "ccc", Since: at(10)}},
		Answer: rollout.Answer{ID: "id", Verb: rollout.Promote, Accepted: true, Message: "m", At: at(11)},
	}
}

func TestAStatusReadsBackFromTheAPIAsItWasWritten(t *testing.T) {
	w := &world{object: exampleRollout(exampleTemplate)}
	text, err := json.Marshal(newStatus(w, rollout.Plan{Status: fullStatus()}))
	require.NoError(t, err)
	var read v1alpha1.RolloutStatus
	require.NoError(t, json.Unmarshal(text, &read))
	back := readStatus(read)
	normalize(&back)
	require.Equal(t, fullStatus(), back)
}

// normalize makes times comparable: the API gives them back in the local zone.
func normalize(s *rollout.Status) {
	r, l := s.Release, &s.Ledger
	for _, t := range []*time.Time{&r.Started, &r.StepStarted, &r.Deadline, &r.Capacity.Since, &r.ExposedAt, &r.AbortedAt,
		&r.Metrics[0].At, &l.Since, &l.Stable.Since, &l.Canary.Since, &s.Answer.At} {
		*t = t.UTC()
	}
}

func TestARequestThatCannotBeReadIsRefusedAndNotIgnored(t *testing.T) {
	r := readRequest(map[string]string{v1alpha1.RequestAnnotation: "promote!"})
	require.Equal(t, &rollout.Request{ID: "promote!", Verb: "unreadable"}, r)
	require.Nil(t, readRequest(nil))
}
