package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func TestStatusPrintsEveryChangeAndEndsWhenSettled(t *testing.T) {
	s := newAPIServer(t)
	r := stepping()
	r.Generation = 5
	s.put(r)
	i := start(t, s, nil, "status", "checkout")
	require.Equal(t, "12:00:00 Waiting: the controller has not seen the last change yet: generation 5, it is at 4", i.line())

	s.change(func(r *v1alpha1.Rollout) {
		r.Status.ObservedGeneration, r.Status.Phase, r.Status.Message = 5, v1alpha1.PhaseProgressing, "giving the canary 25%"
	})
	require.Equal(t, "12:00:00 Progressing 1/3: giving the canary 25%", i.line())

	s.change(func(r *v1alpha1.Rollout) { r.Status.ReadyReplicas = 7 })
	s.change(func(r *v1alpha1.Rollout) { r.Status = healthy().Status; r.Status.ObservedGeneration = 5 })
	require.Equal(t, result{0, "12:00:00 Healthy: revision aaa is stable\n", ""}, i.end())
}

func TestStatusTellsTheStateByItsExitCode(t *testing.T) {
	progressing := stepping()
	progressing.Status.Phase = v1alpha1.PhaseProgressing
	unseen := stepping()
	unseen.Generation = 5
	for name, c := range map[string]struct {
		rollout *v1alpha1.Rollout
		code    int
		waits   bool
	}{
		"healthy":               {healthy(), 0, false},
		"paused":                {stepping(), 2, false},
		"degraded":              {takenBackRollout(), 3, false},
		"progressing":           {progressing, 5, true},
		"unseen change":         {unseen, 5, true},
		"request not answered":  {pending(v1alpha1.VerbPromote, time.Second), 5, true},
		"no status at all, yet": {&v1alpha1.Rollout{ObjectMeta: stepping().ObjectMeta}, 5, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newAPIServer(t)
			s.put(c.rollout)
			now := invoke(t, s, "status", "checkout", "--watch=false")
			require.Equal(t, c.code, now.code)
			require.NotEmpty(t, now.out)

			waited := invoke(t, s, "status", "checkout", "--timeout", "50ms")
			if !c.waits {
				require.Equal(t, c.code, waited.code)
				require.Empty(t, waited.errOut)
				return
			}
			require.Equal(t, exitTimeout, waited.code)
			require.Equal(t, "error: shop/checkout has not settled within 50ms\n", waited.errOut)
		})
	}
}

func TestStatusOfARolloutThatIsDeletedMeanwhileFails(t *testing.T) {
	s := newAPIServer(t)
	r := stepping()
	r.Status.Phase = v1alpha1.PhaseProgressing
	s.put(r)
	i := start(t, s, nil, "status", "checkout")
	i.line()
	s.remove("shop/checkout")
	require.Equal(t, result{1, "", "error: shop/checkout was deleted\n"}, i.end())
}

func TestStatusNoticesADeletionThatNobodyWatched(t *testing.T) {
	s := newAPIServer(t)
	r := stepping()
	r.Status.Phase = v1alpha1.PhaseProgressing
	s.put(r)
	i := start(t, s, nil, "status", "checkout")
	i.line()
	again := r.DeepCopy()
	again.UID = "u-2"
	s.forget(again)
	require.Equal(t, result{1, "", "error: shop/checkout was deleted\n"}, i.end())
}

func TestStatusOutlivesAServerThatRestarts(t *testing.T) {
	s := newAPIServer(t)
	r := stepping()
	r.Status.Phase = v1alpha1.PhaseProgressing
	s.put(r)
	i := start(t, s, nil, "status", "checkout")
	i.line()

	down, up := make(chan struct{}), make(chan struct{})
	failures := 0
	s.mu.Lock()
	s.fail = func(w http.ResponseWriter, _ *http.Request) bool {
		select {
		case <-up:
			return false
		default:
		}
		if failures++; failures == 3 {
			close(down)
		}
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	s.mu.Unlock()
	s.endWatches()
	<-down
	s.change(func(r *v1alpha1.Rollout) { r.Status = healthy().Status })
	close(up)
	got := i.end()
	require.Zero(t, got.code)
	require.Equal(t, "12:00:00 Healthy: revision aaa is stable\n", got.out)
	require.Contains(t, got.errOut, "warning: watch Rollout shop/checkout")
	require.Contains(t, got.errOut, "; trying again\n")
}

func TestStatusThatIsInterruptedIsNoSuccess(t *testing.T) {
	s := newAPIServer(t)
	r := stepping()
	r.Status.Phase = v1alpha1.PhaseProgressing
	s.put(r)
	i := start(t, s, nil, "status", "checkout")
	i.line()
	i.stop()
	require.Equal(t, result{1, "", "error: interrupted before shop/checkout had settled\n"}, i.end())
}

func TestStatusWantsATimeoutThatEnds(t *testing.T) {
	got := invoke(t, newAPIServer(t), "status", "checkout", "--timeout", "0")
	require.Equal(t, result{1, "", "error: --timeout 0s: it must be more than 0; --watch=false does not wait\n"}, got)
}

func TestStatusWaitsUntilTheChangeOfADeploymentWasSeen(t *testing.T) {
	s := newAPIServer(t)
	withDeployment(t, s, healthy())
	s.deployments["web"]["metadata"].(map[string]any)["generation"] = 7
	s.change(func(r *v1alpha1.Rollout) { r.Status.WorkloadObservedGeneration = 6 })
	const unseen = "Waiting: the controller has not seen the last change of Deployment web yet: generation 7, it is at 6\n"
	require.Equal(t, result{exitProgressing, unseen, ""}, invoke(t, s, "status", "checkout", "--watch=false"))

	i := start(t, s, nil, "status", "checkout")
	require.Equal(t, "12:00:00 "+strings.TrimSpace(unseen), i.line())
	s.change(func(r *v1alpha1.Rollout) { r.Status.WorkloadObservedGeneration = 7 })
	require.Equal(t, result{0, "12:00:00 Healthy: revision aaa is stable\n", ""}, i.end())
}
