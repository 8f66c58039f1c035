package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/rollout-dev/rollout/e2e/demo/picture"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// checkout is the Rollout that the demo applies.
func checkout(t *testing.T) *v1alpha1.Rollout {
	t.Helper()
	manifest, err := (&app{stage: &sandboxStage{}}).render(releases()[0].version)
	require.NoError(t, err)
	r := &v1alpha1.Rollout{}
	require.NoError(t, yaml.UnmarshalStrict(manifest, r))
	return r
}

func TestTheManifestIsARolloutWithTheVersionsBehaviour(t *testing.T) {
	r := checkout(t)
	require.Equal(t, int32(replicas), *r.Spec.Replicas)
	require.Equal(t, namespace, r.Namespace)
	require.Equal(t, canaryService, r.Spec.Strategy.Canary.CanaryService)
}

func TestTheSceneSaysWhatIsGivenAndWhatIsReceived(t *testing.T) {
	r := checkout(t)
	r.Status = v1alpha1.RolloutStatus{
		Phase: v1alpha1.PhaseProgressing, Message: "revision aaa replaces revision bbb",
		Release:   &v1alpha1.Release{Revision: "aaa", Phase: "Stepping", StepIndex: 1},
		Traffic:   &v1alpha1.Traffic{CanaryWeight: 5, CanaryBackend: "aaa", StableBackend: "bbb"},
		Revisions: []v1alpha1.RevisionStatus{{Hash: "aaa", Role: "canary", Replicas: 1, Ready: 1}, {Hash: "bbb", Role: "stable", Replicas: 10, Ready: 9}, {Hash: "ccc"}},
	}
	got := received{Sent: 100, Lost: 1, Versions: map[string]answers{"v2": {Share: 0.04}, "v1": {Share: 0.96, Errors: 3}}}

	scene := sceneOf(r, map[string]string{"aaa": "v2", "bbb": "v1"}, got)

	require.Equal(t, "revision v2 replaces revision v1", scene.Message)
	require.Equal(t, []picture.Revision{
		{Version: "v2", Hash: "aaa", Role: "canary", Ready: 1, Wanted: 1, Given: 5, Received: 0.04},
		{Version: "v1", Hash: "bbb", Role: "stable", Ready: 9, Wanted: 10, Given: 95, Received: 0.96},
	}, scene.Revisions)
	require.Equal(t, picture.Requests{Sent: 100, Lost: 1, Errors: []picture.VersionErrors{{Version: "v1", Count: 3}}}, scene.Requests)
	require.Equal(t, []picture.StepState{picture.StepDone, picture.StepNow, picture.StepNext},
		[]picture.StepState{scene.Plan[0].State, scene.Plan[1].State, scene.Plan[2].State})
}

func TestAReleaseHasAnOutcomeOnceTheStatusIsAboutIt(t *testing.T) {
	for name, c := range map[string]struct {
		generation int64
		status     v1alpha1.RolloutStatus
		want       picture.Outcome
	}{
		"serving":         {1, v1alpha1.RolloutStatus{ObservedGeneration: 1, Phase: v1alpha1.PhaseHealthy, StableRevision: "aaa"}, picture.Promoted},
		"handing over":    {1, v1alpha1.RolloutStatus{ObservedGeneration: 1, Phase: v1alpha1.PhaseProgressing, StableRevision: "aaa"}, picture.Running},
		"not seen yet":    {2, v1alpha1.RolloutStatus{ObservedGeneration: 1, Phase: v1alpha1.PhaseHealthy, StableRevision: "aaa"}, picture.Running},
		"being aborted":   {1, v1alpha1.RolloutStatus{ObservedGeneration: 1, Release: &v1alpha1.Release{Revision: "aaa", Phase: "Aborting"}}, picture.Running},
		"aborted":         {1, v1alpha1.RolloutStatus{ObservedGeneration: 1, Release: &v1alpha1.Release{Revision: "aaa", Phase: "Aborted"}}, picture.TakenBack},
		"another aborted": {1, v1alpha1.RolloutStatus{ObservedGeneration: 1, Release: &v1alpha1.Release{Revision: "bbb", Phase: "Aborted"}}, picture.Running},
	} {
		t.Run(name, func(t *testing.T) {
			p := &play{
				rollout:  &v1alpha1.Rollout{ObjectMeta: metav1.ObjectMeta{Generation: c.generation}, Status: c.status},
				versions: map[string]string{"aaa": "v2", "bbb": "v1"},
			}
			require.Equal(t, c.want, p.outcome("v2"))
		})
	}
}

func TestAResultIsAsPromisedOnlyWithTheRightOutcomeAndNoLostRequest(t *testing.T) {
	good := result{release: release{version: version{Version: "v2"}, want: picture.Promoted}, outcome: picture.Promoted}
	require.NoError(t, good.check())

	bad := good
	bad.outcome, bad.lost = picture.TakenBack, 3
	require.ErrorContains(t, bad.check(), "v2 is taken back and should be promoted")
	require.ErrorContains(t, bad.check(), "3 requests were lost while v2 was released")
}

func TestExposureIsTheTimeFromTheBreachToTheLastRequest(t *testing.T) {
	breach := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	require.Equal(t, time.Second, result{breach: breach, last: breach.Add(time.Second)}.exposure())
	require.Zero(t, result{breach: breach, last: breach.Add(-time.Second)}.exposure())
}
