//go:build e2e

package release

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	process "github.com/rollout-dev/rollout/e2e/stage"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

const (
	// watched is the analysis of the releases during which Prometheus can't be relied on.
	watched = `analysis: {metrics: [{name: success-rate, interval: 1s, window: 5s, threshold: {min: "0.99"}}]}`
	// watchedSteps wait for a person first, so that the outage begins in the middle of a release that has passed so far.
	watchedSteps = `steps: [{setWeight: 20}, {pause: {}}, {setWeight: 60}]`
	// oddMeasurements is how often an outage is measured before it counts for nothing.
	oddMeasurements = 3
	outageTimeout   = time.Second
)

// outages are the ways in which Prometheus can't be relied on.
func outages() map[string]outage {
	const vector = `{"status":"success","data":{"resultType":"vector","result":[%s]}}`
	return map[string]outage{
		"is killed":   killed(),
		"is slow":     slow(),
		"answers NaN": odd("no data", "NaN", answering(fmt.Sprintf(vector, `{"metric":{},"value":[1700000000,"NaN"]}`))),
		"answers with several series": odd("error", "2 series", answering(fmt.Sprintf(vector,
			`{"metric":{"pod":"a"},"value":[1700000000,"1"]},{"metric":{"pod":"b"},"value":[1700000000,"0"]}`))),
		"answers with a range": odd("error", "range of samples", answering(
			`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1700000000,"1"]]}]}}`)),
		"calls an error a success": odd("error", "out of memory", answering(`{"status":"error","errorType":"internal","error":"out of memory"}`)),
		"answers with a web page":  odd("error", "not one of Prometheus's API", answering("<html>Welcome to nginx!</html>")),
	}
}

// TestAnOutageOfPrometheusHoldsAReleaseAndNoMore lets Prometheus go wrong in the middle of a release of a good version, and
// before anybody learned anything of a bad one.
func TestAnOutageOfPrometheusHoldsAReleaseAndNoMore(t *testing.T) {
	ownControllers(t, func(t *testing.T) {
		for name, o := range outages() {
			t.Run("Prometheus "+name, func(t *testing.T) {
				t.Parallel()
				o.playGood(t)
			})
		}
		t.Run("Prometheus is killed before a bad release", func(t *testing.T) {
			t.Parallel()
			killed().playBad(t)
		})
	})
}

// playGood releases a good version, with an outage while it has a share.
func (o outage) playGood(t *testing.T) {
	s, p := openWatchedShop(t)
	began := time.Now()
	s.push("v2")
	s.untilHeld("v2")
	s.untilMeasured("pass", 1)
	o.begin(t, p)
	s.untilMeasured(o.verdict, oddMeasurements)
	s.requireHeldBy(o)
	o.end(t, p)
	s.untilServed("v2")
	s.requireCalmEnd("v2")
	s.figures.add(t.Name(), "%s, %s", time.Since(began).Round(time.Second), s.clients.Answers())
}

// playBad releases a bad version during an outage, which ends when some users have met it.
func (o outage) playBad(t *testing.T) {
	s, p := openWatchedShop(t)
	o.begin(t, p)
	s.release(version{name: "v2", env: map[string]string{"ERROR_RATE": "1"}})
	s.untilHeld("v2")
	s.untilMeasured(o.verdict, oddMeasurements)
	s.requireHeldBy(o)
	ended := time.Now()
	o.end(t, p)
	s.untilTakenBack("Analysis")
	require.Contains(t, s.rollout().Status.Message, "success-rate was")
	require.Equal(t, [2]int32{100, 0}, s.weights())
	s.requireCalmEnd("v1")
	s.figures.add(t.Name(), "%s from the end of the outage to the last request on the bad version",
		s.clients.Answers().Of("v2").Last().Sub(ended).Round(time.Millisecond))
}

// openWatchedShop makes a shop with version v1, clients, and a controller that asks a Prometheus which may go wrong.
func openWatchedShop(t *testing.T) (*stage, *oddPrometheus) {
	p := byGateway().plan
	p.strategy, p.progressDeadline, p.limit = with(gatewayStrategy, watched, watchedSteps), 10*time.Second, transitionTime
	s := &stage{shop: openNamespace(t, p), versions: map[string]string{}}
	s.journal = s.keepJournal()
	source := s.newOddPrometheus()
	controller := (&process.Cluster{Kubeconfig: s.Kubeconfig, Prometheus: source.url()}).
		NewController(s.namespace, "watching", "--query-timeout", outageTimeout.String())
	t.Cleanup(s.keepAlive(controller))
	s.applyManifest(p.manifest, map[string]any{"Host": s.host()})
	s.push("v1")
	s.untilServed("v1")
	s.clients = throughGateway(s.shop)
	return s, source
}

// untilMeasured waits until a number of measurements in a row had a verdict.
func (s *stage) untilMeasured(verdict string, times int32) {
	s.t.Helper()
	s.await(fmt.Sprintf("measured as %s", verdict), func(r *v1alpha1.Rollout) bool {
		return r.Status.Release != nil && len(r.Status.Release.Metrics) == 1 &&
			r.Status.Release.Metrics[0].Verdict == verdict && r.Status.Release.Metrics[0].Streak >= times
	})
	s.journal.note("it was measured as %s", verdict)
}

// requireHeldBy sends the release on, and requires that it stays where it is and says why.
func (s *stage) requireHeldBy(o outage) {
	s.t.Helper()
	s.ask("promote")
	s.requireStalled("shop", "Held", "step 3 of 3: before canary weight 60", "success-rate", o.says, "rollout promote", "rollout abort")
	r := s.rollout()
	require.Equal(s.t, v1alpha1.PhasePaused, r.Status.Phase)
	require.Equal(s.t, "Stepping", r.Status.Release.Phase)
	require.Equal(s.t, [2]int32{80, 20}, s.weights())
	require.Equal(s.t, o.verdict, r.Status.Release.Metrics[0].Verdict)
	out, code := s.cli("get", "shop")
	require.Zero(s.t, code, out)
	require.Contains(s.t, out, r.Status.Message)
	out, code = s.cli("status", "shop", "--watch=false")
	require.Equal(s.t, 2, code, out)
	require.Contains(s.t, out, r.Status.Message)
}

// requireCalmEnd requires that a version serves everybody in the end, and that no client noticed anything but a bad version.
func (s *stage) requireCalmEnd(version string) {
	s.t.Helper()
	s.awaitPods(s.rollout().Status.StableRevision)
	ended := time.Now()
	s.clients.awaitRequests(transitionRate, ended)
	s.clients.Stop()
	s.clients.requireNoFailure()
	require.Equal(s.t, 1.0, s.clients.Answers().Since(ended).Share(version))
	require.NotEmpty(s.t, s.clients.Answers().Of("v2"), "nobody met the new version")
}
