package controller

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	return worn{Look: look, Labels: keysOf(outfit.Labels), Annotations: keysOf(outfit.Annotations)}
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
	if c := s.Canary; c != nil {
		r.resolveOutfit(rollout.StableRole, "spec.strategy.canary.stableMetadata", c.StableMetadata, t)
		r.resolveOutfit(rollout.CanaryRole, "spec.strategy.canary.canaryMetadata", c.CanaryMetadata, t)
	}
	if b := s.BlueGreen; b != nil {
		r.resolveOutfit(rollout.StableRole, "spec.strategy.blueGreen.activeMetadata", b.ActiveMetadata, t)
		r.resolveOutfit(rollout.CanaryRole, "spec.strategy.blueGreen.previewMetadata", b.PreviewMetadata, t)
	}
	r.spec.StableLook, r.spec.CanaryLook = wornBy(r.outfits[rollout.StableRole]).Look, wornBy(r.outfits[rollout.CanaryRole]).Look
}

func (r *resolved) resolveOutfit(role rollout.Role, field string, wanted *v1alpha1.PodMetadata, t template) {
	if wanted == nil || r.pods == nil {
		return
	}
	r.outfits[role] = v1alpha1.PodMetadata{
		Labels: r.fitting(field+".labels", wanted.Labels, validLabel,
			taken{t.field + ".metadata.labels", keysOf(r.pods.Labels)}, taken{"the selector", selectorKeys(t.selector)}),
		Annotations: r.fitting(field+".annotations", wanted.Annotations, validAnnotation,
			taken{t.field + ".metadata.annotations", keysOf(r.pods.Annotations)}),
	}
}

// taken are keys that belong to the user, and where.
type taken struct {
	where string
	keys  []string
}

// fitting are the wanted entries that can be put on pods and taken off again. One that the template has too could not be taken
// off without changing what the user wrote, and one that the selector speaks of would make the pods somebody else's.
func (r *resolved) fitting(field string, wanted map[string]string, valid func(key, value string) []string, others ...taken) map[string]string {
	fit := map[string]string{}
	for _, key := range keysOf(wanted) {
		value := wanted[key]
		wrong := valid(key, value)
		other := slices.IndexFunc(others, func(o taken) bool { return slices.Contains(o.keys, key) })
		switch {
		case other >= 0:
			r.problem(reasonInvalidStrategy, "%s sets %s, which %s has too; keep it in one of the two", field, key, others[other].where)
		case len(wrong) > 0:
			r.problem(reasonInvalidStrategy, "%s can't set %s to %q: %s", field, key, value, wrong[0])
		default:
			fit[key] = value
		}
	}
	return fit
}

// selectorKeys are the labels that decide to whom pods belong.
func selectorKeys(selector *metav1.LabelSelector) []string {
	keys := []string{v1alpha1.PodTemplateHashLabel}
	if selector == nil {
		return keys
	}
	keys = slices.AppendSeq(keys, maps.Keys(selector.MatchLabels))
	for _, e := range selector.MatchExpressions {
		keys = append(keys, e.Key)
	}
	return keys
}

func keysOf(values map[string]string) []string { return slices.Sorted(maps.Keys(values)) }

func validLabel(key, value string) []string {
	return append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...)
}

func validAnnotation(key, _ string) []string { return validation.IsQualifiedName(strings.ToLower(key)) }
