package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func borrowing(s Source) Observed {
	return Observed{
		Now:    time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Source: &s,
		Spec:   Spec{Target: "v1", Replicas: 3, MaxSurge: 1, ProgressDeadline: time.Minute, Wiring: Wiring{Mode: ByPods}},
		Status: Status{Wiring: Wiring{Mode: ByPods}},
	}
}

func TestADeploymentIsTakenOverBeforeAnythingIsInstalled(t *testing.T) {
	for name, c := range map[string]struct {
		source  Source
		actions []Action
		reason  string
		stable  Revision
		phase   Phase
	}{
		"settled": {source: Source{Settled: true}, reason: "TakingOver",
			actions: []Action{TakeOver{Why: "a paused Deployment leaves its pods to the Rollout"}}},
		"in a rollout of its own":            {source: Source{State: "1 of its 3 pods are available"}, reason: "SourceBusy"},
		"taken, with pods":                   {source: Source{Settled: true, Taken: true, Revision: "own"}, reason: "HandingOver", stable: "own"},
		"taken, and never had any pods":      {source: Source{Settled: true, Taken: true}, reason: "Installing", phase: Installing},
		"missing, and the template known":    {source: Source{Missing: true}, reason: "Installing", phase: Installing},
		"taken, and unsettled by the taking": {source: Source{Taken: true, Revision: "own"}, reason: "HandingOver", stable: "own"},
	} {
		t.Run(name, func(t *testing.T) {
			o := borrowing(c.source)
			o.Workloads = []Workload{{Revision: "own", Number: 1, Replicas: 3, Ready: 3, Available: 3}}
			p := Decide(o)
			require.Equal(t, c.actions, p.Actions)
			require.Equal(t, c.reason, p.Report.Reason)
			require.Equal(t, c.stable, p.Status.Stable)
			if c.phase != "" {
				require.Equal(t, c.phase, p.Status.Release.Phase)
			}
			require.True(t, p.Wake.After(o.Now) || p.Wake.Equal(o.Now) && p.phaseChanged(o.Status), "every wait ends")
		})
	}
}

func TestABusyDeploymentIsLookedAtUntilItIsSettledSinceNobodyWatchesIt(t *testing.T) {
	o := borrowing(Source{State: "1 of its 3 pods are available"})
	p := Decide(o)
	require.Equal(t, Waiting, p.Report.State)
	require.Contains(t, p.Report.Message, "1 of its 3 pods are available")
	require.Equal(t, o.Now.Add(sourcePause), p.Wake)
}

func TestADeploymentThatWasLetGoIsTakenOverAgainWhateverItsState(t *testing.T) {
	for name, change := range map[string]func(*Observed){
		"busy":                    func(*Observed) {},
		"while paused":            func(o *Observed) { o.Spec.Paused = true },
		"with a spec in error":    func(o *Observed) { o.Problems = []Problem{{Reason: "InvalidStrategy", Message: "nonsense"}} },
		"with another template":   func(o *Observed) { o.Spec.Target = "v1" },
		"without any stable pods": func(o *Observed) { o.Workloads[0].Available, o.Workloads[0].Ready = 0, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			o := borrowing(Source{State: "it is in the middle of a rollout of its own"})
			o.Status.Stable, o.Spec.Target = "own", "own"
			o.Workloads = []Workload{{Revision: "own", Number: 1, Replicas: 3, Ready: 3, Available: 3}}
			change(&o)
			for range 2 {
				o.Status = Decide(o).Status // A plan that changes the phase leaves acting to the next pass.
			}
			require.Contains(t, Decide(o).Actions, Action(TakeOver{Why: "somebody has let the Deployment go, and it would make pods of its own"}))
		})
	}
}

func TestAMissingDeploymentIsLookedForAndChangesNothing(t *testing.T) {
	o := borrowing(Source{Missing: true})
	o.Status.Stable, o.Spec.Target = "own", ""
	o.Problems = []Problem{{Reason: "MissingWorkload", Message: "spec.workloadRef.name: there is no Deployment"}}
	o.Workloads = []Workload{{Revision: "own", Number: 1, Replicas: 3, Ready: 3, Available: 3}}
	p := Decide(o)
	require.Empty(t, p.Actions)
	require.Equal(t, o.Now.Add(sourcePause), p.Wake)
	require.Equal(t, "MissingWorkload", p.Report.StalledReason)
	require.True(t, p.Report.Available)
}
