package controller

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

const exampleTemplate = `{"metadata":{"labels":{"app":"checkout"}},"spec":{"containers":[{"name":"app","image":"checkout:1"}]}}`

func exampleRollout(template string) *v1alpha1.Rollout {
	return &v1alpha1.Rollout{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout", UID: "u1", Generation: 3},
		Spec: v1alpha1.RolloutSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "checkout"}},
			Template: v1alpha1.NewPodTemplate([]byte(template)),
			Strategy: v1alpha1.Strategy{Canary: &v1alpha1.Canary{}},
		},
	}
}

// exampleWorld is an observation of a Rollout that has been resolved and nothing else.
func exampleWorld(t *testing.T, r *v1alpha1.Rollout) *world {
	t.Helper()
	w := &world{object: r, key: keyOf(r)}
	resolved := withQueries().resolve(w)
	w.observed.Spec, w.observed.Problems, w.pods, w.outfits = resolved.spec, resolved.problems, resolved.pods, resolved.outfits
	return w
}

func replicaSet(t *testing.T, w *world) *appsv1.ReplicaSet {
	t.Helper()
	body, err := w.newReplicaSet("abc", 2, 5)
	require.NoError(t, err)
	var set appsv1.ReplicaSet
	require.NoError(t, json.Unmarshal(body, &set))
	return &set
}

func TestReplicaSetKeepsFieldsThatThisProgramDoesNotKnowAndNumbersAsTheyWereWritten(t *testing.T) {
	r := exampleRollout(`{"metadata":{"labels":{"app":"checkout"}},"spec":{"containers":[{"name":"app","futureField":{"a":1}}],"alsoNew":9007199254740993}}`)
	body, err := exampleWorld(t, r).newReplicaSet("abc", 2, 5)
	require.NoError(t, err)
	var set struct {
		Spec struct {
			Replicas int
			Template struct{ Spec map[string]json.RawMessage }
		}
	}
	require.NoError(t, json.Unmarshal(body, &set))
	require.Equal(t, "9007199254740993", string(set.Spec.Template.Spec["alsoNew"]))
	require.JSONEq(t, `[{"name":"app","futureField":{"a":1}}]`, string(set.Spec.Template.Spec["containers"]))
	require.Equal(t, 5, set.Spec.Replicas)
}

func TestReplicaSetAndItsPodsCarryTheHashAndTheSelectorNamesIt(t *testing.T) {
	r := exampleRollout(exampleTemplate)
	set := replicaSet(t, exampleWorld(t, r))
	require.Equal(t, map[string]string{"app": "checkout", v1alpha1.PodTemplateHashLabel: "abc"}, set.Spec.Template.Labels)
	require.Equal(t, map[string]string{"app": "checkout", v1alpha1.PodTemplateHashLabel: "abc"}, set.Spec.Selector.MatchLabels)
	require.Equal(t, map[string]string{"app": "checkout", v1alpha1.PodTemplateHashLabel: "abc", ManagedLabel: "true"}, set.Labels)
	require.True(t, metav1.IsControlledBy(set, r))
	require.Equal(t, map[string]string{"app": "checkout"}, r.Spec.Selector.MatchLabels, "the Rollout itself stays as it was")
}

func TestReplicaSetRemembersTheTemplateAsItsUserWroteItUnlessThatIsTooLong(t *testing.T) {
	w := exampleWorld(t, exampleRollout(exampleTemplate))
	set := replicaSet(t, w)
	require.Equal(t, string(w.template().raw), set.Annotations[v1alpha1.TemplateAnnotation])
	require.Equal(t, "2", set.Annotations[v1alpha1.RevisionAnnotation])

	long := strings.Replace(exampleTemplate, "checkout:1", strings.Repeat("x", maxTemplateAnnotation), 1)
	set = replicaSet(t, exampleWorld(t, exampleRollout(long)))
	require.NotContains(t, set.Annotations, v1alpha1.TemplateAnnotation)
}

