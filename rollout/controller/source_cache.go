package controller

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// The indexes that have to do with Deployments.
const (
	byWorkload = "workload"
	byLender   = "lender"
)

// heldDeployments lists and watches the Deployments that Rollouts have taken the pods of, so that nobody else's have to be
// watched.
type heldDeployments struct {
	sources   *Sources
	namespace string
}

// List adds the label to what is asked for.
func (h heldDeployments) List(ctx context.Context, opts metav1.ListOptions) (*deploymentList, error) {
	opts.LabelSelector = TakenOverLabel
	return h.sources.deployments(h.namespace).List(ctx, opts)
}

// Watch adds the label to what is asked for.
func (h heldDeployments) Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	opts.LabelSelector = TakenOverLabel
	return h.sources.deployments(h.namespace).Watch(ctx, opts)
}

func newHeldStore(sources *Sources, namespace string) *engine.Store[*deployment] {
	return engine.NewStore(engine.ListWatch(sources, heldDeployments{sources, namespace}), &deployment{}, stripDeployment, nil)
}

func stripDeployment(d *deployment) *deployment {
	bare := bareMeta(d.ObjectMeta)
	for _, key := range []string{TakenOverLabel, PausedBeforeLabel} {
		if value, there := d.Labels[key]; there {
			if bare.Labels == nil {
				bare.Labels = map[string]string{}
			}
			bare.Labels[key] = value
		}
	}
	status := d.Status
	status.Conditions = nil
	return &deployment{TypeMeta: d.TypeMeta, ObjectMeta: bare, Spec: d.Spec, Status: status}
}

// connectSources makes every change of a Deployment bring the Rollouts to the queue that name it.
func (c *Caches) connectSources(queue *engine.Queue) {
	c.held.OnChange(func(before, after *deployment) {
		c.addIndexed(queue, byWorkload, keyOf(either(before, after)).String())
	})
	c.Rollouts.OnChange(func(before, after *v1alpha1.Rollout) {
		if after == nil {
			// Those that waited for the Deployment of this one may go on.
			for _, workload := range indexWorkload(before) {
				c.addIndexed(queue, byWorkload, workload)
			}
		}
	})
}

// deployment reads a Deployment. Only those that are held are watched; another one is asked for.
func (c *Caches) deployment(ctx context.Context, key engine.Key) (*deployment, error) {
	if d, there := c.held.Get(key); there {
		return d, nil
	}
	return c.sources.deployment(ctx, key)
}

// borrowers are the Rollouts that name the Deployment.
func (c *Caches) borrowers(d *deployment) []*v1alpha1.Rollout {
	return c.Rollouts.ByIndex(byWorkload, keyOf(d).String())
}

// lost are the ReplicaSets that a Rollout had of the Deployment, and that belong to nobody now.
func (c *Caches) lost(d *deployment) []*appsv1.ReplicaSet {
	var lost []*appsv1.ReplicaSet
	for _, set := range c.ReplicaSets.ByIndex(byLender, string(d.UID)) {
		if metav1.GetControllerOf(set) == nil {
			lost = append(lost, set)
		}
	}
	return lost
}

func indexWorkload(r *v1alpha1.Rollout) []string {
	if r.Spec.WorkloadRef == nil {
		return nil
	}
	return []string{engine.Key{Namespace: r.Namespace, Name: r.Spec.WorkloadRef.Name}.String()}
}

// indexLender files a ReplicaSet under the Deployment that it was made for and that doesn't control it.
func indexLender(set *appsv1.ReplicaSet) []string {
	for _, owner := range set.OwnerReferences {
		if lends(owner) {
			return []string{string(owner.UID)}
		}
	}
	return nil
}

// lends says whether an owner is a Deployment whose controller has nothing to do with the ReplicaSet.
func lends(owner metav1.OwnerReference) bool {
	return owner.Kind == "Deployment" && (owner.Controller == nil || !*owner.Controller)
}
