package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/cmd/rollout/internal/view"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// keeper is the tool that applies an object from Git again and again, and the mark by which it can be told.
func keeper(meta metav1.ObjectMeta) (tool, mark string) {
	for _, k := range []struct{ tool, mark string }{
		{"Argo CD", "argocd.argoproj.io/tracking-id"},
		{"Flux", "kustomize.toolkit.fluxcd.io/name"},
		{"Flux", "helm.toolkit.fluxcd.io/name"},
	} {
		_, annotated := meta.Annotations[k.mark]
		_, labelled := meta.Labels[k.mark]
		if annotated || labelled {
			return k.tool, k.mark
		}
	}
	return "", ""
}

// noteGitOps reminds a person who changes a template by hand that it may be kept in Git.
func (p *program) noteGitOps(r *v1alpha1.Rollout, o origin) {
	for _, meta := range []metav1.ObjectMeta{o.meta, r.ObjectMeta} {
		if tool, mark := keeper(meta); tool != "" {
			p.warn("%s applies %s from Git (%s): change it there as well, or %s brings the other revision back", tool, meta.Name, mark, tool)
			return
		}
	}
}

// notePaused tells a person who changes a template that nothing will come of it for now.
func (p *program) notePaused(r *v1alpha1.Rollout) {
	if paused := view.Paused(r); paused != "" {
		p.warn("%s is paused %s; until then no release starts", r.Name, paused)
	}
}
