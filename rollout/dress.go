package rollout

// dress puts on pods what their role asks for besides the template, labels for example. It changes no identity and restarts
// nothing, so it may happen at any time.
func (d *decision) dress() {
	stable := d.o.workload(d.next.Stable)
	if stable.Revision != "" && stable.Look != d.o.Spec.StableLook {
		d.act(Dress{Revision: stable.Revision, Role: StableRole, Why: "it is stable"})
	}
	if release := d.next.Release; release != nil && release.Revision != d.next.Stable {
		if w := d.o.workload(release.Revision); w.Revision != "" && w.Look != d.o.Spec.CanaryLook {
			d.act(Dress{Revision: w.Revision, Role: CanaryRole, Why: "it is under test"})
		}
	}
}
