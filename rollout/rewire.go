package rollout

// outdated says whether the user wants something else to carry the traffic than what is in force. A release that is under way is
// taken back then: its Services and routes are only looked after as long as they are in force, and its plan is one for
// something else.
func (d *decision) outdated() bool {
	return d.o.Spec.Wiring.Mode != "" && d.next.Wiring != d.o.Spec.Wiring
}

// rewiring says whether what is in force can be given up: what the user wants instead has to be there before.
func (d *decision) rewiring() bool { return d.outdated() && d.o.blocking(true) == nil }

// rewire puts the new wiring in force, once nothing but stable is left and the old Services are let go of. It says whether
// that is all there is to do now.
func (d *decision) rewire() bool {
	if !d.rewiring() || !d.onlyStable() {
		return false
	}
	let, pending := d.letGo()
	switch {
	case !let:
		return false
	case len(pending) > 0:
		for _, action := range pending {
			d.act(action)
		}
		d.report(Progressing, "Rewiring", "revision %s is stable; letting go of the Services that spec.strategy no longer names", d.next.Stable)
		return true
	}
	d.event("Rewired", "from now on traffic is moved as spec.strategy says")
	d.report(Progressing, "Rewiring", "revision %s is stable; from now on traffic is moved as spec.strategy says", d.next.Stable)
	d.next.Wiring, d.next.Swapped, d.next.Ledger = d.o.Spec.Wiring, false, Ledger{}
	d.moved = true
	return true
}

// onlyStable says whether no other revision has pods: then it makes no difference to users which way they come.
func (d *decision) onlyStable() bool {
	for _, w := range d.o.Workloads {
		if w.Revision != d.next.Stable && (w.Replicas > 0 || w.Ready > 0) {
			return false
		}
	}
	return true
}

// letGo says whether the Services in force can be let go of, and what is left to do before.
func (d *decision) letGo() (possible bool, pending []Action) {
	if d.o.mode() == ByPods {
		return true, nil
	}
	if d.o.mode() == ByRoutes && !d.o.Stable.Missing && !d.next.Ledger.clear() {
		return false, nil
	}
	for _, b := range []struct {
		role Role
		Backend
	}{{StableRole, d.o.Stable}, {CanaryRole, d.o.Canary}} {
		switch {
		case b.Name == "" || b.Missing || b.Revision == "" || d.o.Spec.Wiring.names(b.Backend):
		case b.Revision != d.next.Stable:
			return false, nil
		default:
			pending = append(pending, Widen{Backend: b.role, Service: b.Name, SubsetOf: b.SubsetOf, Why: "spec.strategy no longer names it"})
		}
	}
	return true, pending
}

// names says whether a wiring keeps a backend, in whichever role.
func (w Wiring) names(b Backend) bool {
	return b.SubsetOf == w.SubsetsOf && (b.Name == w.Stable || b.Name == w.Canary)
}
