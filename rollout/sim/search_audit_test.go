package sim

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
)

// audit compares some of the states that a search takes for the same: whatever may happen next has to lead to the same in
// both. A search that merges states which behave differently would overlook what only one of them leads to.
type audit struct {
	sync.Mutex
	search *search
	// oneIn is how many of the states are looked at.
	oneIn    uint64
	known    map[uint64][]uint64
	compared int
	confused []string
}

// audited is a search of a scope with somebody who looks at one in some of its states.
func audited(scope Scope, oneIn uint64) *audit {
	a := &audit{search: newSearch(scope), oneIn: oneIn, known: map[uint64][]uint64{}}
	a.search.audit = a.look
	return a
}

func (a *audit) look(s *state) {
	if s.hash%a.oneIn != 0 {
		return
	}
	a.Lock()
	defer a.Unlock()
	names, hashes := a.futures(s)
	known, there := a.known[s.hash]
	if !there {
		a.known[s.hash] = hashes
		return
	}
	a.compared++
	if len(hashes) != len(known) {
		a.confused = append(a.confused, "a state has other options than one that was taken for the same")
		return
	}
	for i, name := range names {
		if hashes[i] != known[i] {
			a.confused = append(a.confused, name+" leads elsewhere from states that were taken for the same")
		}
	}
}

// futures are all that may follow a state, whatever its budget, by the names of what leads there. A clock that jumps once more
// than the budget allows is left out: it would make recent what the encoder takes for long ago.
func (a *audit) futures(s *state) (names []string, hashes []uint64) {
	e := newEncoder(a.search.scope.Settings)
	for i, o := range a.search.options {
		if o.name == "clock jump" {
			continue
		}
		for way := range o.ways(s) {
			names = append(names, fmt.Sprintf("%s (%d)", o.name, way))
			hashes = append(hashes, e.hash(a.search.make(s, move{option: uint8(i), way: uint8(way)})))
		}
	}
	return names, hashes
}

func TestAnAuditNoticesAnEncoderThatForgetsSomething(t *testing.T) {
	forgetful := map[string]func(*encoder){
		"how long ago a request may have been sent": func(e *encoder) { e.drain = 0 },
		"how long ago the split has changed":        func(e *encoder) { e.wait, e.turn = 0, 0 },
	}
	for what, forget := range forgetful {
		t.Run(what, func(t *testing.T) {
			a := audited(canaryScope().with(1, 0), 1)
			a.search.encoder = func(s Settings) *encoder {
				e := newEncoder(s)
				forget(e)
				return e
			}
			a.search.run()
			require.NotEmpty(t, a.confused, "of %d", a.compared)
		})
	}
}

// fields are the names of what a struct consists of.
func fields(of any) string {
	t := reflect.TypeOf(of)
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Name
	}
	return strings.Join(names, " ")
}

func TestTheEncoderKnowsEveryFieldThatMakesAState(t *testing.T) {
	for _, known := range []struct {
		of     any
		fields string
	}{
		{Cluster{}, "settings store now quality pods data evidence outage replies asked known processes violations"},
		{object{}, "version deleted spec invalid status report request"},
		{replicaSet{}, "Workload version uid"},
		{service{}, "version missing revision"},
		{route{}, "version missing share rules ruled generation accepted"},
		{pod{}, "created ready listed"},
		{possibleShare{}, "share ruled until gone"},
		{possiblePointer{}, "revision until"},
		{evidence{}, "passed approved stepPassed stepApproved"},
		{process{}, "name running offset frozen view own pass measure results wake fresh report"},
		{pass{}, "read seen plan began writes"},
		{rollout.Wiring{}, "Mode Stable Canary Alternate SubsetsOf Routes"},
		{rollout.Workload{}, "Revision Number Replicas Ready Available Outdated Listed Youngest Look Created"},
		{rollout.Request{}, "ID Verb Revision Step"},
		{rollout.Status{}, "Stable Runs Release Wiring Swapped Held UndoTo Restart Former Ledger Answer"},
		{rollout.Release{}, "Run Revision Phase Step Started StepStarted Deadline ReadyHighWater WeightHighWater Capacity StableCapacity " +
			"ExposedAt Approved Cause CauseMessage AbortedAt Metrics Gates"},
		{rollout.Restarting{}, "At All Until Left Progress Done"},
		{rollout.Ledger{}, "Low High Accepted Since Rules Astray Stable Canary"},
		{rollout.Report{}, "State Reason Message Stalled StalledReason StalledMessage Available"},
		{analysis.Record{}, "Metric Threshold DryRun Verdict Text Message Requests At Passes Failures Inconclusive NoData Errors " +
			"Streak FailureStreak ErrorStreak Judged JudgedSince Recent"},
		{analysis.Measurement{}, "Run Step Metric At Judgement"},
		{analysis.Judgement{}, "Verdict Value Text Message Requests"},
	} {
		require.Equal(t, known.fields, fields(known.of), "%T: write a new field down in encoder, or say there why it is left out", known.of)
	}
}
