package controller

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

var podTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// restarting is a revision of which the pods of the given ages exist, the ReplicaSet that owns them, and what the caches show.
func restarting(t *testing.T, change func(pods []corev1.Pod)) (*Controller, *world) {
	t.Helper()
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout-abc", UID: "s1"}}
	pods := make([]corev1.Pod, 4)
	for i := range pods {
		pods[i] = corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "shop", Name: "checkout-abc-" + string(rune('a'+i)), UID: types.UID(rune('a' + i)),
				CreationTimestamp: metav1.NewTime(podTime.Add(time.Duration(i) * time.Minute)),
				Labels:            map[string]string{"app": "checkout", v1alpha1.PodTemplateHashLabel: "abc"},
				OwnerReferences:   []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))},
			},
			Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue,
				LastTransitionTime: metav1.NewTime(podTime.Add(time.Duration(i) * time.Minute))}}},
		}
	}
	change(pods)
	w := exampleWorld(t, exampleRollout(exampleTemplate))
	w.read, w.observed.Now = time.Now(), podTime.Add(time.Hour)
	w.sets = map[rollout.Revision]*appsv1.ReplicaSet{"abc": set}
	w.observed.Workloads = []rollout.Workload{{Revision: "abc", Replicas: 4, Ready: 4, Available: 4}}
	w.observed.Status.Stable = "abc"
	w.observed.Status.Restart = rollout.Restarting{At: podTime.Add(time.Hour), Until: podTime.Add(time.Minute)}
	client := fake.NewClientset()
	for _, pod := range pods {
		_, err := client.CoreV1().Pods("shop").Create(t.Context(), &pod, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	return New(Options{Kubernetes: client, Caches: &Caches{}, Log: zap.NewNop()}), w
}

func TestDuringARestartThePodsThemselvesSayHowManyAreOldAndHowManyServe(t *testing.T) {
	deleted := metav1.NewTime(podTime)
	c, w := restarting(t, func(pods []corev1.Pod) {
		pods[0].DeletionTimestamp, pods[0].Finalizers = &deleted, []string{"kept/for-the-test"}
		pods[2].Status.Conditions[0].Status = corev1.ConditionFalse
	})
	require.NoError(t, c.observeRestart(t.Context(), w))
	load := w.observed.Workloads[0]
	require.Equal(t, 1, load.Outdated, "one of the two old ones is on its way out")
	require.Equal(t, 2, load.Listed)
	require.True(t, load.Youngest.Equal(podTime.Add(3*time.Minute)))
}

func TestAPodIsOnlyListedAsServingAfterMinReadySeconds(t *testing.T) {
	c, w := restarting(t, func([]corev1.Pod) {})
	w.object.Spec.MinReadySeconds = 60
	w.observed.Now = podTime.Add(3*time.Minute + 30*time.Second)
	require.NoError(t, c.observeRestart(t.Context(), w))
	require.Equal(t, 3, w.observed.Workloads[0].Listed)
}

func TestWithoutARestartNobodyAsksForPods(t *testing.T) {
	for name, change := range map[string]func(*rollout.Restarting){
		"none": func(r *rollout.Restarting) { *r = rollout.Restarting{} },
		"done": func(r *rollout.Restarting) { r.Done = true },
	} {
		c, w := restarting(t, func([]corev1.Pod) {})
		change(&w.observed.Status.Restart)
		client := c.Kubernetes.(*fake.Clientset)
		client.ClearActions()
		require.NoError(t, c.observeRestart(t.Context(), w))
		require.Empty(t, client.Actions(), name)
	}
}

func TestPodsOfSomebodyElseAndFinishedOnesCountForNothing(t *testing.T) {
	c, w := restarting(t, func(pods []corev1.Pod) {
		pods[0].OwnerReferences[0].UID = "other"
		pods[1].Status.Phase = corev1.PodFailed
	})
	require.NoError(t, c.observeRestart(t.Context(), w))
	require.Zero(t, w.observed.Workloads[0].Outdated)
}

// evictions is an API server that knows the pods of a Controller, answers a change of the ReplicaSet with note, and evictions with
// a status of the test's.
func evictions(t *testing.T, c *Controller, note int, status func(pod string) int) func() []string {
	t.Helper()
	pods, err := c.Kubernetes.CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	pods.APIVersion, pods.Kind = "v1", "PodList"
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		mu.Lock()
		defer mu.Unlock()
		switch r.Method {
		case http.MethodGet:
			_ = json.NewEncoder(w).Encode(pods) // The client notices what is missing.
			return
		case http.MethodPatch:
			if w.WriteHeader(note); note != http.StatusOK {
				_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Code: int32(note), Reason: metav1.StatusReasonConflict})
				return
			}
			_ = json.NewEncoder(w).Encode(appsv1.ReplicaSet{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ReplicaSet"}})
			return
		}
		name := strings.Split(r.URL.Path, "/")[6]
		asked = append(asked, name)
		code := status(name)
		reason := map[int]metav1.StatusReason{http.StatusTooManyRequests: metav1.StatusReasonTooManyRequests, http.StatusNotFound: metav1.StatusReasonNotFound}[code]
		if code == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "10")
		}
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Code: int32(code), Reason: reason})
	}))
	t.Cleanup(server.Close)
	c.Kubernetes, err = kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	require.NoError(t, err)
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return asked
	}
}

