package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// exampleDeployment has four pods of its own, all of them available.
func exampleDeployment() *deployment {
	replicas := int32(4)
	return &deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout", UID: "d1", Generation: 7, Labels: map[string]string{}},
		Spec: deploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "checkout"}},
			Template: v1alpha1.NewPodTemplate([]byte(exampleTemplate)),
		},
		Status: appsv1.DeploymentStatus{ObservedGeneration: 7, Replicas: 4, UpdatedReplicas: 4, AvailableReplicas: 4, ReadyReplicas: 4},
	}
}

// borrower is a Rollout whose template comes from a Deployment of the same name.
func borrower() *v1alpha1.Rollout {
	r := exampleRollout("")
	r.Spec.Template, r.Spec.Selector = v1alpha1.PodTemplate{}, nil
	r.Spec.WorkloadRef = &v1alpha1.WorkloadRef{Name: "checkout"}
	return r
}

func borrowing(d *deployment) *world {
	r := borrower()
	w := &world{object: r, key: keyOf(r), source: &source{name: "checkout", deployment: d}, sets: map[rollout.Revision]*appsv1.ReplicaSet{}}
	if d != nil {
		w.source.template = template{raw: d.Spec.Template.Raw(), selector: d.Spec.Selector, replicas: *d.Spec.Replicas, field: "spec.workloadRef"}
	}
	return w
}

func setOf(name string, replicas int32, annotations map[string]string) *appsv1.ReplicaSet {
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Name: "checkout-" + name, Annotations: annotations, Labels: map[string]string{v1alpha1.PodTemplateHashLabel: name}},
		Spec:       appsv1.ReplicaSetSpec{Replicas: &replicas},
	}
}

func TestADeploymentIsTakenOverOnlyWhenItIsDone(t *testing.T) {
	marked := map[string]string{StableAnnotation: "true"}
	for name, c := range map[string]struct {
		change func(*deployment)
		lost   []*appsv1.ReplicaSet
		state  string
	}{
		"done":                        {},
		"without pods":                {change: func(d *deployment) { d.Status = appsv1.DeploymentStatus{ObservedGeneration: 7} }},
		"changed a moment ago":        {change: func(d *deployment) { d.Generation = 8 }, state: "its controller has not looked at it yet"},
		"rolling out":                 {change: func(d *deployment) { d.Status.UpdatedReplicas = 1 }, state: "it is in the middle of a rollout of its own: 1 of its 4 pods have its template"},
		"paused before a rollout":     {change: func(d *deployment) { d.Spec.Paused, d.Status.UpdatedReplicas = true, 0 }, state: "4 of its 4 pods have another template, and it is paused: kubectl rollout resume, or give it their template back"},
		"starting":                    {change: func(d *deployment) { d.Status.AvailableReplicas, d.Status.UnavailableReplicas = 3, 1 }, state: "3 of its 4 pods are available"},
		"without room for all pods":   {change: func(d *deployment) { d.Status.UnavailableReplicas = 2 }, state: "4 of its 6 pods are available"},
		"after a Rollout":             {change: func(d *deployment) { d.Status.Replicas = 0; d.Status = appsv1.DeploymentStatus{ObservedGeneration: 7} }, lost: []*appsv1.ReplicaSet{setOf("a", 4, nil), setOf("b", 0, nil)}},
		"after one, in the middle":    {change: func(d *deployment) { d.Status = appsv1.DeploymentStatus{ObservedGeneration: 7} }, lost: []*appsv1.ReplicaSet{setOf("a", 4, marked), setOf("b", 1, nil)}},
		"after one, nobody knows how": {change: func(d *deployment) { d.Status = appsv1.DeploymentStatus{ObservedGeneration: 7} }, lost: []*appsv1.ReplicaSet{setOf("b", 1, nil), setOf("a", 4, nil)}, state: "a Rollout that is gone has left several revisions with pods, and nobody knows which one is to serve (ReplicaSets checkout-a, checkout-b): scale all but that one to 0"},
		"resumed after one":           {lost: []*appsv1.ReplicaSet{setOf("a", 4, marked)}, state: "a Rollout that is gone has left several revisions with pods, and nobody knows which one is to serve (ReplicaSets checkout-a): scale all but that one to 0"},
	} {
		t.Run(name, func(t *testing.T) {
			d := exampleDeployment()
			if c.change != nil {
				c.change(d)
			}
			require.Equal(t, c.state, unsettled(d, c.lost))
			require.Equal(t, c.state == "", sourceOf(borrowing(d), c.lost).Settled)
		})
	}
}

