package controller

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// deploymentsSet is a ReplicaSet as the controller of exampleDeployment makes it.
func deploymentsSet(t *testing.T, image string) lentSet {
	t.Helper()
	set := served(t, []byte(`{"metadata":{"name":"checkout-7c5d","uid":"s1","resourceVersion":"5","labels":{"app":"checkout","team":"a","pod-template-hash":"7c5d"},
		"annotations":{"deployment.kubernetes.io/revision":"3","deployment.kubernetes.io/desired-replicas":"4","deployment.kubernetes.io/max-replicas":"5","note":"x"},
		"ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"checkout","uid":"d1","controller":true,"blockOwnerDeletion":true},{"apiVersion":"v1","kind":"ConfigMap","name":"other","uid":"c1"}]},
		"spec":{"replicas":4,"template":{"metadata":{"creationTimestamp":null,"labels":{"app":"checkout","pod-template-hash":"7c5d"}},"spec":{"containers":[{"name":"app","image":"`+image+`"}]}}}}`))
	return set
}

// merged is what a merge patch makes of the metadata of a ReplicaSet, and of its template.
func merged(t *testing.T, set lentSet, patch map[string]any) (metav1.ObjectMeta, map[string]any) {
	t.Helper()
	whole, err := json.Marshal(set)
	require.NoError(t, err)
	body, err := json.Marshal(patch)
	require.NoError(t, err)
	after := parsed(t, string(whole))
	apply(after, parsed(t, string(body)))
	result := served(t, text(after))
	return result.ObjectMeta, parsed(t, string(result.Spec.Template.Raw()))
}

func apply(object, patch map[string]any) {
	for key, value := range patch {
		inner, isObject := value.(map[string]any)
		old, wasObject := object[key].(map[string]any)
		switch {
		case value == nil:
			delete(object, key)
		case isObject && wasObject:
			apply(old, inner)
		default:
			object[key] = value
		}
	}
}

func TestAReplicaSetThatIsTakenOverKeepsItsNameForItsPodsAndNoDeploymentCanAdoptIt(t *testing.T) {
	r, d := borrower(), exampleDeployment()
	set := deploymentsSet(t, "checkout:1")
	patch, err := takePatch(set, r, d)
	require.NoError(t, err)
	meta, _ := merged(t, set, patch)
	hash, err := rollout.Hash([]byte(exampleTemplate))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"pod-template-hash": "7c5d", "team": "a", ManagedLabel: "true", BorrowerLabel: "u1"}, meta.Labels)
	require.Equal(t, map[string]string{"note": "x", deploymentRevision: "3", v1alpha1.RevisionAnnotation: "3", HashAnnotation: hash,
		v1alpha1.TemplateAnnotation: exampleTemplate}, meta.Annotations)
	require.True(t, metav1.IsControlledBy(&meta, r))
	require.NotNil(t, patch["metadata"])
	require.NotContains(t, patch, "spec", "no pod is made anew")
	require.Len(t, meta.OwnerReferences, 3)
	require.Equal(t, "c1", string(meta.OwnerReferences[0].UID))
	lender := meta.OwnerReferences[2]
	require.Equal(t, "d1", string(lender.UID))
	require.Nil(t, lender.Controller, "the garbage collector sees an owner, and the Deployment's controller none")
	require.Equal(t, []string{"d1"}, indexLender(&appsv1.ReplicaSet{ObjectMeta: meta}))
}

func TestAnOlderReplicaSetIsTakenOverWithItsOwnTemplate(t *testing.T) {
	set := deploymentsSet(t, "checkout:0")
	patch, err := takePatch(set, borrower(), exampleDeployment())
	require.NoError(t, err)
	meta, _ := merged(t, set, patch)
	kept := meta.Annotations[v1alpha1.TemplateAnnotation]
	require.JSONEq(t, `{"metadata":{"creationTimestamp":null,"labels":{"app":"checkout"}},"spec":{"containers":[{"name":"app","image":"checkout:0"}]}}`, kept)
	hash, err := rollout.Hash([]byte(kept))
	require.NoError(t, err)
	require.Equal(t, hash, meta.Annotations[HashAnnotation])
}

func TestAReplicaSetWithoutAHashIsNotTakenOver(t *testing.T) {
	set := deploymentsSet(t, "checkout:1")
	delete(set.Labels, v1alpha1.PodTemplateHashLabel)
	_, err := takePatch(set, borrower(), exampleDeployment())
	require.ErrorContains(t, err, "ReplicaSet checkout-7c5d of Deployment checkout has no label pod-template-hash")
}

