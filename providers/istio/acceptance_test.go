package istio_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic/routertest"
	"github.com/rollout-dev/rollout/traffic/routertest/apiserver"
)

func TestAcceptanceIsWhatTheControlPlaneSaysOfThePresentGeneration(t *testing.T) {
	const waiting = "VirtualService checkout: not all proxies have generation 2 yet"
	for status, want := range map[string]string{
		`{}`: "",
		`{"conditions": [{"type": "Reconciled", "status": "True", "observedGeneration": 2}]}`:                           "",
		`{"conditions": [{"type": "Reconciled", "status": "False", "observedGeneration": 2, "message": "61/122"}]}`:     waiting + ": 61/122",
		`{"conditions": [{"type": "Reconciled", "status": "Unknown", "observedGeneration": "2", "reason": "Waiting"}]}`: waiting + ": Waiting",
		`{"observedGeneration": "2", "conditions": [{"type": "Reconciled", "status": "False"}]}`:                        waiting,
		// Left behind by a control plane that says no more, or of an object that has changed.
		`{"conditions": [{"type": "Reconciled", "status": "False", "observedGeneration": 1}]}`: "",
		`{"conditions": [{"type": "Reconciled", "status": "False"}]}`:                          "",
		`{"observedGeneration": 1, "conditions": [{"type": "Reconciled", "status": "False"}]}`: "",
		// The analyzers may complain about anything in the object.
		`{"observedGeneration": 2, "conditions": [{"type": "PassedAnalysis", "status": "False"}], "validationMessages": [{"level": "ERROR"}]}`: "",
		`{"conditions": "somebody else's"}`: "",
	} {
		server := newServer(t)
		server.spec(`{}`)
		server.spec(manyRules)
		server.Change(kind, routertest.Namespace, checkout.Name, func(o object) { o["status"] = apiserver.Parse([]byte(status)) })
		o := server.observe(shop)
		require.Equal(t, want, o.Waiting, status)
		require.Equal(t, want == "", o.Accepted, status)
	}
}
