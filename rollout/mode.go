package rollout

// way moves traffic in one mode. All of them keep the invariants, each in its own order.
type way interface {
	// give makes the revision under test have a share of the traffic, in percent, and says whether it has.
	give(weight int) bool
	// takeBack works towards a revision under test without traffic and says whether it is drained.
	takeBack() bool
	// converge makes stable serve everything and then removes the pods of other revisions; it says whether all of that is
	// done.
	converge() bool
}

// wiring is what is in force: what the status says, and in the beginning what the user wants.
func (o Observed) wiring() Wiring {
	if o.Status.Wiring.Mode == "" {
		return o.Spec.Wiring
	}
	return o.Status.Wiring
}

// mode is what carries the traffic.
func (o Observed) mode() Mode { return o.wiring().Mode }

// way is the one for the mode in force.
func (d *decision) way() way {
	switch d.o.mode() {
	case ByPods:
		return byPods{d}
	case BySelector:
		return bySelector{d}
	case ByRoutes:
	}
	return byRoutes{d}
}
