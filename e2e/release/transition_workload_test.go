//go:build e2e

package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// borrowed are Rollouts whose template comes from a Deployment.
func borrowed(f family) []transition {
	started := func(s *stage) {
		s.deploy("shop", "v1")
		s.takeOver()
		s.untilServed("v1")
	}
	rows := []transition{
		{name: "Deployment taken over", strategy: f.flowing, served: []string{"v1"}, brief: true,
			begin: func(s *stage) { s.deploy("shop", "v1") },
			play: func(s *stage) {
				before := s.uids()
				s.takeOver()
				s.untilServed("v1")
				require.Equal(s.t, before, s.uids(), "pods were restarted")
			}},
		{name: "Deployment, good release", strategy: f.flowing, served: []string{"v1", "v2"}, begin: started,
			play: func(s *stage) { s.deploy("shop", "v2") }},
		{name: "Deployment handed back", strategy: f.flowing, served: []string{"v1"}, brief: true, begin: started, end: handedBack,
			play: func(s *stage) {
				before := s.uids()
				s.removeRollout()
				handedBack(s, "v1")
				require.Equal(s.t, before, s.uids(), "pods were restarted")
			}},
		// A deletion moves no traffic, so both versions go on serving until the Rollout is back.
		{name: "Deployment, deleted in the middle and back", strategy: f.held, served: []string{"v1", "v2"}, begin: started,
			play: func(s *stage) {
				s.deploy("shop", "v2")
				s.untilHeld("v2")
				before := s.uids()
				s.removeRollout()
				s.serveFor(2 * time.Second)
				require.Equal(s.t, before, s.uids(), "pods were replaced")
				s.takeOver()
				s.untilHeld("v2")
				s.ask("promote")
			}},
	}
	for i := range rows {
		rows[i].family = f
	}
	return rows
}

// deploy applies a Deployment with a version of the application, and waits for its pods if it is new.
func (s *stage) deploy(name, v string) {
	s.t.Helper()
	s.journal.note("Deployment %s of %s", name, v)
	_, err := s.kube.AppsV1().Deployments(s.namespace).Get(s.ctx, name, metav1.GetOptions{})
	s.applyManifest("deployment.yaml", s.manifestOf(name, version{name: v}))
	if !apierrors.IsNotFound(err) {
		require.NoError(s.t, err)
		return
	}
	s.untilReady(v, int32(s.replicas))
}

// takeOver makes a Rollout that takes its template and its pods from the Deployment of the same name.
func (s *stage) takeOver() {
	s.t.Helper()
	s.journal.note("the Deployment is taken over")
	s.applyManifest("workloadref.yaml", s.manifestOf("shop", version{}))
}

// removeRollout deletes the Rollout and waits until it is gone.
func (s *stage) removeRollout() {
	s.t.Helper()
	s.journal.note("the Rollout is deleted")
	require.NoError(s.t, s.rollouts.Rollouts(s.namespace).Delete(s.ctx, "shop", metav1.DeleteOptions{}))
	s.until("the Rollout to be gone", func() bool {
		_, err := s.rollouts.Rollouts(s.namespace).Get(s.ctx, "shop", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

// removeDeployment deletes a Deployment with its pods.
func (s *stage) removeDeployment(name string) {
	s.t.Helper()
	s.journal.note("Deployment %s is deleted", name)
	require.NoError(s.t, s.kube.AppsV1().Deployments(s.namespace).Delete(s.ctx, name, metav1.DeleteOptions{}))
}

// handedBack waits until the Deployment works on its own again and all its pods are of its version, and returns their revision.
func handedBack(s *stage, v string) (revision string) {
	s.t.Helper()
	require.NoError(s.t, poll(s.ctx, "the Deployment to work on its own", func(ctx context.Context) error {
		d, err := s.kube.AppsV1().Deployments(s.namespace).Get(ctx, "shop", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if d.Spec.Paused {
			return errors.New("it is paused")
		}
		if n, has := int32(s.replicas), d.Status; has.ObservedGeneration < d.Generation || has.Replicas != n || has.UpdatedReplicas != n || has.AvailableReplicas != n {
			return fmt.Errorf("%d of its %d pods are up to date, %d available", has.UpdatedReplicas, has.Replicas, has.AvailableReplicas)
		}
		return nil
	}))
	for _, set := range s.replicaSets() {
		if *set.Spec.Replicas > 0 && versionOf(set) == v && ownedByDeployment(set) {
			return set.Labels[v1alpha1.PodTemplateHashLabel]
		}
	}
	require.Fail(s.t, "the Deployment owns no ReplicaSet of "+v)
	return ""
}

func ownedByDeployment(set appsv1.ReplicaSet) bool {
	owner := metav1.GetControllerOf(&set)
	return owner != nil && owner.Kind == "Deployment"
}
