package controller

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout"
)

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

func TestPodsOfALongNamedDeploymentTellTheirRevisionAsLongAsOnlyOneOfAPrefixHasPods(t *testing.T) {
	long := strings.Repeat("x", 60)
	sets := map[rollout.Revision]*appsv1.ReplicaSet{
		"aaa": setOf("aaa", 2, nil), "bbb": setOf("bbb", 0, nil), "own": setOf("own", 2, nil), "nested": setOf("own-nested", 2, nil),
	}
	sets["aaa"].Name, sets["bbb"].Name = long+"-aaa", long+"-bbb"
	pod := long[:58] + "abcde"
	require.Equal(t, "aaa", revisionOf(pod, sets))
	require.Equal(t, "own", revisionOf("checkout-own-abcde", sets))
	require.Equal(t, "nested", revisionOf("checkout-own-nested-abcde", sets), "the longer name is meant")
	sets["bbb"] = sets["aaa"]
	require.Empty(t, revisionOf(pod, sets), "nobody can tell")
}
