//go:build integration

package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// failing is the environment of a version that answers every request with an error.
const failing = "ERROR_RATE=1"

// migrationStories are what is played through each example, by its section.
func migrationStories() map[string]func(*migrant) {
	return map[string]func(*migrant){
		"Background analysis":                           goodThenFailing("success-rate was"),
		"An analysis as a step":                         goodThenFailing("availability was"),
		"Several templates, and templates in templates": goodThenFailing("error-rate was"),
		"Arguments": withArguments,
		"Before and after a blue-green promotion": aroundTheSwitch,
		"Failure conditions and limits":           goodThenFailing("total-errors was"),
		"Neither good nor bad":                    neitherGoodNorBad,
		"No data, NaN and infinity":               withoutData,
		"When the source fails":                   withoutAnswers,
		"Dry run":                                 rehearsed,
		"Several series and ranges":               withManySeries,
		"Web":                                     ofDocuments,
		"Job":                                     withJob,
		"Other sources":                           elsewhere,
		"Compared with stable":                    goodThenFailing("error-rate was"),
		"An analysis by itself":                   byItself,
		"Canary release":                          goodThenSlow,
		"Custom metrics":                          goodThenFailing("share-of-code was"),
		"Webhooks":                                withGates,
		"Blue-green":                              judgedByDouble("preview_errors_total", "success-rate was", "1", "0.5"),
		"A/B testing":                             goodThenFailing("success-rate was"),
		"Mirrored requests":                       judgedByDouble("mirrored_error_ratio", "mirrored was", "0", "0.5"),
		"Session affinity":                        goodThenFailing("success-rate was"),
	}
}

// goodThenFailing plays a good release, and one whose requests fail.
func goodThenFailing(reason string) func(*migrant) {
	return func(m *migrant) {
		m.installed()
		m.good()
		m.bad(reason, failing)
	}
}

func goodThenSlow(m *migrant) {
	m.installed()
	m.good()
	m.bad("latency was", "LATENCY=2s")
}

// judgedByDouble plays a release for which a metric has a good value, and one for which it has a bad one.
func judgedByDouble(metric, reason, good, bad string) func(*migrant) {
	return func(m *migrant) {
		m.measure(metric, good)
		m.installed()
		m.good()
		m.measure(metric, bad)
		m.bad(reason)
	}
}

func withArguments(m *migrant) {
	_, err := cluster.kubernetes.CoreV1().Secrets(m.namespace).Create(m.t.Context(),
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "measure-api"}, StringData: map[string]string{"token": credential}}, metav1.CreateOptions{})
	require.NoError(m.t, err)
	m.say("/measure", http.StatusOK, `{"results":{"ok":true}}`)
	m.say("/errors", http.StatusOK, `{"errors":3}`)
	stable := m.installed().rollout().Status.StableRevision
	m.good()
	latest := m.rollout().Status.StableRevision
	first := m.askedAbout("/measure")[0]
	require.Equal(m.t, "/measure?region=eu-1&stable="+stable+"&latest="+latest, first.uri)
	require.Equal(m.t, "Bearer "+credential, first.header.Get("Authorization"))
	require.Equal(m.t, credential, m.askedAbout("/errors")[0].header.Get("X-Key"))
	m.say("/measure", http.StatusOK, `{"results":{"ok":false}}`)
	m.bad("measured did not answer as wanted")
}

func aroundTheSwitch(m *migrant) {
	m.say("service=checkout", http.StatusOK, `{"passed":1}`)
	m.installed()
	m.good()
	stable := m.rollout().Status.StableRevision
	require.Equal(m.t, stable, m.reached("checkout"))
	before := m.received()
	m.say("service=checkout-preview", http.StatusOK, `{"passed":0}`)
	m.bad("smoke-tests was", failing)
	require.Zero(m.t, m.failedSince(before), "no user has met it")

	asked := len(m.askedAbout("service=checkout"))
	m.say("service=checkout-preview", http.StatusOK, `{"passed":1}`)
	m.say("service=checkout", http.StatusOK, `{"passed":0}`)
	m.bad("smoke-tests was")
	require.Equal(m.t, stable, m.reached("checkout"), "it was switched back")
	later := m.askedAbout("service=checkout")[asked:]
	require.Equal(m.t, "/smoke?service=checkout", later[len(later)-1].uri, "the Service that users reach was asked about last")
}

func neitherGoodNorBad(m *migrant) {
	m.measure("success_ratio", "0.95")
	m.installed()
	m.measure("success_ratio", "0.7")
	m.held("success-ratio was 0.7", func() { m.measure("success_ratio", "0.95") })
	m.measure("success_ratio", "0.7")
	m.held("success-ratio was 0.7", func() {
		out, code := m.cli("promote", "checkout", "--full")
		require.Zero(m.t, code, out)
	})
	m.measure("success_ratio", "0.4")
	m.bad("success-ratio was 0.4")
}

func withoutData(m *migrant) {
	m.measure("paid_ratio", "0.99")
	m.measure("conversion_ratio")
	m.measure("refund_ratio", "NaN")
	m.installed()
	m.good()
	m.measure("refund_ratio")
	m.measure("paid_ratio", "NaN")
	m.held("paid has no data: the query gave NaN", func() { m.measure("paid_ratio", "0.99") })
	m.measure("paid_ratio", "+Inf")
	m.bad("paid was")
}

