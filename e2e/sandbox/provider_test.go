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
	corev1 "k8s.io/api/core/v1"
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
	return strings.Replace(usualStrategy, `{name: success-rate, threshold: {min: "95%"}, interval: 1s, window: 5s}`, fmt.Sprintf(`{name: judged, threshold: {min: 99%%}, interval: 1s, provider: {web: {
            url: "%s/?revision={{revision}}&window={{window}}", jsonPath: "{.data.ratio}", authorization: {bearer: {name: judge, key: token}}}}}`, address), 1)
}

func (a *app) credential() {
	a.t.Helper()
	_, err := cluster.kubernetes.CoreV1().Secrets(a.namespace).Create(a.t.Context(),
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "judge"}, StringData: map[string]string{"token": credential}}, metav1.CreateOptions{})
	require.NoError(a.t, err)
}

func TestAReleaseIsJudgedByAnotherProviderWhoseSecretIsSeenNowhere(t *testing.T) {
	t.Parallel()
	address, ratio := judge(t)
	a := newApp(t)
	a.strategy = judgedBy(address)
	a.services()
	a.route()
	a.credential()
	e := a.engine("--allow-metric-address", "127.0.0.1")
	a.release("v1")
	a.waitPhase(v1alpha1.PhaseHealthy)
	a.release("v2")
	a.waitPhase(v1alpha1.PhaseHealthy)

	ratio.Store("quote")
	a.release("v3")
	a.waitFor("an error of the provider", func(r *v1alpha1.Rollout) bool {
		text, err := yaml.Marshal(r.Status)
		require.NoError(t, err)
		return strings.Contains(string(text), "502 Bad Gateway")
	})
	ratio.Store("0.5")
	r := a.waitPhase(v1alpha1.PhaseDegraded)
	require.Contains(t, r.Status.Message, "judged was 50%, wanted >= 99%")

	text, err := yaml.Marshal(r)
	require.NoError(t, err)
	require.NotContains(t, string(text), credential)
	events, err := cluster.kubernetes.CoreV1().Events(a.namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprint(events), credential)
	e.kill()
	require.NotContains(t, e.output.String(), credential)
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
