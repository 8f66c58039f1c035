//go:build integration

package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// template is an AnalysisTemplate of one metric with an argument.
func template(name, metric string) string {
	return `apiVersion: rollout.dev/v1alpha1
kind: AnalysisTemplate
metadata: {name: ` + name + `}
spec:
  args: [{name: value}, {name: bound, value: "1"}]
  metrics:
  - {name: ` + metric + `, query: "vector({{args.value}})", successCondition: "result >= 1", interval: 1s}`
}

const judgedSteps = `
      stableService: checkout-stable
      canaryService: checkout-canary
      trafficRouting:
        settleSeconds: 1
        drainSeconds: 1
        gatewayAPI: {routes: [{kind: HTTPRoute, name: checkout}]}
      abortScaleDownDelaySeconds: 0
      steps:
      - setWeight: 20
      - analysis: {templates: [{name: orders}], args: [{name: value, value: "VALUE"}]}`

// runs are the AnalysisRuns of the namespace by the place in a release that they are records of.
func (a *app) runs() map[string]v1alpha1.AnalysisRun {
	a.t.Helper()
	list, err := cluster.rollouts.AnalysisRuns(a.namespace).List(a.t.Context(), metav1.ListOptions{})
	require.NoError(a.t, err)
	runs := map[string]v1alpha1.AnalysisRun{}
	for _, run := range list.Items {
		place := ""
		if run.Spec.Of != nil {
			place = run.Spec.Of.Place
		}
		runs[place] = run
	}
	return runs
}

func (a *app) waitRun(place, phase string) v1alpha1.AnalysisRun {
	a.t.Helper()
	var run v1alpha1.AnalysisRun
	eventually(a.t, "the AnalysisRun of "+place+" in phase "+phase, func() (bool, string) {
		run = a.runs()[place]
		return run.Status.Phase == phase, run.Status.Phase + ": " + run.Status.Message
	})
	return run
}

func TestAStepWaitsForTheVerdictOfATemplateAndLeavesARecord(t *testing.T) {
	t.Parallel()
	a, _ := installed(t)
	a.apply(template("orders", "orders"))
	a.strategy = strings.Replace(judgedSteps, "VALUE", "2", 1) + "\n      bake: {duration: 2s, analysis: {metrics: [{name: late, query: vector(1), threshold: {min: \"1\"}, interval: 1s, count: 2}]}}"
	before := a.received()
	a.release("v2")
	r := a.waitPhase(v1alpha1.PhaseHealthy)
	require.Zero(t, a.failedSince(before))

	step := a.waitRun("step-2", v1alpha1.RunPassed)
	require.Equal(t, r.Status.StableRevision, step.Spec.Of.Revision)
	require.Equal(t, r.UID, step.OwnerReferences[0].UID)
	require.Equal(t, "orders", step.Status.Metrics[0].Name)
	require.Equal(t, "2", step.Status.Metrics[0].Value)
	require.Equal(t, "result >= 1", step.Status.Metrics[0].Threshold)
	bake := a.waitRun("bake", v1alpha1.RunPassed)
	require.GreaterOrEqual(t, len(bake.Status.Metrics[0].Measurements), 2)
}

func TestAStepThatFailsTakesTheReleaseBackAndOneWithoutItsTemplateNeverStarts(t *testing.T) {
	t.Parallel()
	a, _ := installed(t)
	a.strategy = strings.Replace(judgedSteps, "VALUE", "0", 1)
	a.release("v2")
	a.waitStalled("MissingTemplate", "spec.strategy.canary.steps[1].analysis.templates[0]", `AnalysisTemplate "orders"`, "create it")
	a.apply(template("orders", "orders"))
	r := a.waitFor("the release to be taken back", func(r *v1alpha1.Rollout) bool {
		return r.Status.Phase == v1alpha1.PhaseDegraded && r.Status.Release != nil
	})
	require.Equal(t, "Analysis", r.Status.Release.Cause)
	require.Equal(t, "orders was 0, wanted result >= 1", r.Status.Release.CauseMessage)
	record := a.waitRun("step-2", v1alpha1.RunFailed)
	require.Equal(t, "orders was 0, wanted result >= 1", record.Status.Message)
}

func TestAnAnalysisRunsByItself(t *testing.T) {
	t.Parallel()
	a, _ := installed(t)
	a.apply(template("orders", "orders"))
	out, code := a.cli("analyze", "--template", "orders", "--arg", "value=3", "--wait")
	require.Zero(t, code, out)
	require.Contains(t, out, "Passed")
	require.Contains(t, out, "result >= 1")

	out, code = a.cli("analyze", "--template", "orders", "--arg", "value=0", "--wait")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "orders was 0, wanted result >= 1")

	out, code = a.cli("analyze", "--template", "orders", "--wait")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, `AnalysisTemplate "orders" needs a value for the argument value`)

	file := filepath.Join(t.TempDir(), "template.yaml")
	require.NoError(t, os.WriteFile(file, []byte(template("elsewhere", "inline")), 0o600))
	out, code = a.cli("analyze", "-f", file, "--arg", "value=1", "--wait", "--keep", "0s")
	require.Zero(t, code, out)
	eventually(t, "the AnalysisRun to be gone after its time", func() (bool, string) {
		list, err := cluster.rollouts.AnalysisRuns(a.namespace).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		for _, run := range list.Items {
			if strings.HasPrefix(run.Name, "elsewhere-") {
				return false, run.Status.Phase
			}
		}
		return true, ""
	})
}
