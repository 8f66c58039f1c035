//go:build integration

package sandbox

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// waitStalled waits until the engine says that somebody has to help, for a reason, in a condition and in an event.
func (a *app) waitStalled(reason string, parts ...string) *v1alpha1.Rollout {
	a.t.Helper()
	r := a.waitFor("condition Stalled with reason "+reason, func(r *v1alpha1.Rollout) bool {
		got, _ := stalled(r)
		return got == reason
	})
	_, message := stalled(r)
	for _, part := range parts {
		require.Contains(a.t, message, part)
	}
	eventually(a.t, "an event with reason "+reason, func() (bool, string) {
		list, err := cluster.kubernetes.CoreV1().Events(a.namespace).List(a.t.Context(), metav1.ListOptions{})
		require.NoError(a.t, err)
		return slices.ContainsFunc(list.Items, func(e corev1.Event) bool {
			return e.InvolvedObject.Name == "checkout" && e.Reason == reason && e.Type == corev1.EventTypeWarning
		}), "there is none"
	})
	return r
}

func TestAMissingServiceIsNamedAndTheRolloutGoesOnOnceItIsThere(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.route()
	a.service("checkout-stable")
	a.engine()
	a.release("v1")
	a.waitStalled("MissingService", "spec.strategy.canary.canaryService", `"checkout-canary"`, "create it")
	a.service("checkout-canary")
	a.waitPhase(v1alpha1.PhaseHealthy)
}

func TestAMissingRouteIsNamedAndARunningReleaseCanStillBeAborted(t *testing.T) {
	t.Parallel()
	a, _ := installed(t)
	a.strategy = strings.Replace(usualStrategy, "      - setWeight: 60", "      - pause: {}\n      - setWeight: 60", 1)
	a.release("v2")
	a.waitPhase(v1alpha1.PhasePaused)
	require.NoError(t, cluster.routes.GatewayV1().HTTPRoutes(a.namespace).Delete(t.Context(), "checkout", metav1.DeleteOptions{}))
	a.waitStalled("MissingRoute", "HTTPRoute checkout", "create it")
	out, code := a.cli("abort", "checkout")
	require.Zero(t, code, out)
	r := a.waitFor("the release to be taken back", func(r *v1alpha1.Rollout) bool {
		return r.Status.Release != nil && r.Status.Release.Phase == "Aborted"
	})
	require.Equal(t, "Request", r.Status.Release.Cause)
}

func TestARouteThatLacksTheCanaryIsNamed(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.services()
	a.apply(`apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: checkout}
spec:
  parentRefs: [{name: web, namespace: gateway}]
  rules:
  - backendRefs: [{name: checkout-stable, port: 80}]`)
	a.engine()
	a.release("v1")
	a.waitStalled("UnfitRoute", "HTTPRoute checkout", "spec.rules[0]", "checkout-canary")
}

func TestATemplateThatTheAPIServerRefusesNeverStartsARelease(t *testing.T) {
	t.Parallel()
	a, _ := installed(t)
	stable := a.rollout().Status.StableRevision
	a.apply(strings.Replace(a.manifest("v2"), "image: checkout", `image: ""`, 1))
	r := a.waitStalled("InvalidTemplate", "spec.template", "image")
	require.Nil(t, r.Status.Release)
	require.Equal(t, stable, r.Status.StableRevision)
	a.release("v3")
	a.waitPhase(v1alpha1.PhaseHealthy)
}

func TestASelectorThatDoesNotMatchIsNamed(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.route()
	a.service("checkout-canary")
	a.apply(`apiVersion: v1
kind: Service
metadata: {name: checkout-stable}
spec: {selector: {app: chekout}, ports: [{port: 80}]}`)
	a.engine()
	a.release("v1")
	a.waitStalled("SelectorMismatch", "checkout-stable", "app=chekout", "correct")
}

func TestASecondRolloutOnTheSameServicesIsStalledAndTheFirstIsNotDisturbed(t *testing.T) {
	t.Parallel()
	a, _ := installed(t)
	before := a.httpRoute()
	a.apply(strings.Replace(a.manifest("v9"), "metadata: {name: checkout}", "metadata: {name: intruder}", 1))
	eventually(t, "the second Rollout to be stalled", func() (bool, string) {
		r, err := cluster.rollouts.Rollouts(a.namespace).Get(t.Context(), "intruder", metav1.GetOptions{})
		require.NoError(t, err)
		reason, message := stalled(r)
		return reason == "ServiceClaimed" && strings.Contains(message, `Rollout "checkout"`), message
	})
	require.Equal(t, before.Spec, a.httpRoute().Spec)
	require.Equal(t, v1alpha1.PhaseHealthy, a.rollout().Status.Phase)
}

func TestWithoutPrometheusARolloutWithAnalysisSaysSoAndServesItsFirstVersion(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.services()
	a.route()
	a.engine("--prometheus-address", "")
	a.release("v1")
	r := a.waitStalled("NoMetricSource", "--prometheus-address")
	require.NotEqual(t, v1alpha1.PhaseHealthy, r.Status.Phase)
	a.waitFor("the first version to be stable", func(r *v1alpha1.Rollout) bool { return r.Status.StableRevision != "" })
}

func TestAPrometheusThatIsDownHoldsAReleaseAndNeitherPromotesNorCondemnsIt(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.services()
	a.route()
	a.engine("--prometheus-address", "http://127.0.0.1:1")
	a.release("v1")
	a.waitPhase(v1alpha1.PhaseHealthy)
	a.release("v2")
	r := a.waitFor("the release to wait for a verdict", func(r *v1alpha1.Rollout) bool {
		return strings.Contains(r.Status.Message, "could not be measured")
	})
	require.EqualValues(t, 20, r.Status.Traffic.CanaryWeight)
	require.Equal(t, "Stepping", r.Status.Release.Phase)
	out, code := a.cli("promote", "checkout", "--full")
	require.Zero(t, code, out)
	a.waitPhase(v1alpha1.PhaseHealthy)
}

func TestARequestThatNobodyCanReadIsRefused(t *testing.T) {
	t.Parallel()
	a, _ := installed(t)
	_, err := cluster.rollouts.Rollouts(a.namespace).Patch(t.Context(), "checkout", types.MergePatchType,
		[]byte(`{"metadata":{"annotations":{"rollout.dev/request":"promote please"}}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	r := a.waitFor("an answer", func(r *v1alpha1.Rollout) bool { return r.Status.LastRequest != nil })
	require.Equal(t, v1alpha1.OutcomeRefused, r.Status.LastRequest.Outcome)
}
