// Package traffic says what a split is, how it is rounded, and what a router must be able to do. It knows no API.
package traffic

// Pair names the two backends that a release moves traffic between: Services in the Rollout's namespace, or subsets of one.
type Pair struct {
	Stable string
	Canary string
	// SubsetsOf names the object that declares the two as subsets of one Service; empty if each is a Service.
	SubsetsOf string
	// SubsetsIn is the namespace of that object; empty for the Rollout's.
	SubsetsIn string
}

// Range is the share of the canary backend as read back, in percent. Low and High differ while routes disagree, for
// example after a crash between two writes. Stable has what is left to 100.
type Range struct {
	Low, High int
}

// Exactly says whether every route gives the canary backend this share.
func (r Range) Exactly(percent int) bool { return r.Low == percent && r.High == percent }

// Weights are the two numbers to write for a pair of backends so that the canary has the share percent of their sum.
// Other backends of the same rule keep theirs: total is the sum that the pair has now. A total below 1 stands for 100.
//
// A share strictly between 0 and 100 never becomes none or all of the total unless the total is 1, where it becomes none:
// a canary without traffic waits visibly, a stable without traffic is an outage.
func Weights(percent, total int) (stable, canary int) {
	if total < 1 {
		total = 100
	}
	canary = (total*percent + 50) / 100
	if percent > 0 && canary == 0 && total > 1 {
		canary = 1
	}
	if percent < 100 && canary == total {
		canary = total - 1
	}
	return total - canary, canary
}

// Share is the canary's share in percent of what the pair gets, rounded to the nearest, but never to 0 or 100 unless it
// is exactly that: a trickle to a backend is not none. Without any weight at all nothing flows and the share is 0.
func Share(stable, canary int) int {
	total := stable + canary
	if total == 0 || canary == 0 {
		return 0
	}
	if stable == 0 {
		return 100
	}
	return min(max((200*canary+total)/(2*total), 1), 99)
}

// RuleWeights are the weights of a pair in one rule of a route.
type RuleWeights struct {
	Stable, Canary int
	// Shared: the rule has other backends too. They keep their weights, so the pair has to keep its sum.
	Shared bool
}

// Share is the canary's share in percent.
func (w RuleWeights) Share() int { return Share(w.Stable, w.Canary) }

// Coarse says that there are shares that the rule can't carry: a sum of 2 makes half of the traffic out of 5%.
func (w RuleWeights) Coarse() bool {
	total := w.Stable + w.Canary
	return w.Shared && 0 < total && total < 100
}

// With are the weights that give the canary a share in percent. They are the same if it has it. It is false if the rule can't carry
// that share.
func (w RuleWeights) With(percent int) (RuleWeights, bool) {
	if w.Share() == percent {
		return w, true
	}
	total := 100
	if w.Shared {
		total = w.Stable + w.Canary
	}
	next := RuleWeights{Shared: w.Shared}
	next.Stable, next.Canary = Weights(percent, total)
	return next, next.Share() == percent
}
