//go:build integration

package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// borrower is an app whose pods come from a Deployment.
type borrower struct {
	*app
	// deployment is its name.
	deployment string
	// more are further lines of the Deployment's spec.
	more string
}

// newBorrower makes the Deployment and waits for its pods. Two older versions have left ReplicaSets without pods behind.
func newBorrower(t *testing.T) *borrower {
	t.Helper()
	b := &borrower{app: newApp(t), deployment: "shop"}
	b.services()
	b.route()
	for _, version := range []string{"v-1", "v0", "v1"} {
		b.deploy(version)
		b.waitRolledOut()
	}
	return b
}

// deploy applies the Deployment with a version of the application.
func (b *borrower) deploy(version string) {
	b.t.Helper()
	b.apply(fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %s}
spec:%s
  replicas: %d
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec:
      containers:
      - {name: app, image: checkout, env: [{name: VERSION, value: %q}]}
`, b.deployment, b.more, b.replicas, version))
}

// borrow applies the Rollout.
func (b *borrower) borrow() {
	b.t.Helper()
	b.borrowAs("checkout")
}

func (b *borrower) borrowAs(name string) {
	b.t.Helper()
	b.apply(fmt.Sprintf(`apiVersion: rollout.dev/v1alpha1
kind: Rollout
metadata: {name: %s}
spec:%s
  workloadRef: {name: %s}
  strategy:
    %s:%s
`, name, b.spec, b.deployment, b.kind, b.strategy))
}

// borrowed is a borrower whose pods were taken over.
func borrowed(t *testing.T, b *borrower) *borrower {
	t.Helper()
	before := b.uids()
	b.engine()
	began := time.Now()
	b.borrow()
	b.waitPhase(v1alpha1.PhaseHealthy)
	t.Logf("taken over within %s", time.Since(began).Round(time.Millisecond))
	require.Equal(t, before, b.uids(), "no pod was restarted")
	return b
}

func (b *borrower) read() *appsv1.Deployment {
	b.t.Helper()
	d, err := cluster.kubernetes.AppsV1().Deployments(b.namespace).Get(b.t.Context(), b.deployment, metav1.GetOptions{})
	require.NoError(b.t, err)
	return d
}

// patch changes the Deployment like a person with kubectl.
func (b *borrower) patch(patch string) {
	b.t.Helper()
	_, err := cluster.kubernetes.AppsV1().Deployments(b.namespace).Patch(b.t.Context(), b.deployment, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(b.t, err)
}

// waitRolledOut waits until all pods of the Deployment, and no others, have its template, like kubectl rollout status.
func (b *borrower) waitRolledOut() {
	b.t.Helper()
	eventually(b.t, "the Deployment to be rolled out", func() (bool, string) {
		d := b.read()
		s, n := d.Status, *d.Spec.Replicas
		done := !d.Spec.Paused && s.ObservedGeneration >= d.Generation && s.Replicas == n && s.UpdatedReplicas == n && s.AvailableReplicas == n
		return done, fmt.Sprintf("generation %d, paused %t, %+v", d.Generation, d.Spec.Paused, s)
	})
}

func (b *borrower) sets() []appsv1.ReplicaSet {
	b.t.Helper()
	list, err := cluster.kubernetes.AppsV1().ReplicaSets(b.namespace).List(b.t.Context(), metav1.ListOptions{})
	require.NoError(b.t, err)
	return list.Items
}

// owned is how many ReplicaSets an owner of a kind controls; those without one count as "".
func (b *borrower) owned(kind string) int {
	b.t.Helper()
	count := 0
	for _, set := range b.sets() {
		owner := metav1.GetControllerOf(&set)
		if owner == nil && kind == "" || owner != nil && owner.Kind == kind {
			count++
		}
	}
	return count
}

// uids are those of all pods that aren't on their way out.
func (b *borrower) uids() []string {
	b.t.Helper()
	list, err := cluster.kubernetes.CoreV1().Pods(b.namespace).List(b.t.Context(), metav1.ListOptions{})
	require.NoError(b.t, err)
	uids := map[string]bool{}
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil {
			uids[string(pod.UID)] = true
		}
	}
	return slices.Sorted(maps.Keys(uids))
}

// waitStable waits until another revision than old is stable and nothing is left to do.
func (b *borrower) waitStable(old string) string {
	b.t.Helper()
	r := b.waitFor("another stable revision", func(r *v1alpha1.Rollout) bool {
		return r.Status.StableRevision != old && r.Status.Phase == v1alpha1.PhaseHealthy && r.Status.Replicas == r.Status.UpdatedReplicas
	})
	return r.Status.StableRevision
}

// remove deletes the Rollout and waits until it is gone.
func (b *borrower) remove(policy metav1.DeletionPropagation) {
	b.t.Helper()
	began := time.Now()
	require.NoError(b.t, cluster.rollouts.Rollouts(b.namespace).Delete(b.t.Context(), "checkout", metav1.DeleteOptions{PropagationPolicy: &policy}))
	eventually(b.t, "the Rollout to be gone", func() (bool, string) {
		r, err := cluster.rollouts.Rollouts(b.namespace).Get(b.t.Context(), "checkout", metav1.GetOptions{})
		return apierrors.IsNotFound(err), fmt.Sprintf("it has the finalizers %v", r.Finalizers)
	})
	b.t.Logf("gone within %s", time.Since(began).Round(time.Millisecond))
}

// requireHandedBack checks that nothing is left of the Rollout.
func (b *borrower) requireHandedBack() {
	b.t.Helper()
	b.waitRolledOut()
	d, sets := b.read(), b.sets()
	objects := []metav1.Object{d}
	for i := range sets {
		objects = append(objects, &sets[i])
		require.True(b.t, metav1.IsControlledBy(&sets[i], d), sets[i].Name)
		require.Len(b.t, sets[i].OwnerReferences, 1)
	}
	for _, object := range objects {
		text, err := json.Marshal([]any{object.GetLabels(), object.GetAnnotations()})
		require.NoError(b.t, err)
		require.NotContains(b.t, string(text), "rollout.dev", object.GetName())
	}
}
