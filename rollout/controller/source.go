package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	lru "k8s.io/utils/lru"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

const (
	// TakenOverLabel stands on a Deployment whose pods a Rollout has taken over, and has the Rollout's UID. It is a label because
	// the Deployment's controller copies annotations to ReplicaSets, and kubectl rollout undo copies them back later.
	TakenOverLabel = "rollout.dev/taken-over-by"
	// PausedBeforeLabel stands beside it if somebody had paused the Deployment before.
	PausedBeforeLabel = "rollout.dev/paused-before"
	// BorrowerLabel stands on the ReplicaSets of a Rollout with workloadRef, and has the Rollout's UID. They lack the labels that
	// one could else find them by; see selectedKeys.
	BorrowerLabel = "rollout.dev/borrower"
	// HashAnnotation is the hash of the template of a ReplicaSet that was taken over. Its label has the one that the Deployment's
	// controller gave it, and its selector and its pods have that label for ever.
	HashAnnotation = "rollout.dev/hash"
	// StableAnnotation marks the ReplicaSet that was stable when its Rollout was deleted in the middle of a release.
	StableAnnotation = "rollout.dev/was-stable"
	// HandedBackAnnotation says on a Deployment what became of its pods, and how to go on, after its Rollout was deleted in the
	// middle of a release.
	HandedBackAnnotation = "rollout.dev/handed-back"
	// HandBackFinalizer keeps a Rollout until its Deployment has the pods back.
	HandBackFinalizer = "rollout.dev/hand-back"
)

// The reasons of problems with a workloadRef.
const (
	reasonMissingWorkload = "MissingWorkload"
	reasonWorkloadClaimed = "WorkloadClaimed"
)

// source is the Deployment that the template comes from.
type source struct {
	name string
	// deployment is nil if there is none, or it is on its way out.
	deployment *deployment
	template   template
	// known is the revision of the template if its hash alone doesn't tell.
	known rollout.Revision
}

// sourceMemory is what is remembered of Deployments. What is forgotten costs a request, or is guessed.
type sourceMemory struct {
	// recognized maps owner and hash to the revision, replicas the owner to what its Deployment was last asked for.
	recognized, replicas *lru.Cache
}

func newSourceMemory() *sourceMemory {
	return &sourceMemory{recognized: lru.New(rememberedTemplates), replicas: lru.New(rememberedTemplates)}
}

// observeSource reads the Deployment of spec.workloadRef, if there is one.
func (c *Controller) observeSource(ctx context.Context, from reader, w *world) error {
	ref := w.object.Spec.WorkloadRef
	if ref == nil {
		return nil
	}
	d, err := from.deployment(ctx, engine.Key{Namespace: w.key.Namespace, Name: ref.Name})
	if err != nil {
		return fmt.Errorf("read Deployment %s: %w", ref.Name, err)
	}
	if d != nil && d.DeletionTimestamp != nil {
		d = nil
	}
	w.source = &source{name: ref.Name, deployment: d}
	if d == nil {
		w.source.template = c.templateWithout(w, ref.Name)
		w.observed.Source = &rollout.Source{Missing: true}
		return nil
	}
	w.source.template = template{raw: d.Spec.Template.Raw(), selector: d.Spec.Selector, replicas: orDefault(d.Spec.Replicas, defaultReplicas),
		field: fmt.Sprintf("spec.workloadRef: Deployment %s: spec.template", ref.Name)}
	c.memory.replicas.Add(w.object.UID, w.source.template.replicas)
	if problem := unfitSource(w.object, d, c.Caches.borrowers(d)); problem != nil {
		w.source.template.problem = problem
		return nil
	}
	w.observed.Source = sourceOf(w, c.Caches.lost(d))
	return c.recognizeTemplate(ctx, w)
}

// templateWithout is what is known of the template when the Deployment is gone. No revision can be made of it, but those that
// there are go on as they are.
func (c *Controller) templateWithout(w *world, name string) template {
	t := template{field: "spec.workloadRef", replicas: defaultReplicas, problem: &rollout.Problem{Reason: reasonMissingWorkload,
		Message: fmt.Sprintf("spec.workloadRef.name: there is no Deployment %q in namespace %s; create it, or correct the name", name, w.key.Namespace)}}
	if selector, err := metav1.ParseToLabelSelector(w.object.Status.Selector); err == nil && w.object.Status.Selector != "" {
		t.selector = selector
	}
	// The Deployment said how many pods there are to be. It may have been deleted while this program didn't run.
	if known, there := c.memory.replicas.Get(w.object.UID); there {
		t.replicas = known.(int32)
	} else if stable := w.sets[w.observed.Status.Stable]; stable != nil {
		t.replicas = orDefault(stable.Spec.Replicas, defaultReplicas)
	}
	return t
}

