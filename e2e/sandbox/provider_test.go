//go:build integration

package sandbox

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

const credential = "provider-credential-4711"

// judge is a web server that says how good a release is, to whoever shows the credential. To others it quotes what they sent.
func judge(t *testing.T) (address string, ratio *atomic.Value) {
	ratio = &atomic.Value{}
	ratio.Store("1")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+credential || ratio.Load() == "quote" {
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, r.Header)
			return
		}
		fmt.Fprintf(w, `{"data":{"revision":%q,"ratio":%s}}`, r.URL.Query().Get("revision"), ratio.Load())
	}))
	t.Cleanup(server.Close)
	return server.URL, ratio
}

// judgedBy is the usual strategy with that server as the provider of its only metric.
func judgedBy(address string) string {
	return withProvider(fmt.Sprintf(`{web: {
            url: "%s/?revision={{revision}}&window={{window}}", jsonPath: "{.data.ratio}", authorization: {bearer: {name: judge, key: token}}}}`, address))
}

// withProvider is the usual strategy with another provider of its only metric.
func withProvider(provider string) string {
	return strings.Replace(usualStrategy, `{name: success-rate, threshold: {min: "95%"}, interval: 1s, window: 5s}`,
		`{name: judged, threshold: {min: 99%}, interval: 1s, provider: `+provider+`}`, 1)
}

// judgedByTemplate is the same by way of a template of the cluster, which takes the credential from a Secret as an argument. It belongs
// to the app's namespace, though every other could use it.
func (a *app) judgedByTemplate(address string) string {
	a.t.Helper()
	require.NoError(a.t, apply("", fmt.Sprintf(`apiVersion: rollout.dev/v1alpha1
kind: ClusterAnalysisTemplate
metadata: {name: %s}
spec:
  args: [{name: token, valueFrom: {secretKeyRef: {name: judge, key: token}}}, {name: bound, value: "99%%"}]
  metrics:
  - {name: judged, threshold: {min: 99%%}, interval: 1s, provider: {web: {
      url: "%s/?revision={{revision}}&window={{window}}", jsonPath: "{.data.ratio}", headers: [{name: Authorization, value: "Bearer {{args.token}}"}]}}}`, a.namespace, address)))
	return strings.Replace(usualStrategy, `metrics:
        - {name: success-rate, threshold: {min: "95%"}, interval: 1s, window: 5s}`, `templates: [{name: `+a.namespace+`, clusterScope: true}]`, 1)
}

func TestAReleaseIsJudgedByAnotherProviderWhoseSecretIsSeenNowhere(t *testing.T) {
	t.Parallel()
	for name, judged := range map[string]func(a *app, address string) string{
		"named by the metric":                      func(_ *app, address string) string { return judgedBy(address) },
		"an argument of a template of the cluster": (*app).judgedByTemplate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, ratio := judge(t)
			a := newApp(t)
			a.strategy = judged(a, address)
			a.services()
			a.route()
			a.secret("judge", map[string]string{"token": credential})
			e := a.engine("--allow-metric-address", "127.0.0.1")
			a.release("v1")
			a.waitPhase(v1alpha1.PhaseHealthy)
			a.release("v2")
			a.waitPhase(v1alpha1.PhaseHealthy)

			ratio.Store("quote")
			a.release("v3")
			a.waitFor("an error of the provider", func(r *v1alpha1.Rollout) bool {
				a.requireUnseen(r.Status)
				return strings.Contains(fmt.Sprint(r.Status), "502 Bad Gateway")
			})
			ratio.Store("0.5")
			r := a.waitPhase(v1alpha1.PhaseDegraded)
			require.Contains(t, r.Status.Message, "judged was 50%, wanted >= 99%")

			a.waitRun("background", v1alpha1.RunFailed)
			a.requireUnseen(r)
			a.requireUnseen(a.runs())
			events, err := cluster.kubernetes.CoreV1().Events(a.namespace).List(t.Context(), metav1.ListOptions{})
			require.NoError(t, err)
			require.NotEmpty(t, events.Items)
			a.requireUnseen(events)
			e.kill()
			a.requireUnseen(e.output.String())
		})
	}
}

// requireUnseen makes sure that no part of the credential is in something that people can see.
func (a *app) requireUnseen(seen any) {
	a.t.Helper()
	text, err := yaml.Marshal(seen)
	require.NoError(a.t, err)
	require.NotContains(a.t, string(text), credential[:len(credential)-4])
}

func TestAMistakeInAProviderHoldsTheReleaseThatIsUnderWayAndNobodyElses(t *testing.T) {
	t.Parallel()
	address, _ := judge(t)
	a := newApp(t)
	a.services()
	a.route()
	a.secret("judge", map[string]string{"token": credential})
	a.engine("--allow-metric-address", "127.0.0.1")
	const pause = "- pause: {}"
	first := func(strategy, then string) string {
		before, _, _ := strings.Cut(strategy, "- pause:")
		return before + then
	}
	a.strategy = first(judgedBy(address), pause)
	a.release("v1")
	a.waitPhase(v1alpha1.PhaseHealthy)
	a.release("v2")
	a.waitPhase(v1alpha1.PhasePaused)
	revision := a.rollout().Status.Release.Revision

	for mistake, says := range map[string]string{
		`{web: {ulr: "http://web/"}}`: "provider.web.ulr is a text, and there is no such field; did you mean url? Known are url, method,",
		`{web: {url: 5}}`:             "provider.web.url is 5, a number; it must be a text",
		`{web: {url: "` + address + `", authorization: {bearer: ` + credential + `}}}`: "provider.web.authorization.bearer is a text, which can't be read: a credential is {name: SECRET, key: KEY}",
	} {
		a.strategy = strings.Replace(first(withProvider(mistake), pause), "interval: 1s", "interval: 1s, consecutiveErrorLimit: 0", 1)
		a.release("v2")
		r := a.waitFor(says, func(r *v1alpha1.Rollout) bool {
			reason, message := stalled(r)
			measured := r.Status.Release != nil && len(r.Status.Release.Metrics) > 0 && r.Status.Release.Metrics[0].Verdict == "error"
			return reason == "InvalidMetric" && strings.Contains(message, "spec.strategy.canary.analysis.metrics[0] (judged): "+says) && measured
		})
		a.requireUnseen(r.Status)
		require.Equal(t, revision, r.Status.Release.Revision)
		require.Empty(t, r.Status.Release.Cause)
	}
	a.strategy = first(judgedBy(address), "- pause: {duration: 1s}")
	a.release("v2")
	require.Equal(t, revision, a.waitPhase(v1alpha1.PhaseHealthy).Status.StableRevision)
}

func TestAnAddressThatTheOperatorDoesNotAllowIsNamedWithTheWayOut(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.strategy = judgedBy("http://169.254.169.254")
	a.services()
	a.route()
	a.engine()
	a.release("v1")
	a.waitStalled("InvalidMetric", "spec.strategy.canary.analysis.metrics[0]", "web.url is", "169.254.169.254 is refused", "--allow-metric-address")
}