func TestADeploymentIsTakenWhenItsControllerSaysThatItHasNoPods(t *testing.T) {
	taken := func() *deployment {
		d := exampleDeployment()
		d.Labels[TakenOverLabel], d.Spec.Paused, d.Status = "u1", true, appsv1.DeploymentStatus{ObservedGeneration: 7}
		return d
	}
	w := borrowing(taken())
	w.sets = map[rollout.Revision]*appsv1.ReplicaSet{"a": setOf("a", 4, nil), "b": setOf("b", 0, nil)}
	require.Equal(t, &rollout.Source{Settled: true, Taken: true, Revision: "a"}, sourceOf(w, nil))
	for name, change := range map[string]func(*deployment){
		"resumed":                   func(d *deployment) { d.Spec.Paused = false },
		"held by another":           func(d *deployment) { d.Labels[TakenOverLabel] = "u2" },
		"seen by nobody":            func(d *deployment) { d.Generation = 8 },
		"with pods":                 func(d *deployment) { d.Status.Replicas = 1 },
		"with pods that are to be":  func(d *deployment) { d.Status.UnavailableReplicas = 1 },
		"its label removed by hand": func(d *deployment) { d.Labels = nil },
	} {
		d := taken()
		change(d)
		require.False(t, sourceOf(borrowing(d), nil).Taken, name)
	}
	require.False(t, sourceOf(w, []*appsv1.ReplicaSet{setOf("c", 0, nil)}).Taken, "a ReplicaSet that belongs to nobody is to be taken, too")
}

func TestOfSeveralRevisionsWithPodsTheOneThatWasStableServes(t *testing.T) {
	require.Equal(t, "a", servingAmong(map[rollout.Revision]*appsv1.ReplicaSet{"a": setOf("a", 1, nil), "b": setOf("b", 0, nil)}))
	require.Empty(t, servingAmong(map[rollout.Revision]*appsv1.ReplicaSet{"a": setOf("a", 1, nil), "b": setOf("b", 1, nil)}))
	require.Equal(t, "b", servingAmong(map[rollout.Revision]*appsv1.ReplicaSet{"a": setOf("a", 9, nil), "b": setOf("b", 1, map[string]string{StableAnnotation: "true"})}))
	require.Empty(t, servingAmong(nil))
}

func TestTheTemplateOfADeploymentIsTheRevisionThatItsReplicaSetIsLabelledWith(t *testing.T) {
	hashed := func(hash string) map[string]string { return map[string]string{HashAnnotation: hash} }
	w := borrowing(exampleDeployment())
	require.Equal(t, "hash", w.revisionNamed("hash"), "nobody knows it yet")
	w.sets = map[rollout.Revision]*appsv1.ReplicaSet{"own": setOf("own", 4, hashed("hash")), "other": setOf("other", 0, hashed("another"))}
	require.Equal(t, "own", w.revisionNamed("hash"))

	// Somebody resumed the Deployment, and its controller has made a second one of the same template.
	w.sets["again"] = setOf("again", 4, hashed("hash"))
	w.observed.Status.Stable = "own"
	require.Equal(t, "own", w.revisionNamed("hash"))
	w.observed.Status = rollout.Status{Stable: "x", Release: &rollout.Release{Revision: "again"}}
	require.Equal(t, "again", w.revisionNamed("hash"))
	w.observed.Status = rollout.Status{}
	w.sets["own"].Spec.Replicas = new(int32)
	require.Equal(t, "again", w.revisionNamed("hash"))
	require.Equal(t, "plain", (&world{}).revisionNamed("plain"))
}

func TestAnOlderRolloutKeepsTheDeployment(t *testing.T) {
	at := func(uid types.UID, name string, minute int) *v1alpha1.Rollout {
		r := borrower()
		r.UID, r.Name, r.CreationTimestamp = uid, name, metav1.Date(2026, 3, 1, 12, minute, 0, 0, time.UTC)
		return r
	}
	older, younger := at("u1", "first", 1), at("u2", "second", 2)
	both := []*v1alpha1.Rollout{older, younger}
	d := exampleDeployment()
	require.Nil(t, unfitSource(older, d, both))
	require.Contains(t, unfitSource(younger, d, both).Message, `Deployment "checkout" belongs to Rollout "first"`)
	d.Labels[TakenOverLabel] = "u2"
	require.Nil(t, unfitSource(younger, d, both), "it has it already")
	require.Equal(t, reasonWorkloadClaimed, unfitSource(older, d, both).Reason)
	d.Labels[TakenOverLabel] = "u9"
	require.Nil(t, unfitSource(older, d, both), "the Rollout that had it is gone")
}

func TestASelectorOfTheRolloutMustBeTheDeployments(t *testing.T) {
	r, d := borrower(), exampleDeployment()
	r.Spec.Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: []string{"checkout"}}}}
	require.Contains(t, unfitSource(r, d, nil).Message, "spec.selector (app in (checkout)) is not that of Deployment checkout (app=checkout)")
	r.Spec.Selector = d.Spec.Selector.DeepCopy()
	require.Nil(t, unfitSource(r, d, nil))
}

func TestWithoutItsDeploymentARolloutKeepsItsSizeAndItsSelector(t *testing.T) {
	c, w := &Controller{memory: newSourceMemory()}, borrowing(nil)
	w.object.Status.Selector = "app=checkout,tier in (web)"
	w.observed.Status.Stable = "a"
	w.sets["a"] = setOf("a", 5, nil)
	gone := c.templateWithout(w, "checkout")
	require.EqualValues(t, 5, gone.replicas)
	require.Equal(t, "app=checkout,tier in (web)", selectorText(gone.selector))
	require.Equal(t, reasonMissingWorkload, gone.problem.Reason)
	c.memory.replicas.Add(w.object.UID, int32(7))
	require.EqualValues(t, 7, c.templateWithout(w, "checkout").replicas)
}
