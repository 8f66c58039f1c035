package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// answering makes the server answer every request, as the engine does.
func answering(s *apiServer, outcome, message string) {
	s.afterPatch = func(s *apiServer) {
		s.change(func(r *v1alpha1.Rollout) {
			request, _ := v1alpha1.ReadRequest(r.Annotations)
			r.Status.LastRequest = &v1alpha1.RequestStatus{ID: request.ID, Verb: request.Verb, Outcome: outcome, Message: message}
		})
	}
}

func TestRequestIsBoundToWhatThePersonSaw(t *testing.T) {
	for _, c := range []struct {
		args    []string
		rollout *v1alpha1.Rollout
		verb    v1alpha1.Verb
	}{
		{[]string{"promote", "checkout"}, stepping(), v1alpha1.VerbPromote},
		{[]string{"promote", "checkout", "--full"}, stepping(), v1alpha1.VerbPromoteFull},
		{[]string{"abort", "checkout"}, stepping(), v1alpha1.VerbAbort},
		{[]string{"retry", "checkout"}, takenBackRollout(), v1alpha1.VerbRetry},
		{[]string{"pause", "checkout"}, stepping(), v1alpha1.VerbPause},
		{[]string{"resume", "checkout"}, pausedByRequest(), v1alpha1.VerbResume},
		{[]string{"restart", "checkout"}, stepping(), v1alpha1.VerbRestart},
	} {
		t.Run(string(c.verb), func(t *testing.T) {
			s := newAPIServer(t)
			s.put(c.rollout)
			answering(s, v1alpha1.OutcomeAccepted, "")

			got := invoke(t, s, c.args...)
			require.Equal(t, result{0, "checkout: " + string(c.verb) + " accepted\n", ""}, got)

			request, err := v1alpha1.ReadRequest(s.stored().Annotations)
			require.NoError(t, err)
			require.NotEmpty(t, request.ID)
			require.Equal(t, "bbb", request.Revision)
			require.Equal(t, int32(1), request.Step)
			require.Equal(t, c.verb, request.Verb)
			require.Equal(t, "alice", request.By)
			require.True(t, noon().Equal(request.At.Time))
		})
	}
}

func TestRefusalIsPassedOnInTheEnginesWords(t *testing.T) {
	s := newAPIServer(t)
	s.put(stepping())
	answering(s, v1alpha1.OutcomeRefused, "the release is at step 3")
	require.Equal(t, result{1, "", "error: promote was refused: the release is at step 3\n"}, invoke(t, s, "promote", "checkout"))
}

func TestWithoutAnAnswerTheRequestStaysAndTheAdviceIsToLookAtTheController(t *testing.T) {
	s := newAPIServer(t)
	s.put(stepping())
	got := invoke(t, s, "promote", "checkout", "--wait", "50ms")
	require.Equal(t, exitTimeout, got.code)
	require.Contains(t, got.errOut, "has not answered within 50ms")
	require.Contains(t, got.errOut, "kubectl -n rollout-system get deploy")
	require.Equal(t, 1, s.patches)
}

func TestRequestThatNeedsNoAnswerDoesNotWait(t *testing.T) {
	s := newAPIServer(t)
	s.put(stepping())
	require.Equal(t, result{0, "checkout: abort requested\n", ""}, invoke(t, s, "abort", "checkout", "--wait", "0"))
}

