//go:build integration

package sandbox

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// silence is how long a server says nothing, far longer than a release takes.
const silence = 2 * time.Minute

// silent is a web server that answers nobody while anybody waits, and how many it keeps waiting.
func silent(t *testing.T) (address string, waiting *atomic.Int32) {
	waiting = &atomic.Int32{}
	end := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		waiting.Add(1)
		defer waiting.Add(-1)
		select {
		case <-r.Context().Done():
		case <-end:
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(end) })
	return server.URL, waiting
}

func TestAProviderThatIsSilentDelaysNoChangeOfTraffic(t *testing.T) {
	t.Parallel()
	address, waiting := silent(t)
	asking := func(name string, more string) string {
		return fmt.Sprintf(`
        - {name: %s, threshold: {min: "1"}, interval: 1s, provider: {web: {url: "%s/%s", jsonPath: "{.ok}"}}%s}`, name, address, name, more)
	}
	const own = `
        - {name: success-rate, threshold: {min: "95%"}, interval: 1s, window: 5s}`
	a, e := installed(t)
	e.kill()
	a.engine("--allow-metric-address", "127.0.0.1", "--query-concurrency", "4", "--query-timeout", silence.String())
	before := a.received()
	metrics := ""
	for i := range 8 { // Twice as many as there may be questions at once.
		metrics += asking(fmt.Sprint("shown-", i), ", dryRun: true")
	}
	a.strategy = strings.Replace(usualStrategy, own, metrics+own, 1)
	begun := time.Now()
	a.release("v2")
	a.waitFor("the server to be asked", func(*v1alpha1.Rollout) bool { return waiting.Load() > 0 })
	a.waitPhase(v1alpha1.PhaseHealthy)
	t.Logf("a release beside a silent provider took %s", time.Since(begun).Round(time.Second))
	require.Less(t, time.Since(begun), silence)

	// What it says matters now. The release waits for it, and the way back doesn't.
	a.strategy = strings.Replace(usualStrategy, own, asking("wanted", "")+own, 1)
	a.release("v3")
	a.waitFor("the release to wait for the server", func(r *v1alpha1.Rollout) bool { return waiting.Load() > 0 && r.Status.Traffic.CanaryWeight == 20 })
	begun = time.Now()
	out, code := a.cli("abort", "checkout")
	require.Zero(t, code, out)
	a.waitFor("nobody to be sent to the canary", func(*v1alpha1.Rollout) bool { return a.weight("checkout-canary") == 0 })
	t.Logf("the way back took %s", time.Since(begun).Round(time.Millisecond))
	require.Less(t, time.Since(begun), silence/4)
	require.Zero(t, a.failedSince(before))
}