func withoutAnswers(m *migrant) {
	m.say("/orders", http.StatusServiceUnavailable, "")
	m.say("/fraud", http.StatusOK, `{"ok":true}`)
	m.installed()
	m.held("orders could not be measured", func() { m.say("/orders", http.StatusOK, `{"ok":true}`) })
	m.say("/fraud", http.StatusServiceUnavailable, "")
	m.bad("fraud could not be measured")
}

func rehearsed(m *migrant) {
	m.installed()
	m.good(failing)
	record := m.waitRun("background", v1alpha1.RunPassed)
	require.True(m.t, record.Status.Metrics[0].DryRun)
	require.Equal(m.t, "fail", record.Status.Metrics[0].Verdict)
}

func withManySeries(m *migrant) {
	m.measure("by (path)", "0.1", "0.2")
	m.measure("max_over_time", "0.5")
	m.measure("by (zone)", "0.1", "3", "0.2")
	m.installed()
	m.good()
	m.measure("max_over_time", "0.5", "0.6")
	m.held("the query gave 2 series", func() { m.measure("max_over_time", "0.5") })
	m.measure("by (path)", "2", "0.1")
	m.bad("by-path was")
	m.measure("by (path)", "0.1")
	m.measure("by (zone)", "0.1", "3", "3")
	m.bad("mostly was")
}

func ofDocuments(m *migrant) {
	m.say("/measurement", http.StatusOK, `{"data":{"ok":true,"successPercent":0.95}}`)
	m.installed()
	m.good()
	require.JSONEq(m.t, `{"service":"checkout-canary","revision":"`+m.rollout().Status.StableRevision+`"}`, m.askedAbout("/measurement")[0].body)
	m.say("/measurement", http.StatusOK, `{"data":{"ok":true,"successPercent":0.5}}`)
	m.bad("measurement did not answer as wanted")
}

// withJob sees that the Job is made; no pod of a Job ends by itself here.
func withJob(m *migrant) {
	m.installed()
	m.deploy()
	eventually(m.t, "a Job", func() (bool, string) {
		jobs, err := cluster.kubernetes.BatchV1().Jobs(m.namespace).List(m.t.Context(), metav1.ListOptions{LabelSelector: "team=shop"})
		require.NoError(m.t, err)
		return len(jobs.Items) == 1 && jobs.Items[0].Spec.Template.Spec.Containers[0].Args[0] == "http://checkout-canary", m.rollout().Status.Message
	})
	require.Zero(m.t, m.rollout().Status.Traffic.CanaryWeight, "no user has met it")
}

// elsewhere only sees that there is nothing to complain about: nobody answers for the others here.
func elsewhere(m *migrant) {
	m.installed("--allow-metric-address", "*.example.com,*.amazonaws.com,api.datadoghq.com,api.newrelic.com")
}

func byItself(m *migrant) {
	m.install()
	runs := cluster.rollouts.AnalysisRuns(m.namespace)
	eventually(m.t, "a pass", func() (bool, string) {
		run, err := runs.Get(m.t.Context(), "readiness", metav1.GetOptions{})
		require.NoError(m.t, err)
		return run.Status.Phase == v1alpha1.RunPassed, run.Status.Message
	})
	eventually(m.t, "the AnalysisRun to be gone after its time", func() (bool, string) {
		_, err := runs.Get(m.t.Context(), "readiness", metav1.GetOptions{})
		return apierrors.IsNotFound(err), "it is there"
	})
}

func withGates(m *migrant) {
	for _, gate := range []string{"/start", "/smoke", "/load", "/more", "/promote", "/tell"} {
		m.say(gate, http.StatusOK, "")
	}
	m.say("/rollback", http.StatusForbidden, "")
	m.installed()
	m.good()
	m.askedOnce("/start", "/smoke", "/load", "/load", "/more", "/more", "/more", "/promote", "/tell")

	m.say("/more", http.StatusForbidden, "")
	m.held("waiting for gate more", func() { m.say("/more", http.StatusOK, "") })

	m.say("/promote", http.StatusForbidden, "")
	before := m.rollout().Status
	m.deploy()
	m.waitFor("the promotion to wait", func(r *v1alpha1.Rollout) bool {
		return r.Status.Runs > before.Runs && strings.Contains(r.Status.Message, "waiting for gate promotion")
	})
	m.say("/rollback", http.StatusOK, `{"reason":"the shop is closed"}`)
	r := m.waitPhase(v1alpha1.PhaseDegraded)
	require.Equal(m.t, "Gate", r.Status.Release.Cause)
	require.Contains(m.t, r.Status.Release.CauseMessage, "gate rollback asks for it: the shop is closed")
	eventually(m.t, "the gate AfterAbort to be told", func() (bool, string) {
		return len(m.askedAbout("/tell-failure")) > 0, "it isn't"
	})
}

// askedOnce requires that gates were called so often as they are named, each time with another id.
func (m *migrant) askedOnce(gates ...string) {
	m.t.Helper()
	wanted, ids := map[string]int{}, map[string]bool{}
	for _, gate := range gates {
		wanted[gate]++
	}
	for gate, times := range wanted {
		calls := m.askedAbout(gate)
		require.Len(m.t, calls, times, gate)
		for _, call := range calls {
			var told struct{ ID, Namespace, Name string }
			require.NoError(m.t, json.Unmarshal([]byte(call.body), &told))
			require.False(m.t, ids[told.ID], "%s was asked twice: %s", gate, call.body)
			ids[told.ID] = true
			require.Equal(m.t, m.namespace+"/checkout", told.Namespace+"/"+told.Name)
		}
	}
}