// unfitSource says why a Deployment can't be taken over, nil if it can.
func unfitSource(r *v1alpha1.Rollout, d *deployment, borrowers []*v1alpha1.Rollout) *rollout.Problem {
	for _, other := range borrowers {
		if other.UID == r.UID {
			continue
		}
		holder := d.Labels[TakenOverLabel]
		if holder == string(other.UID) || holder != string(r.UID) && older(other, r) {
			return &rollout.Problem{Reason: reasonWorkloadClaimed, Message: fmt.Sprintf(
				"spec.workloadRef.name: Deployment %q belongs to Rollout %q; two Rollouts can't share a Deployment: give this one a Deployment of its own",
				d.Name, other.Name)}
		}
	}
	if own := r.Spec.Selector; own != nil && !sameSelector(own, d.Spec.Selector) {
		return &rollout.Problem{Reason: reasonInvalidSelector, Message: fmt.Sprintf(
			"spec.selector (%s) is not that of Deployment %s (%s); leave it out, and create the Rollout again",
			selectorText(own), d.Name, selectorText(d.Spec.Selector))}
	}
	return nil
}

func sameSelector(a, b *metav1.LabelSelector) bool {
	left, errLeft := metav1.LabelSelectorAsSelector(a)
	right, errRight := metav1.LabelSelectorAsSelector(b)
	return errLeft == nil && errRight == nil && left.String() == right.String()
}

// sourceOf is what the domain knows of the Deployment. lost are ReplicaSets that an earlier Rollout had of it, and that belong
// to nobody now.
func sourceOf(w *world, lost []*appsv1.ReplicaSet) *rollout.Source {
	d := w.source.deployment
	s := &rollout.Source{State: unsettled(d, lost)}
	held := d.heldBy(w.object.UID) && d.Spec.Paused
	// It was when it was paused, and since then only people change it.
	s.Settled = held || s.State == ""
	s.Taken = held && d.seen() && len(lost) == 0 && d.Status.Replicas == 0 && d.Status.UnavailableReplicas == 0
	if s.Taken {
		s.Revision = servingAmong(w.sets)
	}
	return s
}

// isHeld says whether there is a Deployment whose pods were taken over.
func (s *source) isHeld() bool {
	return s != nil && s.deployment != nil && s.deployment.Labels[TakenOverLabel] != ""
}

// heldBy says whether the pods of the Deployment were taken over for a Rollout.
func (d *deployment) heldBy(rollout types.UID) bool {
	return d.Labels[TakenOverLabel] == string(rollout)
}

// seen says whether the Deployment's controller has seen its present spec, and acts on no older one.
func (d *deployment) seen() bool { return d.Status.ObservedGeneration >= d.Generation }

// unsettled says why a Deployment can't be taken over now, empty if it can.
func unsettled(d *deployment, lost []*appsv1.ReplicaSet) string {
	s := d.Status
	serving := slices.DeleteFunc(slices.Clone(lost), func(set *appsv1.ReplicaSet) bool { return !hasPods(set) })
	marked := slices.ContainsFunc(serving, func(set *appsv1.ReplicaSet) bool { return set.Annotations[StableAnnotation] != "" })
	several := len(serving) > 1 && !marked || len(serving) > 0 && s.Replicas > 0
	switch {
	case !d.seen():
		return "its controller has not looked at it yet"
	case s.UpdatedReplicas != s.Replicas && d.Spec.Paused:
		return fmt.Sprintf("%d of its %d pods have another template, and it is paused: kubectl rollout resume, or give it their template back",
			s.Replicas-s.UpdatedReplicas, s.Replicas)
	case s.UpdatedReplicas != s.Replicas:
		return fmt.Sprintf("it is in the middle of a rollout of its own: %d of its %d pods have its template", s.UpdatedReplicas, s.Replicas)
	case s.AvailableReplicas != s.Replicas || s.UnavailableReplicas > 0:
		return fmt.Sprintf("%d of its %d pods are available", s.AvailableReplicas, s.AvailableReplicas+s.UnavailableReplicas)
	case several:
		var names []string
		for _, set := range serving {
			names = append(names, set.Name)
		}
		slices.Sort(names)
		return fmt.Sprintf("a Rollout that is gone has left several revisions with pods, and nobody knows which one is to serve "+
			"(ReplicaSets %s): scale all but that one to 0", strings.Join(names, ", "))
	}
	return ""
}

