package gatewayapi

import (
	"fmt"

	"github.com/rollout-dev/rollout/traffic"
	"github.com/rollout-dev/rollout/traffic/patch"
)

// render makes the JSON patch that gives the canary a share in percent in every rule that names the pair, and makes our rules those
// that are wanted; nil if it is so. Rules with a problem are left out: to take a release back as far as possible is better than not at
// all.
func render(l layout, managed traffic.Managed, percent int) ([]byte, error) {
	var changes []patch.Operation
	next := map[int]traffic.RuleWeights{}
	for _, p := range l.places {
		weights, can := p.weights().With(percent)
		if !can {
			return nil, fmt.Errorf("a share of %d%% can't be had: %s", percent, l.tooCoarse(p))
		}
		next[p.rule] = weights
		changes = append(changes, setWeight(p, p.stable, l.pair.Stable, weights.Stable)...)
		changes = append(changes, setWeight(p, p.canary, l.pair.Canary, weights.Canary)...)
	}
	moves, _, err := l.rearrange(managed, func(p place) traffic.RuleWeights { return next[p.rule] })
	if err != nil {
		return nil, err
	}
	return patch.Render(l.uid, l.resourceVersion, append(changes, moves...))
}

// setWeight sets one weight, whether or not the object spells out a weight of 1. The name is tested although the version is: an index that
// was wrong would send the traffic of the pair elsewhere.
func setWeight(p place, b ref, service string, weight int) []patch.Operation {
	if b.weight == weight {
		return nil
	}
	path := fmt.Sprintf("/spec/rules/%d/backendRefs/%d", p.rule, b.index)
	return []patch.Operation{patch.Test(path+"/name", service), patch.Set(path+"/weight", weight)}
}
