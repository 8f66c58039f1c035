package controller

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// LookAnnotation says on a ReplicaSet what its pods carry besides the template as the user wrote it, as the JSON of worn. A
// ReplicaSet whose pods carry nothing has none.
const LookAnnotation = "rollout.dev/look"

// worn is what the engine has put on the pods of a ReplicaSet.
type worn struct {
	// Look names what every pod carries; empty while they are being changed.
	Look string `json:"look,omitempty"`
	// Labels and Annotations are the keys, so that they can be taken off again.
	Labels      []string `json:"labels,omitempty"`
	Annotations []string `json:"annotations,omitempty"`
}

// The looks that no strategy asks for.
const (
	lookUnfinished = "unfinished"
	lookOtherDelay = "with another minReadySeconds"
)

// wornBy is what pods wear that carry exactly this.
func wornBy(outfit v1alpha1.PodMetadata) worn {
	if len(outfit.Labels)+len(outfit.Annotations) == 0 {
		return worn{}
	}
	text, err := json.Marshal(outfit)
	if err != nil {
		panic(fmt.Sprintf("strings are always valid JSON: %v", err))
	}
	look, err := rollout.Hash(text)
	if err != nil {
		panic(fmt.Sprintf("a struct is always a JSON object: %v", err))
	}
	return worn{Look: look, Labels: slices.Sorted(maps.Keys(outfit.Labels)), Annotations: slices.Sorted(maps.Keys(outfit.Annotations))}
}

// text is the value of LookAnnotation.
func (w worn) text() string {
	text, err := json.Marshal(w)
	if err != nil {
		panic(fmt.Sprintf("strings are always valid JSON: %v", err))
	}
	return string(text)
}

// readWorn is what a ReplicaSet says about its pods. What can't be read counts as unfinished: then they are dressed anew.
func readWorn(set *appsv1.ReplicaSet) worn {
	var w worn
	if err := json.Unmarshal([]byte(set.Annotations[LookAnnotation]), &w); err != nil {
		return worn{}
	}
	return w
}

// lookOf names what the pods of a ReplicaSet carry besides the template. When they count as available belongs to it, because it
// comes from the Rollout's spec as well and reaches them the same way.
func lookOf(set *appsv1.ReplicaSet, minReadySeconds int32) string {
	look := readWorn(set).Look
	if _, there := set.Annotations[LookAnnotation]; there && look == "" {
		look = lookUnfinished
	}
	if set.Spec.MinReadySeconds != minReadySeconds {
		look += lookOtherDelay
	}
	return look
}

// resolveOutfits says what the strategy wants the pods of each role to carry.
func (r *resolved) resolveOutfits(s v1alpha1.Strategy, t template) {
	parsed, err := t.parse()
	if err != nil {
		return
	}
	add := func(role rollout.Role, field string, wanted *v1alpha1.PodMetadata) {
		if wanted == nil {
			return
		}
		r.outfits[role] = v1alpha1.PodMetadata{
			Labels:      r.fitting(field+".labels", t.field+".metadata.labels", wanted.Labels, parsed.Labels, validLabel),
			Annotations: r.fitting(field+".annotations", t.field+".metadata.annotations", wanted.Annotations, parsed.Annotations, validAnnotation),
		}
	}
	if c := s.Canary; c != nil {
		add(rollout.StableRole, "spec.strategy.canary.stableMetadata", c.StableMetadata)
		add(rollout.CanaryRole, "spec.strategy.canary.canaryMetadata", c.CanaryMetadata)
	}
	if b := s.BlueGreen; b != nil {
		add(rollout.StableRole, "spec.strategy.blueGreen.activeMetadata", b.ActiveMetadata)
		add(rollout.CanaryRole, "spec.strategy.blueGreen.previewMetadata", b.PreviewMetadata)
	}
	r.spec.StableLook, r.spec.CanaryLook = wornBy(r.outfits[rollout.StableRole]).Look, wornBy(r.outfits[rollout.CanaryRole]).Look
}

// fitting are the wanted entries that can be put on pods and taken off again. One that the template has too is the user's: it
// could not be taken off without changing what the user wrote.
func (r *resolved) fitting(field, templateField string, wanted, template map[string]string, valid func(key, value string) []string) map[string]string {
	fit := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		value := wanted[key]
		_, taken := template[key]
		wrong := valid(key, value)
		switch {
		case key == v1alpha1.PodTemplateHashLabel:
			r.problem(reasonInvalidStrategy, "%s sets %s, which the engine sets itself; remove it", field, key)
		case taken:
			r.problem(reasonInvalidStrategy, "%s sets %s, which %s sets too; keep it in one of the two", field, key, templateField)
		case len(wrong) > 0:
			r.problem(reasonInvalidStrategy, "%s can't set %s to %q: %s", field, key, value, wrong[0])
		default:
			fit[key] = value
		}
	}
	return fit
}

func validLabel(key, value string) []string {
	return append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...)
}

func validAnnotation(key, _ string) []string { return validation.IsQualifiedName(key) }
