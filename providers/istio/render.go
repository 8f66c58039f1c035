package istio

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
	next := map[string]traffic.RuleWeights{}
	for _, p := range l.places {
		weights, can := p.weights().With(percent)
		if !can {
			return nil, fmt.Errorf("a share of %d%% can't be had: %s", percent, l.tooCoarse(p))
		}
		next[p.field()] = weights
		changes = append(changes, setWeight(p, p.stable, weights.Stable)...)
		changes = append(changes, setWeight(p, p.canary, weights.Canary)...)
	}
	moves, _, err := l.rearrange(managed, func(p place) traffic.RuleWeights { return next[p.field()] })
	if err != nil {
		return nil, err
	}
	changes = append(changes, moves...)
	return patch.Render(string(l.uid), l.resourceVersion, changes)
}

// setWeight sets one weight. What the destination names is tested although the version is: an index that was wrong would send the traffic
// of the pair elsewhere.
func setWeight(p place, d ref, weight int) []patch.Operation {
	if d.weight() == weight {
		return nil
	}
	path := fmt.Sprintf("%s/route/%d", p.path(), d.index)
	changes := []patch.Operation{patch.Test(path+"/destination/host", d.Destination.Host)}
	if d.Destination.Subset != "" {
		changes = append(changes, patch.Test(path+"/destination/subset", d.Destination.Subset))
	}
	if d.Weight != nil {
		changes = append(changes, patch.Test(path+"/weight", *d.Weight))
	}
	return append(changes, patch.Set(path+"/weight", weight))
}
