package controller

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// wardrobe is a ReplicaSet with two pods, and a Controller that sees it in an API server of the test's.
type wardrobe struct {
	t      *testing.T
	client *fake.Clientset
	c      *Controller
	object *v1alpha1.Rollout
}

func newWardrobe(t *testing.T) *wardrobe {
	t.Helper()
	r := exampleRollout(exampleTemplate)
	r.Spec.Strategy.Canary.StableMetadata = &v1alpha1.PodMetadata{
		Labels: map[string]string{"role": "stable"}, Annotations: map[string]string{"note": "in charge"}}
	labels := map[string]string{"app": "checkout", v1alpha1.PodTemplateHashLabel: "abc"}
	set := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout-abc", UID: "s1", Generation: 1, Labels: labels},
		Spec:       appsv1.ReplicaSetSpec{Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}}},
		Status:     appsv1.ReplicaSetStatus{ObservedGeneration: 1},
	}
	w := &wardrobe{t: t, object: r, client: fake.NewClientset(set)}
	w.c = New(Options{Kubernetes: w.client, Caches: &Caches{}, Log: zap.NewNop(), Queries: withQueries().Queries})
	w.pod("checkout-abc-1", set)
	w.pod("checkout-abc-2", set)
	return w
}

func (w *wardrobe) pod(name string, set *appsv1.ReplicaSet) {
	w.t.Helper()
	_, err := w.client.CoreV1().Pods("shop").Create(w.t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: name, UID: types.UID(name), Labels: set.Spec.Template.Labels, Annotations: set.Spec.Template.Annotations,
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))},
	}}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

func (w *wardrobe) set() *appsv1.ReplicaSet {
	w.t.Helper()
	set, err := w.client.AppsV1().ReplicaSets("shop").Get(w.t.Context(), "checkout-abc", metav1.GetOptions{})
	require.NoError(w.t, err)
	return set
}

func (w *wardrobe) pods() []corev1.Pod {
	w.t.Helper()
	list, err := w.client.CoreV1().Pods("shop").List(w.t.Context(), metav1.ListOptions{})
	require.NoError(w.t, err)
	return list.Items
}

// observed is the Rollout as the caches show it.
func (w *wardrobe) observed() *world {
	w.t.Helper()
	o := exampleWorld(w.t, w.object)
	o.read = time.Now()
	o.sets = map[rollout.Revision]*appsv1.ReplicaSet{"abc": stripReplicaSet(w.set())}
	return o
}

// dress carries the action out once and says whether it changed anything.
func (w *wardrobe) dress() bool {
	w.t.Helper()
	o, err := w.c.dress(w.t.Context(), w.observed(), rollout.Dress{Revision: "abc", Role: rollout.StableRole})
	require.NoError(w.t, err)
	require.False(w.t, o.unfinished)
	return o.acted
}

// bump is what the API server does to the generation, and with seen the ReplicaSet controller, when a ReplicaSet was changed.
func (w *wardrobe) bump(seen bool) {
	w.t.Helper()
	set := w.set()
	if set.Status.ObservedGeneration == set.Generation {
		set.Generation++
	}
	if seen {
		set.Status.ObservedGeneration = set.Generation
	}
	_, err := w.client.AppsV1().ReplicaSets("shop").Update(w.t.Context(), set, metav1.UpdateOptions{})
	require.NoError(w.t, err)
}

func (w *wardrobe) look() (has, wanted string) {
	w.t.Helper()
	o := w.observed()
	return lookOf(o.sets["abc"], o.object.Spec.MinReadySeconds), o.observed.Spec.StableLook
}

func TestDressingChangesTheTemplateThenThePodsAndLastSaysSo(t *testing.T) {
	w := newWardrobe(t)
	has, wanted := w.look()
	require.Empty(t, has)
	require.NotEqual(t, wanted, has)

	require.True(t, w.dress())
	require.Equal(t, "stable", w.set().Spec.Template.Labels["role"])
	require.NotContains(t, w.pods()[0].Labels, "role", "the ReplicaSet controller could still make pods of the old template")
	w.bump(false)
	require.False(t, w.dress())
	require.NotContains(t, w.pods()[0].Labels, "role")
	has, _ = w.look()
	require.NotEqual(t, wanted, has, "a process that ends here is followed by one that goes on")

	w.bump(true)
	require.True(t, w.dress())
	for _, pod := range w.pods() {
		require.Equal(t, "stable", pod.Labels["role"])
		require.Equal(t, "in charge", pod.Annotations["note"])
		require.Equal(t, pod.Name, string(pod.UID), "no pod is replaced")
	}
	has, _ = w.look()
	require.Equal(t, wanted, has)
}

