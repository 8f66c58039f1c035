package controller

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// claim is something that only one Rollout at a time may have a hand on. A route is none: several Rollouts may share one, because each
// touches only the rules that name its own pair.
type claim struct {
	// key tells it from all others of the cluster.
	key string
	// what it is, in words.
	what string
	// field of the spec that names it.
	field string
}

func serviceClaim(namespace, name, field string) claim {
	return claim{key: strings.Join([]string{"Service", namespace, name}, "/"), what: fmt.Sprintf("Service %q", name), field: field}
}

// meshClaims are the subsets of a wiring, and the names of rules that are the engine's in each route.
func meshClaims(w rollout.Wiring, namespace string) []claim {
	var all []claim
	if rule := subsetsOf(w); rule != nil {
		for _, name := range []string{rule.StableSubsetName, rule.CanarySubsetName} {
			all = append(all, claim{field: subsetsField, what: fmt.Sprintf("subset %q of %s %s", name, destinationRuleKind, rule.Name),
				key: strings.Join([]string{destinationRuleKind, cmp.Or(rule.Namespace, namespace), rule.Name, name}, "/")})
		}
	}
	r := readRouting(w)
	for _, name := range r.names() {
		for _, rule := range r.Managed {
			all = append(all, claim{field: "spec.strategy.canary.trafficRouting.managedRoutes", what: fmt.Sprintf("managed route %q in %s", rule, name),
				key: strings.Join([]string{routeKey(name.Kind, cmp.Or(name.Namespace, namespace), name.Name), rule}, "/")})
		}
	}
	return all
}

// claimsOfSpec are what the spec names.
func claimsOfSpec(r *v1alpha1.Rollout) []claim {
	var all []claim
	for _, ref := range references(r.Spec.Strategy) {
		all = append(all, serviceClaim(r.Namespace, ref.service, ref.field))
	}
	return append(all, meshClaims(wiringOf(r.Spec.Strategy), r.Namespace)...)
}

// claimsInForce are what moves the traffic now.
func claimsInForce(r *v1alpha1.Rollout) []claim {
	t := r.Status.Traffic
	if t == nil || t.Wiring == nil {
		return nil
	}
	var all []claim
	for _, service := range []string{t.Wiring.StableService, t.Wiring.CanaryService} {
		if service != "" {
			all = append(all, serviceClaim(r.Namespace, service, ""))
		}
	}
	return append(all, meshClaims(readWiring(t.Wiring), r.Namespace)...)
}

// indexClaims are the keys of all that a Rollout has a hand on.
func indexClaims(r *v1alpha1.Rollout) []string {
	var keys []string
	for _, c := range slices.Concat(claimsOfSpec(r), claimsInForce(r)) {
		keys = append(keys, c.key)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// claimedBy says which other Rollout has a better claim on something that the spec names. That one goes on undisturbed: applying a
// second Rollout by mistake must not harm the first. What it no longer names is its own until it has let go of it.
func claimedBy(r *v1alpha1.Rollout, others []*v1alpha1.Rollout) string {
	for _, other := range others {
		if other.UID == r.UID {
			continue
		}
		theirs := indexClaims(other)
		for _, c := range claimsOfSpec(r) {
			if slices.Contains(theirs, c.key) && goesBefore(other, r, c.key) {
				name := other.Name
				if other.Namespace != r.Namespace {
					name = other.Namespace + "/" + other.Name
				}
				return fmt.Sprintf("%s: %s belongs to Rollout %q%s", c.field, c.what, name, fieldOf(other, c.key))
			}
		}
	}
	return ""
}

// goesBefore says whether a has a better claim than b: the one that has it in force, or else the older one.
func goesBefore(a, b *v1alpha1.Rollout, key string) bool {
	if holds(a, key) != holds(b, key) {
		return holds(a, key)
	}
	return older(a, b)
}

// holds says whether a Rollout moves traffic with something.
func holds(r *v1alpha1.Rollout, key string) bool {
	return slices.ContainsFunc(claimsInForce(r), func(c claim) bool { return c.key == key })
}

// fieldOf says, in brackets, where a Rollout names something.
func fieldOf(r *v1alpha1.Rollout, key string) string {
	for _, c := range claimsOfSpec(r) {
		if c.key == key {
			return fmt.Sprintf(" (its %s)", c.field)
		}
	}
	return ", which has not let go of it yet"
}

func older(a, b *v1alpha1.Rollout) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return keyOf(a).String() < keyOf(b).String()
}
