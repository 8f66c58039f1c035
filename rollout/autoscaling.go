package rollout

// Autoscaling is what an autoscaler is told through the scale subresource.
//
// With an external metric an autoscaler takes the number of pods that it is told for the size of what it scales, and as long as
// the load is about right it writes that very number to spec.replicas. Pods that a release has beyond replicas would make it ask
// for more at every release, and those that it lacks for a moment for fewer. So it is told what it asked for.
type Autoscaling struct {
	// Replicas is the number that it is told.
	Replicas int
	// Revision whose pods carry the load, empty for those of all revisions.
	Revision Revision
}

// Autoscaling is what the status should say. Where a release moves traffic in shares, pods of both revisions carry the load; in
// mode BySelector only those do that the active Service reaches, and the others idle.
func (o Observed) Autoscaling() Autoscaling {
	a := Autoscaling{Replicas: o.Spec.Replicas}
	if o.mode() == BySelector && o.workload(o.Stable.Revision).Revision != "" {
		a.Revision = o.Stable.Revision
	}
	return a
}
