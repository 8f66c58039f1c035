package view

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// blueGreenPlan is what every blue-green release goes through. An analysis before the switch and a pause are the steps of
// it: they are what a person may skip.
func blueGreenPlan(r *v1alpha1.Rollout, b *v1alpha1.BlueGreen) plan {
	ready := "preview: all pods ready"
	if pods := previewPods(r, b); pods > 0 {
		ready = fmt.Sprintf("preview: %s ready", count(pods, "pod"))
	}
	p := plan{{words: ready}}
	if b.PrePromotionAnalysis != nil {
		p = append(p, line{words: "analysis before the switch: " + metricNames(b.PrePromotionAnalysis), step: true, analysis: b.PrePromotionAnalysis})
	}
	if pause := promotionPause(b); pause != nil {
		p = append(p, line{words: pauseWords(pause), step: true, pause: pause})
	}
	p = append(p, line{words: fmt.Sprintf("switch: Service %s reaches the new revision", b.ActiveService)})
	if b.PostPromotionAnalysis != nil {
		p = append(p, line{words: "analysis after the switch: " + metricNames(b.PostPromotionAnalysis), analysis: b.PostPromotionAnalysis})
	}
	return p
}

// previewPods is how many pods a revision has while it is tried, 0 if only the Deployment knows.
func previewPods(r *v1alpha1.Rollout, b *v1alpha1.BlueGreen) int32 {
	pods, known := desired(r)
	switch {
	case b.PreviewReplicaCount == nil:
		return pods
	case !known:
		return *b.PreviewReplicaCount
	default:
		return min(*b.PreviewReplicaCount, pods)
	}
}

// promotionPause is the wait before the switch, nil if there is none.
func promotionPause(b *v1alpha1.BlueGreen) *v1alpha1.Pause {
	switch {
	case b.AutoPromotionEnabled != nil && !*b.AutoPromotionEnabled:
		return &v1alpha1.Pause{}
	case b.AutoPromotionSeconds > 0:
		return &v1alpha1.Pause{Duration: &metav1.Duration{Duration: time.Duration(b.AutoPromotionSeconds) * time.Second}}
	default:
		return nil
	}
}

// blueGreenLine is the line of a blue-green plan that a release is at, or was taken back at.
func blueGreenLine(r *v1alpha1.Rollout, release *v1alpha1.Release, lines plan) int {
	const preview = 0
	steps, index := len(lines.steps()), int(release.StepIndex)
	toSwitch := preview + 1 + steps
	judgedAfter := toSwitch < len(lines)-1
	switch {
	case index < steps && index > 0:
		return preview + 1 + index
	case !switched(r) && !TakenBack(release) && release.ReadyHighWater < max(previewPods(r, r.Spec.Strategy.BlueGreen), 1):
		return preview
	case index < steps:
		return preview + 1
	case judgedAfter && (switched(r) && !TakenBack(release) || release.Cause == causeAnalysis):
		return toSwitch + 1
	default:
		return toSwitch
	}
}

func metricNames(analysis *v1alpha1.Analysis) string {
	var names []string
	for _, m := range analysis.Metrics {
		names = append(names, m.Name)
	}
	for _, t := range analysis.Templates {
		names = append(names, "template "+t.Name)
	}
	return strings.Join(names, ", ")
}

// causeAnalysis is what the status calls it that the metrics took a release back.
const causeAnalysis = "Analysis"

// serviceTraffic says which revision each Service of a blue-green release reaches.
func (c *canvas) serviceTraffic(r *v1alpha1.Rollout) string {
	t := r.Status.Traffic
	active, preview := "", ""
	switch {
	case t.Wiring != nil:
		active, preview = t.Wiring.StableService, t.Wiring.CanaryService
	case r.Spec.Strategy.BlueGreen != nil:
		active, preview = r.Spec.Strategy.BlueGreen.ActiveService, r.Spec.Strategy.BlueGreen.PreviewService
	}
	text := c.reach(active, "users", t.StableBackend, t.StableBackendSince)
	if preview != "" {
		text += "; " + c.reach(preview, "preview", t.CanaryBackend, t.CanaryBackendSince)
	}
	return text
}

func (c *canvas) reach(service, purpose, revision string, since *metav1.MicroTime) string {
	if revision == "" {
		return fmt.Sprintf("Service %s (%s) names no revision", service, purpose)
	}
	text := fmt.Sprintf("Service %s (%s) reaches revision %s", service, purpose, revision)
	if since == nil {
		return text
	}
	return text + ", for " + roughly(c.now.Sub(since.Time))
}