func TestWhatIsTakenOverComesBackAsItWas(t *testing.T) {
	set := deploymentsSet(t, "checkout:1")
	patch, err := takePatch(set, borrower(), exampleDeployment())
	require.NoError(t, err)
	taken := set
	taken.ObjectMeta, _ = merged(t, set, patch)
	back, err := returnPatch(taken)
	require.NoError(t, err)
	require.NotContains(t, back, "spec")
	meta, _ := merged(t, taken, back)
	require.Equal(t, set.Labels["app"], meta.Labels["app"])
	require.Equal(t, map[string]string{"pod-template-hash": "7c5d", "team": "a", "app": "checkout"}, meta.Labels)
	require.Equal(t, map[string]string{"note": "x", deploymentRevision: "3"}, meta.Annotations)
}

func TestAReplicaSetThatTheRolloutMadeComesBackAsTheDeploymentWouldHaveMadeIt(t *testing.T) {
	d := exampleDeployment()
	w := borrowing(d)
	w.object.Spec.Strategy.Canary.AntiAffinity = &v1alpha1.AntiAffinity{Required: &v1alpha1.RequiredAntiAffinity{}}
	w.object.Spec.Strategy.Canary.CanaryMetadata = &v1alpha1.PodMetadata{Labels: map[string]string{"role": "canary"}}
	resolved := withQueries().resolve(w)
	w.observed.Spec, w.outfits = resolved.spec, resolved.outfits
	body, err := w.newReplicaSet("abc", 5, 4)
	require.NoError(t, err)
	set := served(t, body)
	require.NotContains(t, set.Labels, "app", "no Deployment can adopt it")
	require.Equal(t, "u1", set.Labels[BorrowerLabel])
	require.True(t, metav1.IsControlledBy(&set, w.object))
	require.True(t, set.lentBy(d))

	back, err := returnPatch(set)
	require.NoError(t, err)
	meta, tree := merged(t, set, back)
	require.Equal(t, map[string]string{"app": "checkout", "pod-template-hash": "abc"}, meta.Labels)
	require.Equal(t, map[string]string{deploymentRevision: "5"}, meta.Annotations)
	delete(object(object(tree, "metadata"), "labels"), v1alpha1.PodTemplateHashLabel)
	require.True(t, sameTree(tree, parsed(t, exampleTemplate)), "%s", text(tree))
}

func TestTheDeploymentsTemplateIsFoundAmongReplicaSetsThatHaveLostTheirHash(t *testing.T) {
	d := exampleDeployment()
	p := &parting{world: borrowing(d), lent: map[rollout.Revision]lentSet{"7c5d": deploymentsSet(t, "checkout:1"), "older": deploymentsSet(t, "checkout:0")}}
	require.Equal(t, "7c5d", p.target(d))
	d.Spec.Template = v1alpha1.NewPodTemplate([]byte(`{"spec":{"containers":[]}}`))
	require.Empty(t, p.target(d))
}

func TestEverybodysReplicaSetsAreToldApart(t *testing.T) {
	d := exampleDeployment()
	p := &parting{world: borrowing(d)}
	set := deploymentsSet(t, "checkout:1")
	require.Equal(t, rollout.HeldBySource, p.holder(set))
	set.OwnerReferences = owners(set.OwnerReferences, p.object, d)
	require.Equal(t, rollout.HeldByRollout, p.holder(set))
	set.OwnerReferences = set.OwnerReferences[2:]
	require.Equal(t, rollout.HeldByNobody, p.holder(set))
	d.Labels[TakenOverLabel] = "u9"
	require.Zero(t, p.holder(set), "another Rollout has the Deployment by now")
	set.OwnerReferences = nil
	require.Zero(t, p.holder(set))
}

func TestTheLabelsThatASelectorAsksForAreKnown(t *testing.T) {
	require.ElementsMatch(t, []string{"a", "b", "c"}, selectedKeys(&metav1.LabelSelector{
		MatchLabels: map[string]string{"a": "1"},
		MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "b", Operator: metav1.LabelSelectorOpIn, Values: []string{"1"}}, {Key: "c", Operator: metav1.LabelSelectorOpExists},
			{Key: "d", Operator: metav1.LabelSelectorOpDoesNotExist}, {Key: "e", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"1"}},
		},
	}))
	require.Empty(t, selectedKeys(nil))
}
