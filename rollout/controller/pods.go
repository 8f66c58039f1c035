package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout"
)

// EvictedAnnotation says on a ReplicaSet when the engine last asked for the removal of some of its pods.
const EvictedAnnotation = "rollout.dev/evicted-at"

// podsOf lists the pods of a revision that run or are about to. Pods are not watched: the engine needs them only while they are
// restarted or dressed, and there are many.
func (c *Controller) podsOf(ctx context.Context, w *world, revision rollout.Revision) ([]corev1.Pod, error) {
	set := w.sets[revision]
	if set == nil {
		return nil, nil
	}
	list, err := c.Kubernetes.CoreV1().Pods(w.key.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: selectorText(w.template().selectorOf(revision)),
	})
	if err != nil {
		return nil, fmt.Errorf("list the pods of revision %s: %w", revision, err)
	}
	return slices.DeleteFunc(list.Items, func(pod corev1.Pod) bool {
		finished := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		return finished || pod.DeletionTimestamp != nil || !metav1.IsControlledBy(&pod, set)
	}), nil
}

// observeRestart looks, while a restart is under way, at the pods that there are: how many of them are old, and how many serve.
func (c *Controller) observeRestart(ctx context.Context, w *world) error {
	restart := w.observed.Status.Restart
	i := slices.IndexFunc(w.observed.Workloads, func(l rollout.Workload) bool { return l.Revision == w.observed.Status.Stable })
	if restart.At.IsZero() || restart.Done || i < 0 {
		return nil
	}
	load := &w.observed.Workloads[i]
	pods, err := c.podsOf(ctx, w, load.Revision)
	if err != nil {
		return err
	}
	for _, pod := range pods {
		created := pod.CreationTimestamp.Time
		if created.After(load.Youngest) {
			load.Youngest = created
		}
		if !created.After(restart.Until) {
			load.Outdated++
		}
		since, ready := readySince(pod)
		if ready && !since.Add(time.Duration(w.object.Spec.MinReadySeconds)*time.Second).After(w.observed.Now) {
			load.Listed++
		}
	}
	return nil
}

// readySince says whether a pod is ready, and since when.
func readySince(pod corev1.Pod) (time.Time, bool) {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.LastTransitionTime.Time, condition.Status == corev1.ConditionTrue
		}
	}
	return time.Time{}, false
}

// evict asks for the removal of the oldest pods of a revision. A PodDisruptionBudget may say no for now; the plan asks again.
//
// It is written on the ReplicaSet first, which fails if that has changed since it was decided on: two controllers that both
// believe they lead must not spend the same surge twice.
func (c *Controller) evict(ctx context.Context, w *world, a rollout.Evict) (outcome, error) {
	pods, err := c.podsOf(ctx, w, a.Revision)
	if err != nil {
		return outcome{}, err
	}
	pods = slices.DeleteFunc(pods, func(pod corev1.Pod) bool { return pod.CreationTimestamp.After(a.Until) })
	slices.SortFunc(pods, func(a, b corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	if len(pods) == 0 {
		return outcome{}, nil
	}
	note := map[string]any{"metadata": map[string]any{"annotations": map[string]string{EvictedAnnotation: c.Clock().UTC().Format(time.RFC3339Nano)}}}
	if err := c.patchSet(ctx, w, a.Revision, w.sets[a.Revision], note); err != nil {
		return outcome{}, fmt.Errorf("note it on ReplicaSet %s: %w", w.sets[a.Revision].Name, err)
	}
	var o outcome
	for _, pod := range pods[:min(a.Pods, len(pods))] {
		err := c.evictPod(ctx, pod)
		switch {
		case err == nil:
			o.acted = true
		case apierrors.IsTooManyRequests(err):
			c.Log.Info("a pod can't be replaced yet", zap.Stringer("rollout", w.key), zap.String("pod", pod.Name), zap.Error(err))
		case !apierrors.IsNotFound(err):
			return o, fmt.Errorf("evict pod %s: %w", pod.Name, err)
		}
	}
	return o, nil
}

// evictPod asks once. The client's own way to evict would repeat what was refused for as long as the API server asks to wait,
// and hold a worker meanwhile.
func (c *Controller) evictPod(ctx context.Context, pod corev1.Pod) error {
	return c.Kubernetes.CoreV1().RESTClient().Post().MaxRetries(0).
		Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource("eviction").
		Body(&policyv1.Eviction{
			ObjectMeta:    metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
			DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}},
		}).Do(ctx).Error()
}
