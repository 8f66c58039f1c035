package analysis_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
)

func TestOnlyAClearWordOfAGateIsAVerdict(t *testing.T) {
	gate := analysis.Metric{Gate: true}
	for _, v := range []analysis.Verdict{analysis.Pass, analysis.Fail, analysis.Inconclusive} {
		require.Equal(t, analysis.Judgement{Verdict: v, Message: "why"}, analysis.Judge(gate, analysis.Evidence{Sample: analysis.Permit(v, "why")}))
	}
	for _, e := range []analysis.Evidence{{}, {Sample: analysis.Number(1)}, {Sample: analysis.Permit("yes", "")}, {Sample: analysis.Permit(analysis.NoData, "")},
		{Sample: analysis.Sample{Document: "pass"}}, {Sample: analysis.Permit(analysis.Pass, ""), Err: errors.New("lost")}} {
		require.Equal(t, analysis.Error, analysis.Judge(gate, e).Verdict, "%+v", e)
	}
}
