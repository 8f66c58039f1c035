package gatewayapi

import (
	"encoding/json"
	"fmt"

	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/rollout-dev/rollout/traffic"
)

// place is where a rule names the pair.
type place struct {
	rule           int
	stable, canary ref
	// shared: the rule has other backends too.
	shared bool
}

// ref is a backendRef, by its index in the rule.
type ref struct {
	index  int
	weight int
}

func (p place) share() int { return traffic.Share(p.stable.weight, p.canary.weight) }

// places finds the rules that name the pair, and the first problem with those that name it in a way that can't carry a split.
func (r route) places(pair traffic.Pair) (places []place, problem string) {
	note := func(text string) {
		if problem == "" {
			problem = text
		}
	}
	for i, refs := range r.rules {
		stable, canary := find(refs, r.namespace, pair.Stable), find(refs, r.namespace, pair.Canary)
		switch {
		case len(stable) == 0 && len(canary) == 0:
		case len(stable) > 1:
			note(twice(i, pair.Stable))
		case len(canary) > 1:
			note(twice(i, pair.Canary))
		case len(canary) == 0:
			note(lone(i, pair.Stable, pair.Canary, 0))
		case len(stable) == 0:
			note(lone(i, pair.Canary, pair.Stable, 100))
		default:
			p := place{rule: i, stable: stable[0], canary: canary[0], shared: len(refs) > 2}
			places = append(places, p)
			// With a share of the canary it is no problem yet: the share that there is must be seen, and can be taken back.
			if p.coarse() && p.canary.weight == 0 {
				note(p.tooCoarse(pair))
			}
		}
	}
	if len(places) == 0 {
		note(fmt.Sprintf("none of spec.rules has both Service %s and Service %s among its backendRefs; add the two to the rule that serves the application, with the weights 100 and 0",
			pair.Stable, pair.Canary))
	}
	return places, problem
}

// find returns where the backendRefs name a Service of the route's own namespace.
func find(refs []gatewayv1.BackendRef, namespace, service string) []ref {
	var found []ref
	for i, b := range refs {
		local := b.Namespace == nil || string(*b.Namespace) == namespace
		isService := ptr.Deref(b.Group, "") == "" && ptr.Deref(b.Kind, "Service") == "Service"
		if local && isService && string(b.Name) == service {
			found = append(found, ref{index: i, weight: int(ptr.Deref(b.Weight, 1))})
		}
	}
	return found
}

func twice(rule int, service string) string {
	return fmt.Sprintf("spec.rules[%d].backendRefs names Service %s more than once, so it has no one weight; keep one of them", rule, service)
}

func lone(rule int, there, missing string, weight int) string {
	return fmt.Sprintf("spec.rules[%d].backendRefs names Service %s but not Service %s; add it with weight %d, or send the rule to another Service",
		rule, there, missing, weight)
}

// coarse says that there are shares that the rule can't carry: the other backends keep their weights, so the pair has to
// keep its sum, and a sum of 2 makes half of the traffic out of 5%.
func (p place) coarse() bool {
	total := p.stable.weight + p.canary.weight
	return p.shared && 0 < total && total < 100
}

func (p place) tooCoarse(pair traffic.Pair) string {
	return fmt.Sprintf("spec.rules[%d].backendRefs also names other backends, and Services %s and %s have a weight of %d together, which is too little for percentages of it; "+
		"multiply all weights of the rule so that the two have 100 or more", p.rule, pair.Stable, pair.Canary, p.stable.weight+p.canary.weight)
}

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// render makes the JSON patch that gives the canary a share in percent in every rule that names the pair; nil if it has it.
// The patch applies only to the very version of the object that the route was read from. Rules with a problem are left out: to
// take a release back as far as possible is better than not at all.
func render(r route, pair traffic.Pair, percent int) ([]byte, error) {
	var changes []operation
	places, _ := r.places(pair)
	for _, p := range places {
		if p.share() == percent {
			continue
		}
		total := 100
		if p.shared {
			total = p.stable.weight + p.canary.weight
		}
		stable, canary := traffic.Weights(percent, total)
		if traffic.Share(stable, canary) != percent {
			return nil, fmt.Errorf("a share of %d%% can't be had: %s", percent, p.tooCoarse(pair))
		}
		changes = append(changes, setWeight(p, p.stable, pair.Stable, stable)...)
		changes = append(changes, setWeight(p, p.canary, pair.Canary, canary)...)
	}
	if len(changes) == 0 {
		return nil, nil
	}
	return json.Marshal(append([]operation{
		{"test", "/metadata/uid", r.uid},
		{"test", "/metadata/resourceVersion", r.resourceVersion},
	}, changes...))
}

// setWeight sets one weight. "add" also replaces, so it is right whether or not the object spells out a weight of 1. The
// name is tested although the version is: an index that was wrong would send the traffic of the pair elsewhere.
func setWeight(p place, b ref, service string, weight int) []operation {
	if b.weight == weight {
		return nil
	}
	path := fmt.Sprintf("/spec/rules/%d/backendRefs/%d", p.rule, b.index)
	return []operation{{"test", path + "/name", service}, {"add", path + "/weight", weight}}
}
