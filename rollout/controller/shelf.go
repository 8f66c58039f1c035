package controller

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// template finds a template in the caches. Also a decision on live reads takes it from there: what is measured is no more
// than a moment old either.
func (c *Caches) template(namespace string, ref v1alpha1.TemplateReference) (v1alpha1.AnalysisTemplateSpec, bool) {
	if ref.ClusterScope {
		if t, there := c.ClusterTemplates.Get(engine.Key{Name: ref.Name}); there {
			return t.Spec, true
		}
		return v1alpha1.AnalysisTemplateSpec{}, false
	}
	if t, there := c.Templates.Get(engine.Key{Namespace: namespace, Name: ref.Name}); there {
		return t.Spec, true
	}
	return v1alpha1.AnalysisTemplateSpec{}, false
}

// templatesWanted says whether anything names a template. As long as nothing does nobody looks for the kinds.
func (c *Caches) templatesWanted() bool {
	return len(c.AnalysisRuns.List()) > 0 || slices.ContainsFunc(c.Rollouts.List(), namesTemplates)
}

func namesTemplates(r *v1alpha1.Rollout) bool {
	return slices.ContainsFunc(analysesOf(r.Spec.Strategy), func(a *v1alpha1.Analysis) bool { return len(a.Templates) > 0 })
}

// analysesOf are all analyses of a strategy.
func analysesOf(s v1alpha1.Strategy) []*v1alpha1.Analysis {
	var all []*v1alpha1.Analysis
	if s.Canary != nil {
		if s.Canary.Analysis != nil {
			all = append(all, &s.Canary.Analysis.Analysis)
		}
		for _, step := range s.Canary.Steps {
			all = append(all, step.Analysis)
		}
		if s.Canary.Bake != nil {
			all = append(all, s.Canary.Bake.Analysis)
		}
	}
	if s.BlueGreen != nil {
		all = append(all, s.BlueGreen.PrePromotionAnalysis, s.BlueGreen.PostPromotionAnalysis)
	}
	return slices.DeleteFunc(all, func(a *v1alpha1.Analysis) bool { return a == nil })
}

// connectTemplates brings the Rollouts that name templates to the queue when one changes. That is rare, and which of them it is
// about depends on what other templates name.
func (c *Caches) connectTemplates(queue *engine.Queue) {
	wake := func(namespace string) {
		for _, r := range c.Rollouts.List() {
			if (namespace == "" || r.Namespace == namespace) && namesTemplates(r) {
				queue.Add(keyOf(r))
			}
		}
	}
	c.Templates.OnChange(func(before, after *v1alpha1.AnalysisTemplate) { wake(either(before, after).Namespace) })
	c.ClusterTemplates.OnChange(func(_, _ *v1alpha1.ClusterAnalysisTemplate) { wake("") })
}

func ownResource(plural string) schema.GroupVersionResource {
	return v1alpha1.GroupVersion.WithResource(plural)
}

func indexRunOwner(run *v1alpha1.AnalysisRun) []string {
	if run.Spec.Of == nil {
		return nil
	}
	return []string{engine.Key{Namespace: run.Namespace, Name: run.Spec.Of.Rollout}.String()}
}

func stripRun(run *v1alpha1.AnalysisRun) *v1alpha1.AnalysisRun {
	run.ManagedFields = nil
	return run
}

func stripTemplate(t *v1alpha1.AnalysisTemplate) *v1alpha1.AnalysisTemplate {
	t.ManagedFields, t.Annotations = nil, nil
	return t
}

func stripClusterTemplate(t *v1alpha1.ClusterAnalysisTemplate) *v1alpha1.ClusterAnalysisTemplate {
	t.ManagedFields, t.Annotations = nil, nil
	return t
}
