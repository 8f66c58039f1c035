package controller

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func exampleRollout(template string) *v1alpha1.Rollout {
	return &v1alpha1.Rollout{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout", UID: "u1", Generation: 3},
		Spec: v1alpha1.RolloutSpec{
			Selector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "checkout"}},
			Template: v1alpha1.NewPodTemplate([]byte(template)),
			Strategy: v1alpha1.Strategy{Canary: &v1alpha1.Canary{}},
		},
	}
}

const exampleTemplate = `{"metadata":{"labels":{"app":"checkout"}},"spec":{"containers":[{"name":"app","image":"checkout:1"}]}}`

func TestReplicaSetKeepsFieldsThatThisProgramDoesNotKnow(t *testing.T) {
	r := exampleRollout(`{"metadata":{"labels":{"app":"checkout"}},"spec":{"containers":[{"name":"app","futureField":{"a":1}}],"alsoNew":true}}`)
	body, err := newReplicaSet(r, "abc", 2, 5)
	require.NoError(t, err)
	var set struct {
		Spec struct {
			Replicas int
			Template struct{ Spec map[string]any }
		}
	}
	require.NoError(t, json.Unmarshal(body, &set))
	require.Equal(t, true, set.Spec.Template.Spec["alsoNew"])
	require.Equal(t, []any{map[string]any{"name": "app", "futureField": map[string]any{"a": 1.0}}}, set.Spec.Template.Spec["containers"])
	require.Equal(t, 5, set.Spec.Replicas)
}

func TestReplicaSetAndItsPodsCarryTheHashAndTheSelectorNamesIt(t *testing.T) {
	r := exampleRollout(exampleTemplate)
	body, err := newReplicaSet(r, "abc", 2, 5)
	require.NoError(t, err)
	var set appsv1.ReplicaSet
	require.NoError(t, json.Unmarshal(body, &set))
	require.Equal(t, map[string]string{"app": "checkout", v1alpha1.PodTemplateHashLabel: "abc"}, set.Spec.Template.Labels)
	require.Equal(t, map[string]string{"app": "checkout", v1alpha1.PodTemplateHashLabel: "abc"}, set.Spec.Selector.MatchLabels)
	require.Equal(t, "true", set.Labels[ManagedLabel])
	require.True(t, metav1.IsControlledBy(&set, r))
	require.Equal(t, map[string]string{"app": "checkout"}, r.Spec.Selector.MatchLabels, "the Rollout itself stays as it was")
}

func TestPodsOfALongNamedRolloutStillTellTheirRevision(t *testing.T) {
	long := strings.Repeat("x", 80)
	name := workloadName(long, "bcdfghjklm")
	// The API server keeps 58 letters of a prefix when it names a pod.
	pod := (name + "-")[:min(58, len(name)+1)] + "abcde"
	sets := map[rollout.Revision]*appsv1.ReplicaSet{
		"bcdfghjklm": {ObjectMeta: metav1.ObjectMeta{Name: name}},
		"zzzzzzzzzz": {ObjectMeta: metav1.ObjectMeta{Name: workloadName(long, "zzzzzzzzzz")}},
	}
	require.Equal(t, "bcdfghjklm", revisionOf(pod, sets))
}

func TestOnlyReadyEndpointsCountAndEachPodOnce(t *testing.T) {
	yes, no := true, false
	endpoint := func(pod string, ready *bool) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{Conditions: discoveryv1.EndpointConditions{Ready: ready}, TargetRef: &corev1.ObjectReference{Name: pod}}
	}
	sets := map[rollout.Revision]*appsv1.ReplicaSet{
		"a": {ObjectMeta: metav1.ObjectMeta{Name: "checkout-a"}},
		"b": {ObjectMeta: metav1.ObjectMeta{Name: "checkout-b"}},
	}
	ipv4 := &discoveryv1.EndpointSlice{Endpoints: []discoveryv1.Endpoint{
		endpoint("checkout-a-1", &yes), endpoint("checkout-a-2", nil), endpoint("checkout-b-1", &no), endpoint("other-1", &yes), {},
	}}
	ipv6 := &discoveryv1.EndpointSlice{Endpoints: []discoveryv1.Endpoint{endpoint("checkout-a-1", &yes)}}
	require.Equal(t, map[rollout.Revision]int{"a": 2, "": 1}, readyEndpoints([]*discoveryv1.EndpointSlice{ipv4, ipv6}, sets))
}
