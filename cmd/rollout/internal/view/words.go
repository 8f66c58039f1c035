package view

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// Step says what a step of the plan does, in the words that the status uses while it is being carried out.
func Step(step v1alpha1.Step) string {
	switch {
	case step.SetWeight != nil:
		return fmt.Sprintf("canary weight %d", *step.SetWeight)
	case step.Pause != nil:
		return pauseWords(step.Pause)
	case step.SetCanaryScale != nil:
		return scaleWords(step.SetCanaryScale)
	case step.SetHeaderRoute != nil:
		return headerWords(step.SetHeaderRoute)
	case step.SetMirrorRoute != nil:
		return mirrorWords(step.SetMirrorRoute)
	default:
		return "a step that this version of the command line does not know"
	}
}

func pauseWords(pause *v1alpha1.Pause) string {
	if pause.Duration == nil {
		return "wait for rollout promote"
	}
	return "pause for " + exactly(pause.Duration.Duration)
}

func scaleWords(scale *v1alpha1.CanaryScale) string {
	switch {
	case scale.Replicas != nil:
		return "canary scale " + count(*scale.Replicas, "pod")
	case scale.Weight != nil:
		return fmt.Sprintf("canary scale %d%% of replicas", *scale.Weight)
	default:
		return "canary scale as its weight needs"
	}
}

func headerWords(h *v1alpha1.HeaderRoute) string {
	if len(h.Match) == 0 {
		return "end of header route " + h.Name
	}
	var headers []string
	for _, m := range h.Match {
		headers = append(headers, m.HeaderName)
	}
	return fmt.Sprintf("header route %s for %s", h.Name, strings.Join(headers, ", "))
}

func mirrorWords(m *v1alpha1.MirrorRoute) string {
	switch {
	case m.Percentage != nil:
		return fmt.Sprintf("mirror route %s of %d%% of the requests", m.Name, *m.Percentage)
	case len(m.Match) > 0:
		return "mirror route " + m.Name
	default:
		return "end of mirror route " + m.Name
	}
}

func count(n int32, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Behind says that the status is about an older spec than the current one, and is empty if it is not. Whatever else the
// status says may be about to change then.
func Behind(r *v1alpha1.Rollout) string {
	switch {
	case r.Status.ObservedGeneration == 0:
		return "the controller has not looked at it yet"
	case r.Status.ObservedGeneration < r.Generation:
		return fmt.Sprintf("the controller has not seen the last change yet: generation %d, it is at %d",
			r.Generation, r.Status.ObservedGeneration)
	default:
		return ""
	}
}

// Line is the state of a Rollout in one line.
func Line(r *v1alpha1.Rollout, s Style) string {
	if behind := Behind(r); behind != "" {
		return "Waiting: " + behind
	}
	head := s.apply(phasePaint(r.Status.Phase), string(r.Status.Phase))
	if r.Status.Step != "" {
		head += " " + r.Status.Step
	}
	if text := message(r); text != "" {
		return head + ": " + text
	}
	return head
}

// message is the message of the status, with what holds or moves the Rollout besides.
func message(r *v1alpha1.Rollout) string {
	words := []string{}
	if r.Status.Message != "" {
		words = append(words, r.Status.Message)
	}
	if r.Status.Paused && !strings.Contains(r.Status.Message, "rollout resume") {
		words = append(words, "paused until rollout resume "+r.Name)
	}
	// The engine's own words for it are about the pods that are being replaced.
	if Restarting(r) && !strings.Contains(r.Status.Message, "being replaced") {
		words = append(words, "a restart was asked for")
	}
	return strings.Join(words, "; ")
}

// Paused says what pauses a Rollout and how to end that, and is empty if nothing does.
func Paused(r *v1alpha1.Rollout) string {
	switch {
	case r.Spec.Paused && r.Status.Paused:
		return "by spec.paused and by request: set the one to false and end the other with rollout resume " + r.Name
	case r.Spec.Paused:
		return "by spec.paused: set it to false"
	case r.Status.Paused:
		return "by request: rollout resume " + r.Name + " ends it"
	default:
		return ""
	}
}

// Restarting says whether pods are being replaced within their revisions, or will be when nothing else is under way.
func Restarting(r *v1alpha1.Rollout) bool {
	return r.Status.Restart != nil && !r.Status.Restart.Done
}

// Unanswered is the request that the engine has not answered yet, nil if there is none.
func Unanswered(r *v1alpha1.Rollout) *v1alpha1.Request {
	// A value that can't be read was not written by this command line, and the engine won't answer it either.
	request, err := v1alpha1.ReadRequest(r.Annotations)
	if err != nil || request == nil || request.ID == "" {
		return nil
	}
	if r.Status.LastRequest != nil && r.Status.LastRequest.ID == request.ID {
		return nil
	}
	return request
}

// Request says in words what was asked, by whom and how long ago.
func Request(r *v1alpha1.Request, now time.Time) string {
	text := string(r.Verb)
	if r.By != "" {
		text += " by " + r.By
	}
	if !r.At.IsZero() {
		text += ", " + ago(r.At.Time, now)
	}
	return text
}

// exactly writes a duration as people do: 2m rather than 2m0s.
func exactly(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func roughly(d time.Duration) string { return duration.HumanDuration(max(d, 0)) }

func ago(then, now time.Time) string { return roughly(now.Sub(then)) + " ago" }

func microAgo(then *metav1.MicroTime, now time.Time) string {
	if then == nil || then.IsZero() {
		return ""
	}
	return ago(then.Time, now)
}

func age(created metav1.Time, now time.Time) string {
	if created.IsZero() {
		return "-"
	}
	return roughly(now.Sub(created.Time))
}
