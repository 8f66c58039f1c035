package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollout-dev/rollout/e2e/demo/picture"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// sceneOf is what the Rollout and the clients say, for the picture. versions are those of the revisions by hash.
func sceneOf(r *v1alpha1.Rollout, versions map[string]string, got received) picture.Scene {
	scene := picture.Scene{Replicas: replicas, Rate: requestsPerSecond, Requests: requestsOf(got)}
	if r == nil {
		return scene
	}
	scene.Phase, scene.Message = string(r.Status.Phase), named(r.Status.Message, versions)
	for _, revision := range r.Status.Revisions {
		version := versions[revision.Hash]
		given := given(r, revision)
		if revision.Role == "" && revision.Replicas == 0 && given == 0 {
			continue
		}
		scene.Revisions = append(scene.Revisions, picture.Revision{
			Version: version, Hash: revision.Hash, Role: revision.Role,
			Ready: int(revision.Ready), Wanted: int(revision.Replicas),
			Given: given, Received: got.Versions[version].Share,
		})
	}
	scene.Metrics, scene.Plan = metricsOf(r), planOf(r)
	return scene
}

// named says the versions instead of the hashes of revisions, as people think of them.
func named(message string, versions map[string]string) string {
	for hash, version := range versions {
		message = strings.ReplaceAll(message, hash, version)
	}
	return message
}

func requestsOf(got received) picture.Requests {
	requests := picture.Requests{Sent: got.Sent, Lost: got.Lost}
	for version, a := range got.Versions {
		if a.Errors > 0 {
			requests.Errors = append(requests.Errors, picture.VersionErrors{Version: version, Count: a.Errors})
		}
	}
	slices.SortFunc(requests.Errors, func(a, b picture.VersionErrors) int { return slices.Compare([]rune(a.Version), []rune(b.Version)) })
	return requests
}

// given is the share in percent that routes and Services give a revision. It follows what the Services point at: after a
// promotion both reach the same revision.
func given(r *v1alpha1.Rollout, revision v1alpha1.RevisionStatus) int {
	t := r.Status.Traffic
	if t == nil {
		return 0
	}
	var percent int32
	if t.CanaryBackend == revision.Hash {
		percent += t.CanaryWeight
	}
	if t.StableBackend == revision.Hash {
		percent += 100 - t.CanaryWeight
	}
	return int(percent)
}

func metricsOf(r *v1alpha1.Rollout) []picture.Metric {
	var metrics []picture.Metric
	for _, spec := range r.Spec.Strategy.Canary.Analysis.Metrics {
		m := picture.Metric{Name: spec.Name}
		if measured := measuredOf(r, spec.Name); measured != nil {
			m.Value, m.Threshold, m.Verdict = measured.Value, measured.Threshold, measured.Verdict
		}
		metrics = append(metrics, m)
	}
	return metrics
}

// measuredOf is what the release under way, or the one that was taken back, was measured to be; nil if nothing was.
func measuredOf(r *v1alpha1.Rollout, metric string) *v1alpha1.MetricStatus {
	if r.Status.Release == nil {
		return nil
	}
	measured := r.Status.Release.Metrics
	i := slices.IndexFunc(measured, func(m v1alpha1.MetricStatus) bool { return m.Name == metric })
	if i < 0 {
		return nil
	}
	return &measured[i]
}

func planOf(r *v1alpha1.Rollout) []picture.Step {
	steps := r.Spec.Strategy.Canary.Steps
	var plan []picture.Step
	for i, step := range steps {
		plan = append(plan, picture.Step{Words: words(step), State: stateOf(i, r)})
	}
	// Promotion follows the last step even if nobody writes it down.
	return append(plan, picture.Step{Words: "promote", State: stateOf(len(steps), r)})
}

func words(step v1alpha1.Step) string {
	switch {
	case step.SetWeight != nil:
		return fmt.Sprintf("weight %d", *step.SetWeight)
	case step.Pause.Duration != nil:
		return "pause " + step.Pause.Duration.Duration.String()
	default:
		return "wait for rollout promote"
	}
}

func stateOf(index int, r *v1alpha1.Rollout) picture.StepState {
	release := r.Status.Release
	if release == nil {
		return picture.StepNext
	}
	phase := rollout.Phase(release.Phase)
	switch current := int(release.StepIndex); {
	case phase == rollout.Installing || index > current:
		return picture.StepNext
	case index < current:
		return picture.StepDone
	case phase == rollout.Aborting || phase == rollout.Aborted:
		return picture.StepStopped
	default:
		return picture.StepNow
	}
}
