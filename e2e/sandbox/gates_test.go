//go:build integration

package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// gatekeeper is a web server that gates ask. Each gate has a path of its own.
type gatekeeper struct {
	address string

	mu sync.Mutex
	// answers are what a gate says, by its name: yes if there is none.
	answers map[string]string // follows mu
	calls   []gateCall        // follows mu
	// asked is told of every call before it is answered.
	asked func(gateCall)
}

// gateCall is what a gate was told, and whether it said yes.
type gateCall struct {
	ID, Gate, At, Revision string
	Step, Weight           int
	confirmed              bool
}

// Answers of a gate besides yes.
const (
	notYet  = `{"verdict": "wait", "reason": "the window opens later"}`
	refusal = `{"verdict": "fail", "reason": "checkout takes 3 s"}`
	request = `{"verdict": "pass", "reason": "the pager rings"}`
)

func newGatekeeper(t *testing.T, asked func(gateCall)) *gatekeeper {
	k := &gatekeeper{answers: map[string]string{}, asked: asked}
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	k.address = server.URL
	return k
}

func (k *gatekeeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var call gateCall
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil || call.ID != r.Header.Get("Idempotency-Key") {
		http.Error(w, "not a call of a gate", http.StatusBadRequest)
		return
	}
	k.asked(call)
	k.mu.Lock()
	defer k.mu.Unlock()
	answer, said := k.answers[call.Gate]
	call.confirmed = !said
	k.calls = append(k.calls, call)
	fmt.Fprint(w, answer)
}

// say changes what a gate says from now on; nothing is yes.
func (k *gatekeeper) say(gate, answer string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if answer == "" {
		delete(k.answers, gate)
		return
	}
	k.answers[gate] = answer
}

// times is how often a gate was asked.
func (k *gatekeeper) times(gate string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	for _, c := range k.calls {
		if c.Gate == gate {
			n++
		}
	}
	return n
}

// restart kills the controller, and returns when the next one has asked a gate. A call of the first one that was under way is answered by
// then; it would else hear a yes that nobody remembers, and that the next one asks for again.
func (k *gatekeeper) restart(t *testing.T, e *engine, gate string) {
	t.Helper()
	e.kill()
	before := k.times(gate)
	e.run()
	eventually(t, "gate "+gate+" to be asked by the next controller", func() (bool, string) {
		n := k.times(gate) - before
		return n >= 2, fmt.Sprintf("it was asked %d times", n)
	})
}

// confirmations counts how often each gate said yes, by the call's key.
func (k *gatekeeper) confirmations() (times map[string]int, places []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	times = map[string]int{}
	for _, c := range k.calls {
		if c.confirmed {
			times[c.ID]++
			places = append(places, fmt.Sprintf("%s %d %d", c.Gate, c.Step, c.Weight))
		}
	}
	return times, places
}

// gated is an app whose first version serves, and whose next releases ask gates. fields follow the name of each.
func gated(t *testing.T, asked func(gateCall), gates ...string) (*app, *engine, *gatekeeper) {
	t.Helper()
	k := newGatekeeper(t, asked)
	a := newApp(t)
	a.services()
	a.route()
	e := a.engine("--allow-metric-address", "127.0.0.1")
	a.release("v1")
	a.waitPhase(v1alpha1.PhaseHealthy)
	a.spec = "\n  gates:"
	for _, gate := range gates {
		a.spec += fmt.Sprintf("\n  - {%s, web: {url: %q}, interval: 1s}", gate, k.address)
	}
	return a, e, k
}

// waitGate waits until a gate is waited for.
func (a *app) waitGate(name string) *v1alpha1.Rollout {
	a.t.Helper()
	return a.waitFor("gate "+name+" to be waited for", func(r *v1alpha1.Rollout) bool {
		if r.Status.Release == nil {
			return false
		}
		for _, g := range r.Status.Release.Gates {
			if g.Name == name && g.AskedAt != nil {
				return true
			}
		}
		return false
	})
}

