//go:build integration

package sandbox

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// pods are those of a revision that aren't on their way out, by UID.
func (a *app) pods(revision string) map[string]corev1.Pod {
	a.t.Helper()
	list, err := cluster.kubernetes.CoreV1().Pods(a.namespace).List(a.t.Context(), metav1.ListOptions{
		LabelSelector: v1alpha1.PodTemplateHashLabel + "=" + revision,
	})
	require.NoError(a.t, err)
	pods := map[string]corev1.Pod{}
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil {
			pods[string(pod.UID)] = pod
		}
	}
	return pods
}

// waitPods waits until every pod of a revision is as it should be, and there are as many as there should be.
func (a *app) waitPods(what, revision string, number int, holds func(corev1.Pod) bool) {
	a.t.Helper()
	eventually(a.t, what, func() (bool, string) {
		pods := a.pods(revision)
		for _, pod := range pods {
			if !holds(pod) {
				return false, fmt.Sprintf("pod %s: labels %v, annotations %v", pod.Name, pod.Labels, pod.Annotations)
			}
		}
		return len(pods) == number, fmt.Sprintf("%d pods", len(pods))
	})
}

// reached is the revision that a Service's selector names.
func (a *app) reached(service string) string {
	a.t.Helper()
	s, err := cluster.kubernetes.CoreV1().Services(a.namespace).Get(a.t.Context(), service, metav1.GetOptions{})
	require.NoError(a.t, err)
	return s.Spec.Selector[v1alpha1.PodTemplateHashLabel]
}

// availability watches the ReplicaSet of a revision until it is stopped.
type availability struct {
	mu     sync.Mutex
	counts []int32
	stop   func()
}

func (a *app) watchAvailability(revision string) *availability {
	a.t.Helper()
	ctx, cancel := context.WithCancel(a.t.Context())
	watching, err := cluster.kubernetes.AppsV1().ReplicaSets(a.namespace).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=checkout-" + revision})
	require.NoError(a.t, err)
	v, done := &availability{}, make(chan struct{})
	go func() {
		defer close(done)
		for event := range watching.ResultChan() {
			if set, ok := event.Object.(*appsv1.ReplicaSet); ok {
				v.mu.Lock()
				v.counts = append(v.counts, set.Status.AvailableReplicas)
				v.mu.Unlock()
			}
		}
	}()
	v.stop = func() { cancel(); watching.Stop(); <-done }
	a.t.Cleanup(v.stop)
	return v
}

// lowest is the lowest number of available pods that was ever seen.
func (v *availability) lowest() int32 {
	v.stop()
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Min(v.counts)
}
