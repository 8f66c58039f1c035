//go:build e2e

package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// push releases a version of the application.
func (s *stage) push(name string) {
	s.t.Helper()
	s.journal.note("push %s", name)
	s.release(version{name: name})
}

// ask makes a request through the command rollout. The answer may have to wait until there is a controller again.
func (s *stage) ask(verb string, flags ...string) {
	s.t.Helper()
	s.journal.note("ask to %s", verb)
	s.shop.ask(append([]string{verb, "shop", "--wait", "2m"}, flags...)...)
}

// runs says whether a revision is that of a version.
func (s *stage) runs(revision, version string) bool {
	if _, known := s.versions[revision]; !known {
		for _, set := range s.replicaSets() {
			s.versions[set.Labels[v1alpha1.PodTemplateHashLabel]] = versionOf(set)
		}
	}
	return s.versions[revision] == version
}

// awaitStable waits until a version is stable and the Rollout is in a phase.
func (s *stage) awaitStable(version string, phase v1alpha1.Phase) *v1alpha1.Rollout {
	s.t.Helper()
	return s.await(fmt.Sprintf("%s with %s", phase, version), func(r *v1alpha1.Rollout) bool {
		return r.Status.Phase == phase && s.runs(r.Status.StableRevision, version)
	})
}

// untilServed waits until a version serves everything.
func (s *stage) untilServed(version string) {
	s.t.Helper()
	s.awaitStable(version, v1alpha1.PhaseHealthy)
}

// untilPromoted waits until version v2 has been promoted, whatever is still to be done then, or until its release is in one of
// these phases.
func (s *stage) untilPromoted(phases ...string) {
	s.t.Helper()
	const version = "v2"
	s.await(version+" promoted", func(r *v1alpha1.Rollout) bool {
		return s.runs(r.Status.StableRevision, version) || s.isIn(r, version, phases)
	})
	s.journal.note("%s is promoted, or being promoted", version)
}

// untilMet waits until a client has met a version.
func (s *stage) untilMet(version string) {
	s.t.Helper()
	s.until("a client to meet "+version, func() bool { return s.clients.Answers().Counts()[version] > 0 })
}

// until waits for something that is not in the Rollout.
func (s *stage) until(what string, met func() bool) {
	s.t.Helper()
	require.NoError(s.t, poll(s.ctx, what, func(context.Context) error {
		if met() {
			return nil
		}
		return errors.New("not yet")
	}))
}

// untilHeld waits until the release of a version waits for a person.
func (s *stage) untilHeld(version string) {
	s.t.Helper()
	s.await(version+" held", func(r *v1alpha1.Rollout) bool {
		return r.Status.Phase == v1alpha1.PhasePaused && r.Status.Release != nil && s.runs(r.Status.Release.Revision, version)
	})
	s.journal.note("%s is held", version)
}

// untilIn waits until the release of a version is in one of these phases. Those that pass by themselves have to be named
// together with what follows: nobody looks while the answer to a request is waited for.
func (s *stage) untilIn(version string, phases ...string) {
	s.t.Helper()
	s.await(fmt.Sprint(version, " in ", phases), func(r *v1alpha1.Rollout) bool { return s.isIn(r, version, phases) })
	s.journal.note("%s is in %s", version, phases)
}

func (s *stage) isIn(r *v1alpha1.Rollout, version string, phases []string) bool {
	release := r.Status.Release
	return release != nil && slices.Contains(phases, release.Phase) && s.runs(release.Revision, version)
}

// untilTakenBack waits until a release has been taken back for a cause.
func (s *stage) untilTakenBack(cause string) {
	s.t.Helper()
	s.await("taken back by "+cause, func(r *v1alpha1.Rollout) bool {
		return inPhase(r, "Aborted") && r.Status.Release.Cause == cause && r.Status.Phase == v1alpha1.PhaseDegraded
	})
}

// serveFor goes on until some more requests were answered.
func (s *stage) serveFor(d time.Duration) {
	s.t.Helper()
	s.clients.awaitRequests(int(d.Seconds()*transitionRate), time.Now())
}

// resize sets the number of pods, as an autoscaler does.
func (s *stage) resize(replicas int) {
	s.t.Helper()
	s.journal.note("resize to %d", replicas)
	s.replicas = replicas
	s.patchRollout(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas), "scale")
}

// untilReady waits until a version has a number of pods, all of them ready.
func (s *stage) untilReady(version string, pods int32) {
	s.t.Helper()
	s.until(fmt.Sprintf("%d pods of %s", pods, version), func() bool {
		return slices.ContainsFunc(s.replicaSets(), func(set appsv1.ReplicaSet) bool {
			return versionOf(set) == version && set.Status.ReadyReplicas == pods && set.Status.Replicas == pods
		})
	})
}

// uids are those of all pods that are not on their way out.
func (s *stage) uids() []types.UID {
	s.t.Helper()
	pods, err := s.kube.CoreV1().Pods(s.namespace).List(s.ctx, metav1.ListOptions{})
	require.NoError(s.t, err)
	var uids []types.UID
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil {
			uids = append(uids, pod.UID)
		}
	}
	slices.Sort(uids)
	return uids
}

// orphan deletes the Rollout and leaves its pods alone.
func (s *stage) orphan() {
	s.t.Helper()
	s.journal.note("the Rollout is deleted, and not its pods")
	orphan := metav1.DeletePropagationOrphan
	require.NoError(s.t, s.rollouts.Rollouts(s.namespace).Delete(s.ctx, "shop", metav1.DeleteOptions{PropagationPolicy: &orphan}))
	s.until("the Rollout to be gone", func() bool {
		_, err := s.rollouts.Rollouts(s.namespace).Get(s.ctx, "shop", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

func (s *stage) patchRollout(kind types.PatchType, patch []byte, subresources ...string) {
	s.t.Helper()
	_, err := s.objects.Resource(v1alpha1.GroupVersion.WithResource(v1alpha1.Resource)).Namespace(s.namespace).
		Patch(s.ctx, "shop", kind, patch, metav1.PatchOptions{FieldManager: fieldManager}, subresources...)
	require.NoError(s.t, err)
}

// awaitController waits until the shop's controller works.
func (s *stage) awaitController() {
	s.t.Helper()
	require.NoError(s.t, poll(s.ctx, "a controller", func(ctx context.Context) error {
		lease, err := s.kube.CoordinationV1().Leases(s.namespace).Get(ctx, controllerName, metav1.GetOptions{})
		if err == nil && (lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "") {
			err = errors.New("nobody holds the lease")
		}
		return err
	}))
}