func TestWhatIsNoLongerWantedIsTakenOffAndNothingElse(t *testing.T) {
	w := newWardrobe(t)
	w.dress()
	w.dress()
	pods := w.pods()
	pods[0].Labels["mine"] = "x"
	_, err := w.client.CoreV1().Pods("shop").Update(t.Context(), &pods[0], metav1.UpdateOptions{})
	require.NoError(t, err)

	w.object.Spec.Strategy.Canary.StableMetadata = &v1alpha1.PodMetadata{Labels: map[string]string{"tier": "1"}}
	require.True(t, w.dress())
	require.True(t, w.dress())
	require.Equal(t, map[string]string{"app": "checkout", v1alpha1.PodTemplateHashLabel: "abc", "tier": "1"}, w.set().Spec.Template.Labels)
	require.Equal(t, map[string]string{"app": "checkout", v1alpha1.PodTemplateHashLabel: "abc", "tier": "1", "mine": "x"}, w.pods()[0].Labels)
	require.NotContains(t, w.pods()[0].Annotations, "note")

	w.object.Spec.Strategy.Canary.StableMetadata = nil
	w.dress()
	w.dress()
	require.Equal(t, map[string]string{"app": "checkout", v1alpha1.PodTemplateHashLabel: "abc"}, w.set().Spec.Template.Labels)
	require.NotContains(t, w.set().Annotations, LookAnnotation)
	has, wanted := w.look()
	require.Equal(t, wanted, has)
}

func TestKeysThatWereChangedTwiceBeforeThePodsFollowedAreTakenOffToo(t *testing.T) {
	w := newWardrobe(t)
	w.dress()
	w.object.Spec.Strategy.Canary.StableMetadata = &v1alpha1.PodMetadata{Labels: map[string]string{"tier": "1"}}
	w.pod("checkout-abc-3", w.set())
	w.dress()
	w.dress()
	for _, pod := range w.pods() {
		require.NotContains(t, pod.Labels, "role")
		require.Equal(t, "1", pod.Labels["tier"])
	}
}

func TestAKeyThatAnOlderTemplateHasOfItsUserIsLeftAlone(t *testing.T) {
	w := newWardrobe(t)
	set := w.set()
	set.Spec.Template.Labels["role"] = "of the user"
	_, err := w.client.AppsV1().ReplicaSets("shop").Update(t.Context(), set, metav1.UpdateOptions{})
	require.NoError(t, err)
	w.dress()
	w.dress()
	require.Equal(t, "of the user", w.set().Spec.Template.Labels["role"])
	require.Equal(t, "in charge", w.set().Spec.Template.Annotations["note"])
	has, wanted := w.look()
	require.Equal(t, wanted, has, "it is not tried for ever")
}

func TestMinReadySecondsAloneReachesTheReplicaSetAndNoPodIsTouched(t *testing.T) {
	w := newWardrobe(t)
	w.dress()
	w.dress()
	w.object.Spec.MinReadySeconds = 7
	has, wanted := w.look()
	require.NotEqual(t, wanted, has)
	w.client.ClearActions()
	require.True(t, w.dress())
	require.EqualValues(t, 7, w.set().Spec.MinReadySeconds)
	has, _ = w.look()
	require.Equal(t, wanted, has)
	require.False(t, slices.ContainsFunc(actionsOf(w.client), func(a string) bool { return a == "list pods" || a == "patch pods" }))
}

func actionsOf(client *fake.Clientset) []string {
	var all []string
	for _, a := range client.Actions() {
		all = append(all, a.GetVerb()+" "+a.GetResource().Resource)
	}
	return all
}

func TestDressingManyPodsLetsOthersHaveATurnAndGoesOnLater(t *testing.T) {
	w := newWardrobe(t)
	w.dress()
	o := w.observed()
	o.read = time.Now().Add(-time.Hour)
	result, err := w.c.dress(t.Context(), o, rollout.Dress{Revision: "abc", Role: rollout.StableRole})
	require.NoError(t, err)
	require.True(t, result.unfinished)
	has, wanted := w.look()
	require.NotEqual(t, wanted, has)
	w.dress()
	has, _ = w.look()
	require.Equal(t, wanted, has)
}

func TestALookThatNobodyCanReadIsPutOnAnew(t *testing.T) {
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{LookAnnotation: "{"}}}
	require.Equal(t, lookUnfinished, lookOf(set, 0))
	text, err := json.Marshal(worn{Look: "abc"})
	require.NoError(t, err)
	set.Annotations[LookAnnotation] = string(text)
	require.Equal(t, "abc", lookOf(set, 0))
	require.NotEqual(t, "abc", lookOf(set, 5))
}