func TestTheOldestPodsAreEvictedAndNoMoreThanAskedFor(t *testing.T) {
	c, w := restarting(t, func([]corev1.Pod) {})
	asked := evictions(t, c, http.StatusOK, func(string) int { return http.StatusCreated })
	o, err := c.evict(t.Context(), w, rollout.Evict{Revision: "abc", Pods: 2, Until: podTime.Add(2 * time.Minute)})
	require.NoError(t, err)
	require.True(t, o.acted)
	require.Equal(t, []string{"checkout-abc-a", "checkout-abc-b"}, asked())
}

func TestNoPodIsEvictedThatIsYoungerThanTheRestart(t *testing.T) {
	c, w := restarting(t, func([]corev1.Pod) {})
	asked := evictions(t, c, http.StatusOK, func(string) int { return http.StatusCreated })
	_, err := c.evict(t.Context(), w, rollout.Evict{Revision: "abc", Pods: 9, Until: podTime})
	require.NoError(t, err)
	require.Equal(t, []string{"checkout-abc-a"}, asked())
}

func TestADisruptionBudgetThatSaysNoAndAPodThatIsGoneAreNoErrorsAndHoldNobodyUp(t *testing.T) {
	c, w := restarting(t, func([]corev1.Pod) {})
	asked := evictions(t, c, http.StatusOK, func(pod string) int {
		if pod == "checkout-abc-a" {
			return http.StatusTooManyRequests
		}
		return http.StatusNotFound
	})
	began := time.Now()
	o, err := c.evict(t.Context(), w, rollout.Evict{Revision: "abc", Pods: 2, Until: podTime.Add(2 * time.Minute)})
	require.NoError(t, err)
	require.False(t, o.acted)
	require.Equal(t, []string{"checkout-abc-a", "checkout-abc-b"}, asked(), "what was refused is asked for by the next plan, not by this worker")
	require.Less(t, time.Since(began), 5*time.Second)
}

func TestAnEvictionThatFailsIsAnErrorThatNamesThePod(t *testing.T) {
	c, w := restarting(t, func([]corev1.Pod) {})
	evictions(t, c, http.StatusOK, func(string) int { return http.StatusForbidden })
	_, err := c.evict(t.Context(), w, rollout.Evict{Revision: "abc", Pods: 1, Until: podTime})
	require.ErrorContains(t, err, "evict pod checkout-abc-a")
}

func TestWhoeverWasNotTheFirstToNoteAnEvictionEvictsNobody(t *testing.T) {
	c, w := restarting(t, func([]corev1.Pod) {})
	asked := evictions(t, c, http.StatusConflict, func(string) int { return http.StatusCreated })
	_, err := c.evict(t.Context(), w, rollout.Evict{Revision: "abc", Pods: 1, Until: podTime})
	require.True(t, apierrors.IsConflict(err), "%v", err)
	require.Empty(t, asked())
}