// servingAmong is the revision that a Deployment's pods have: the one with pods, or the one of several that was stable before.
func servingAmong(sets map[rollout.Revision]*appsv1.ReplicaSet) rollout.Revision {
	var serving []rollout.Revision
	for revision, set := range sets {
		if !hasPods(set) {
			continue
		}
		if set.Annotations[StableAnnotation] != "" {
			return revision
		}
		serving = append(serving, revision)
	}
	if len(serving) != 1 {
		return ""
	}
	return serving[0]
}

func hasPods(set *appsv1.ReplicaSet) bool {
	return orDefault(set.Spec.Replicas, 1) > 0 || set.Status.Replicas > 0
}

// revisionNamed is the revision of a template with this hash. A ReplicaSet that was taken over has another label. If there are
// several of one template, because somebody resumed the Deployment, the one in use counts.
func (w *world) revisionNamed(hash rollout.Revision) rollout.Revision {
	if w.source == nil || hash == "" {
		return hash
	}
	if w.source.known != "" {
		return w.source.known
	}
	best := hash
	for revision, set := range w.sets {
		if revision != hash && set.Annotations[HashAnnotation] != hash {
			continue
		}
		if w.sets[best] == nil || w.useOf(revision) > w.useOf(best) || w.useOf(revision) == w.useOf(best) && revision < best {
			best = revision
		}
	}
	return best
}

// useOf ranks ReplicaSets of one template.
func (w *world) useOf(revision rollout.Revision) int {
	s := w.observed.Status
	switch {
	case revision == s.Stable:
		return 3
	case s.Release != nil && revision == s.Release.Revision:
		return 2
	case hasPods(w.sets[revision]):
		return 1
	}
	return 0
}

// recognizeTemplate finds the ReplicaSet of the Deployment's template if its hash is not known. After an upgrade the API server
// may give out templates with defaults that it didn't know before, and the hash differs although nobody has changed
// anything. But then it gives them out alike for both.
func (c *Controller) recognizeTemplate(ctx context.Context, w *world) error {
	hash, wanted := w.unknownTemplate()
	if wanted == nil {
		return nil
	}
	key := string(w.object.UID) + "/" + hash
	if known, there := c.memory.recognized.Get(key); there {
		if w.sets[known.(rollout.Revision)] != nil {
			w.source.known = known.(rollout.Revision)
		}
		return nil
	}
	sets, err := c.lentSets(ctx, w, managedAnd(narrowing(w.object)))
	if err != nil {
		return err
	}
	found := rollout.Revision("")
	for i := range sets {
		tree, err := plain(&sets[i])
		if err == nil && metav1.IsControlledBy(&sets[i], w.object) && sameTree(tree, wanted) {
			found = sets[i].Labels[v1alpha1.PodTemplateHashLabel]
		}
	}
	c.memory.recognized.Add(key, found)
	w.source.known = found
	return nil
}

// unknownTemplate is the Deployment's template, and its hash, if no ReplicaSet is known to be made of it; nil if one is, or if
// the template can't be read, which resolveTemplate tells.
func (w *world) unknownTemplate() (hash rollout.Revision, template map[string]any) {
	hash, err := rollout.Hash(w.source.template.raw)
	if err != nil || len(w.sets) == 0 || w.revisionNamed(hash) != hash || w.sets[hash] != nil {
		return hash, nil
	}
	tree, err := w.source.template.tree()
	if err != nil {
		return hash, nil
	}
	return hash, tree
}

// lentSets reads the ReplicaSets that a selector selects, with all bytes of their templates.
func (c *Controller) lentSets(ctx context.Context, w *world, selector string) ([]lentSet, error) {
	list, err := c.Sources.replicaSets(w.key.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("list ReplicaSets (%s): %w", selector, err)
	}
	return list.Items, nil
}