func TestPodsCarryWhatTheirRoleAsksForFromTheirFirstMoment(t *testing.T) {
	r := exampleRollout(exampleTemplate)
	r.Spec.Strategy.Canary.CanaryMetadata = &v1alpha1.PodMetadata{Labels: map[string]string{"role": "canary"}, Annotations: map[string]string{"note": "on trial"}}
	r.Spec.Strategy.Canary.StableMetadata = &v1alpha1.PodMetadata{Labels: map[string]string{"role": "stable"}}
	w := exampleWorld(t, r)
	set := replicaSet(t, w)
	require.Equal(t, "canary", set.Spec.Template.Labels["role"])
	require.Equal(t, map[string]string{"note": "on trial"}, set.Spec.Template.Annotations)
	require.NotContains(t, set.Labels, "role")
	require.NotContains(t, set.Spec.Selector.MatchLabels, "role", "it could not be taken off again")
	require.Equal(t, w.observed.Spec.CanaryLook, lookOf(set, 0))

	w.observed.Status.Stable = "abc"
	set = replicaSet(t, w)
	require.Equal(t, "stable", set.Spec.Template.Labels["role"])
	require.Equal(t, w.observed.Spec.StableLook, lookOf(set, 0))
}

func TestAntiAffinityBetweenRevisionsIsAddedToWhatTheUserWants(t *testing.T) {
	const own = `{"metadata":{"labels":{"app":"checkout"}},"spec":{"containers":[{"name":"app","image":"checkout:1"}],` +
		`"affinity":{"nodeAffinity":{},"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"zone"}]}}}}`
	other := corev1.PodAffinityTerm{TopologyKey: "kubernetes.io/hostname", LabelSelector: &metav1.LabelSelector{
		MatchLabels:      map[string]string{"app": "checkout"},
		MatchExpressions: []metav1.LabelSelectorRequirement{{Key: v1alpha1.PodTemplateHashLabel, Operator: metav1.LabelSelectorOpNotIn, Values: []string{"abc"}}},
	}}
	r := exampleRollout(own)
	r.Spec.Strategy.Canary.AntiAffinity = &v1alpha1.AntiAffinity{Required: &v1alpha1.RequiredAntiAffinity{}}
	affinity := replicaSet(t, exampleWorld(t, r)).Spec.Template.Spec.Affinity
	require.NotNil(t, affinity.NodeAffinity)
	require.Equal(t, []corev1.PodAffinityTerm{{TopologyKey: "zone"}, other}, affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution)

	r.Spec.Strategy = v1alpha1.Strategy{BlueGreen: &v1alpha1.BlueGreen{ActiveService: "a", AntiAffinity: &v1alpha1.AntiAffinity{Preferred: &v1alpha1.PreferredAntiAffinity{Weight: 7}}}}
	affinity = replicaSet(t, exampleWorld(t, r)).Spec.Template.Spec.Affinity
	require.Equal(t, []corev1.WeightedPodAffinityTerm{{Weight: 7, PodAffinityTerm: other}}, affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	require.Len(t, affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, 1)
}

func TestNothingThatIsInjectedIntoPodsChangesTheIdentityOfTheRevision(t *testing.T) {
	plain := exampleWorld(t, exampleRollout(exampleTemplate)).observed.Spec.Target
	r := exampleRollout(exampleTemplate)
	r.Spec.Strategy.Canary.AntiAffinity = &v1alpha1.AntiAffinity{Required: &v1alpha1.RequiredAntiAffinity{}}
	r.Spec.Strategy.Canary.CanaryMetadata = &v1alpha1.PodMetadata{Labels: map[string]string{"role": "canary"}}
	w := exampleWorld(t, r)
	replicaSet(t, w)
	require.Equal(t, plain, w.observed.Spec.Target)
	hash, err := rollout.Hash([]byte(exampleTemplate))
	require.NoError(t, err)
	require.Equal(t, plain, hash)
}