func TestNothingHappensBeforeItsGateAndNoGateSaysYesTwiceWhateverBecomesOfTheController(t *testing.T) {
	t.Parallel()
	var a *app
	asked := func(c gateCall) {
		switch c.Gate {
		case "window":
			sets, err := cluster.kubernetes.AppsV1().ReplicaSets(a.namespace).List(t.Context(), metav1.ListOptions{})
			if err != nil || len(sets.Items) != 1 {
				t.Errorf("before the release there are %d ReplicaSets (%v), want that of the first version", len(sets.Items), err)
			}
		case "load":
			r, err := cluster.rollouts.Rollouts(a.namespace).Get(t.Context(), "checkout", metav1.GetOptions{})
			if err != nil || int(r.Status.Traffic.CanaryWeight) >= c.Weight {
				t.Errorf("before weight %d was confirmed it is %d (%v)", c.Weight, r.Status.Traffic.CanaryWeight, err)
			}
		}
	}
	a, e, k := gated(t, asked, "name: window, at: BeforeRelease", "name: load, at: BeforeIncrease", "name: approval, at: BeforePromotion", "name: report, at: AfterPromotion")
	k.say("window", notYet)
	before := a.received()
	a.release("v2")
	require.Contains(t, a.waitGate("window").Status.Message, "waiting for gate window (BeforeRelease)")
	k.restart(t, e, "window")
	k.say("window", "")
	k.say("approval", notYet)
	r := a.waitGate("approval")
	require.Contains(t, r.Status.Message, "the window opens later")
	out, _ := a.cli("get", "checkout")
	require.Contains(t, out, "approval")
	k.restart(t, e, "approval")
	k.say("approval", "")
	a.waitPhase(v1alpha1.PhaseHealthy)
	require.Zero(t, a.failedSince(before))
	times, places := k.confirmations()
	for id, n := range times {
		require.Equal(t, 1, n, id)
	}
	require.ElementsMatch(t, []string{"window 1 20", "load 1 20", "load 3 60", "approval 5 100", "load 5 100", "report 5 100"}, places)
}

func TestAGateThatRefusesTakesTheReleaseBack(t *testing.T) {
	t.Parallel()
	a, _, k := gated(t, func(gateCall) {}, "name: load, at: BeforeIncrease")
	before := a.received()
	k.say("load", refusal)
	a.release("v2")
	r := a.waitPhase(v1alpha1.PhaseDegraded)
	require.Equal(t, "Gate", r.Status.Release.Cause)
	require.Equal(t, "gate load has refused it: checkout takes 3 s", r.Status.Release.CauseMessage)
	require.Zero(t, a.failedSince(before))
}

func TestAGateThatAsksForItTakesTheReleaseBackAtAnyTime(t *testing.T) {
	t.Parallel()
	a, _, k := gated(t, func(gateCall) {}, "name: pager, at: Rollback")
	k.say("pager", notYet)
	before := a.received()
	a.release("v2")
	a.waitFor("a weight", func(r *v1alpha1.Rollout) bool { return r.Status.Traffic.CanaryWeight > 0 })
	k.say("pager", request)
	r := a.waitPhase(v1alpha1.PhaseDegraded)
	require.Equal(t, "gate pager asks for it: the pager rings", r.Status.Release.CauseMessage)
	require.Zero(t, a.failedSince(before))
}

func TestAReleaseWhoseGateNeverAnswersIsHeldUntilAPersonGoesOnWithoutIt(t *testing.T) {
	t.Parallel()
	a, _, k := gated(t, func(gateCall) {}, "name: load, at: BeforeTraffic, deadline: 3s")
	k.say("load", notYet)
	a.release("v2")
	r := a.waitFor("a release that is held", func(r *v1alpha1.Rollout) bool { reason, _ := stalled(r); return reason == "Held" })
	require.Contains(t, r.Status.Message, "gate load has not confirmed since")
	require.Contains(t, r.Status.Message, "rollout promote goes on without it")
	require.Zero(t, r.Status.Traffic.CanaryWeight)
	out, code := a.cli("promote", "checkout")
	require.Zero(t, code, out)
	a.waitPhase(v1alpha1.PhaseHealthy)
}

func TestAGateThatTheOperatorDoesNotAllowIsNamedWithTheWayOut(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.services()
	a.route()
	a.spec = "\n  gates: [{name: window, at: BeforeRelease, web: {url: \"http://169.254.169.254/\"}}]"
	a.engine()
	a.release("v1")
	a.waitStalled("InvalidGate", "spec.gates[0]", "169.254.169.254", "--allow-metric-address")
}