func TestRequestThatMakesNoSenseIsNotSent(t *testing.T) {
	first := healthy()
	first.Status.StableRevision = ""
	installing := stepping()
	installing.Status.Release.Phase = "Installing"
	changed := healthy()
	changed.Generation = 5
	unseen := healthy()
	unseen.Status = v1alpha1.RolloutStatus{}
	aborting := takenBackRollout()
	aborting.Status.Release.Phase = "Aborting"
	pausedBySpec := stepping()
	pausedBySpec.Spec.Paused = true
	weighing := stepping()
	weighing.Status.Release.StepIndex = 2
	weighing.Status.Phase, weighing.Status.Message = v1alpha1.PhaseProgressing, "giving the canary 25%"
	waitingToSwitch := blueGreen()
	for name, c := range map[string]struct {
		rollout *v1alpha1.Rollout
		verb    string
		says    string
	}{
		"promote while healthy":        {healthy(), "promote", "nothing to promote: revision aaa is stable"},
		"promote while installing":     {installing, "promote", "nothing to promote: revision bbb is the first one"},
		"abort while installing":       {installing, "abort", "there is no stable revision to go back to"},
		"promote what is blocked":      {first, "promote", "nothing to promote: no release is under way"},
		"promote what was taken back":  {takenBackRollout(), "promote", "rollout retry checkout starts it again"},
		"abort while healthy":          {healthy(), "abort", "nothing to abort: revision aaa is stable"},
		"abort what was taken back":    {takenBackRollout(), "abort", "nothing to abort: revision bbb was taken back (success-rate was 0.5)"},
		"abort what is being aborted":  {aborting, "abort", "nothing to abort: revision bbb is being taken back"},
		"retry while healthy":          {healthy(), "retry", "nothing to retry: revision aaa is stable"},
		"retry a release under way":    {stepping(), "retry", "nothing to retry: revision bbb is being released"},
		"abort before it was seen":     {changed, "abort", "can't abort checkout: the controller has not seen the last change yet"},
		"promote before anything was":  {unseen, "promote", "the controller has not looked at it yet; try again in a moment"},
		"pause what is paused":         {pausedByRequest(), "pause", "nothing to pause: checkout is paused already, by request: rollout resume checkout ends it"},
		"pause what the spec pauses":   {pausedBySpec, "pause", "nothing to pause: checkout is paused already, by spec.paused: set it to false"},
		"resume what the spec pauses":  {pausedBySpec, "resume", `it is the spec that pauses checkout (spec.paused); set it to false where the spec is kept, or with kubectl -n shop patch rollout checkout --type=merge -p '{"spec":{"paused":false}}'`},
		"resume a step of the plan":    {stepping(), "resume", "nothing to resume: nobody paused checkout, its release is at step 2 of 3, a pause of the plan; rollout promote checkout ends the step"},
		"resume a blue-green pause":    {waitingToSwitch, "resume", "its release is at step 2 of 2, a pause of the plan; rollout promote checkout ends the step"},
		"resume what goes on":          {weighing, "resume", "nothing to resume: checkout is not paused (Progressing 1/3: giving the canary 25%)"},
		"resume what was taken back":   {takenBackRollout(), "resume", "nothing to resume: checkout is not paused (Degraded"},
		"restart what never served":    {first, "restart", "nothing to restart: no revision of checkout has been stable yet"},
		"negative wait makes no sense": {stepping(), "promote --wait=-1s", "--wait -1s: it must not be negative"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newAPIServer(t)
			s.put(c.rollout)
			verb, flag := c.verb, "--wait=1s"
			if c.verb == "promote --wait=-1s" {
				verb, flag = "promote", "--wait=-1s"
			}
			got := invoke(t, s, verb, "checkout", flag)
			require.Equal(t, exitFailure, got.code)
			require.Contains(t, got.errOut, c.says)
			require.Zero(t, s.patches)
		})
	}
}

// pending is a Rollout with a request that has not been answered.
func pending(verb v1alpha1.Verb, old time.Duration) *v1alpha1.Rollout {
	r := stepping()
	r.Annotations = map[string]string{v1alpha1.RequestAnnotation: v1alpha1.Request{
		ID: "first", Verb: verb, Revision: "bbb", Step: 1, By: "bob", At: metav1.NewTime(noon().Add(-old)),
	}.Annotation()}
	return r
}

func TestEarlierRequestKeepsItsPlaceUntilItIsAnswered(t *testing.T) {
	s := newAPIServer(t)
	s.put(pending(v1alpha1.VerbAbort, 3*time.Second))
	got := invoke(t, s, "promote", "checkout")
	require.Equal(t, exitFailure, got.code)
	require.Contains(t, got.errOut, "has not answered an earlier request yet (abort by bob, 3s ago)")
	require.Zero(t, s.patches)
}

func TestEarlierRequestIsReplacedByAnAbortByForceAndByAge(t *testing.T) {
	for name, c := range map[string]struct {
		rollout *v1alpha1.Rollout
		args    []string
	}{
		"abort": {pending(v1alpha1.VerbPromote, 3*time.Second), []string{"abort", "checkout"}},
		"force": {pending(v1alpha1.VerbAbort, 3*time.Second), []string{"promote", "checkout", "--force"}},
		"age":   {pending(v1alpha1.VerbPromote, time.Minute), []string{"promote", "checkout"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newAPIServer(t)
			s.put(c.rollout)
			answering(s, v1alpha1.OutcomeAccepted, "")
			got := invoke(t, s, c.args...)
			require.Zero(t, got.code, got.errOut)
			require.Contains(t, got.errOut, "warning: an earlier request was not answered and is replaced")
			require.Equal(t, 1, s.patches)
		})
	}
}

