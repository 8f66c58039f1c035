package gateway

import "slices"

// balancer spreads requests over backends by weight and over a backend's endpoints in turn.
type balancer struct {
	weights []int
	current []int
	turn    []int
}

func newBalancer(weights []int) *balancer {
	return &balancer{weights: weights, current: make([]int, len(weights)), turn: make([]int, len(weights))}
}

// fits tells whether the balancer can go on where it is for these weights. Its position then survives a change of
// endpoints, as otherwise each new pod would favour the heaviest backend.
func (b *balancer) fits(weights []int) bool { return slices.Equal(b.weights, weights) }

// pick returns the index of the next backend, or -1 when no backend has a weight. It is the smooth weighted round
// robin of nginx: in any run of sum(weights) picks every backend comes exactly as often as its weight says, and a
// backend's picks are spread out evenly instead of coming in bursts.
func (b *balancer) pick() int {
	best, total := -1, 0
	for i, weight := range b.weights {
		if weight <= 0 {
			continue
		}
		b.current[i] += weight
		total += weight
		if best < 0 || b.current[i] > b.current[best] {
			best = i
		}
	}
	if best >= 0 {
		b.current[best] -= total
	}
	return best
}

// next returns which of n endpoints of the backend is next in turn; n is at least 1.
func (b *balancer) next(backend, n int) int {
	b.turn[backend] = (b.turn[backend] + 1) % n
	return b.turn[backend]
}