func TestTheSameRequestOfTwoPeopleIsSentOnce(t *testing.T) {
	s := newAPIServer(t)
	s.put(pending(v1alpha1.VerbPromote, 3*time.Second))
	got := invoke(t, s, "promote", "checkout", "--wait", "20ms")
	require.Equal(t, exitTimeout, got.code)
	require.Zero(t, s.patches)

	s.change(func(r *v1alpha1.Rollout) {
		r.Status.LastRequest = &v1alpha1.RequestStatus{ID: "first", Outcome: v1alpha1.OutcomeAccepted}
	})
	answering(s, v1alpha1.OutcomeAccepted, "")
	require.Zero(t, invoke(t, s, "promote", "checkout").code)
	require.Equal(t, 1, s.patches, "an answered request is no reason not to ask again")
}

func TestConflictIsTriedAgainWhileTheReleaseStandsStill(t *testing.T) {
	s := newAPIServer(t)
	s.put(stepping())
	tries := 0
	s.beforePatch = func(s *apiServer) {
		if tries++; tries < 3 {
			s.change(func(r *v1alpha1.Rollout) { r.Status.ReadyReplicas++ })
		}
	}
	answering(s, v1alpha1.OutcomeAccepted, "")
	require.Zero(t, invoke(t, s, "promote", "checkout").code)
	require.Equal(t, 3, tries)
	require.Equal(t, 1, s.patches)
}

func TestPauseResumeAndRestartAreNotLostBecauseTheReleaseMovedOn(t *testing.T) {
	for verb, rollout := range map[string]*v1alpha1.Rollout{"pause": stepping(), "resume": pausedByRequest(), "restart": stepping()} {
		t.Run(verb, func(t *testing.T) {
			s := newAPIServer(t)
			s.put(rollout)
			tries := 0
			s.beforePatch = func(s *apiServer) {
				if tries++; tries < 3 {
					s.change(func(r *v1alpha1.Rollout) { r.Status.Release.StepIndex++ })
				}
			}
			answering(s, v1alpha1.OutcomeAccepted, "")
			require.Equal(t, result{0, "checkout: " + verb + " accepted\n", ""}, invoke(t, s, verb, "checkout"))
			require.Equal(t, 3, tries)
			require.Equal(t, 1, s.patches)
		})
	}
}

func TestResumeIsSentEvenIfTheSpecPausesAsWell(t *testing.T) {
	s := newAPIServer(t)
	r := pausedByRequest()
	r.Spec.Paused = true
	s.put(r)
	answering(s, v1alpha1.OutcomeAccepted, "spec.paused is still true")
	require.Equal(t, result{0, "checkout: resume accepted, spec.paused is still true\n", ""}, invoke(t, s, "resume", "checkout"))
}

func TestConflictEndsTheRequestOnceTheReleaseHasMovedOn(t *testing.T) {
	s := newAPIServer(t)
	s.put(stepping())
	s.beforePatch = func(s *apiServer) {
		s.change(func(r *v1alpha1.Rollout) { r.Status.Release.StepIndex = 2 })
	}
	got := invoke(t, s, "promote", "checkout")
	require.Equal(t, exitFailure, got.code)
	require.Contains(t, got.errOut, "promote was not requested: meanwhile checkout moved on")
	require.Zero(t, s.patches)
}

func TestConflictsWithoutEndEndTheRequest(t *testing.T) {
	s := newAPIServer(t)
	s.put(stepping())
	s.beforePatch = func(s *apiServer) {
		s.change(func(r *v1alpha1.Rollout) { r.Status.ReadyReplicas++ })
	}
	got := invoke(t, s, "promote", "checkout")
	require.Equal(t, exitFailure, got.code)
	require.Contains(t, got.errOut, "changed between reading and writing 10 times in a row")
}

func TestRequestThatWasReplacedWhileWaitingSaysByWhat(t *testing.T) {
	s := newAPIServer(t)
	s.put(stepping())
	s.afterPatch = func(s *apiServer) {
		s.change(func(r *v1alpha1.Rollout) {
			r.Annotations = pending(v1alpha1.VerbAbort, 0).Annotations
		})
	}
	got := invoke(t, s, "promote", "checkout")
	require.Equal(t, exitFailure, got.code)
	require.Contains(t, got.errOut, "the request to promote checkout was replaced by abort by bob")
}

func TestRequestIsMadeInTheNameOfWhomThePersonActsAs(t *testing.T) {
	for _, c := range []struct{ flag, by string }{{"--as=carol", "carol"}, {"--user=alice", "alice"}} {
		s := newAPIServer(t)
		s.put(stepping())
		require.Zero(t, invoke(t, s, "abort", "checkout", "--wait=0", c.flag).code)
		request, err := v1alpha1.ReadRequest(s.stored().Annotations)
		require.NoError(t, err)
		require.Equal(t, c.by, request.By)
	}
}
