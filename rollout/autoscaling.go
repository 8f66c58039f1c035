package rollout

// Autoscaling is what an autoscaler is told, through the scale subresource, of the pods there are.
//
// An autoscaler takes the number for the size of what it scales: with an external metric it writes that very number to
// spec.replicas as long as the load is about right, and with the usage of pods it multiplies the mean by the number of pods it
// finds. Pods that a release has beyond replicas would make it ask for more at every release.
type Autoscaling struct {
	// Replicas is the number of pods, but no more than what was asked for.
	Replicas int
	// Revision whose pods carry the load, empty for those of all revisions.
	Revision Revision
}

// Autoscaling is what the status should say. Where a release moves traffic in shares, pods of both revisions carry the load; in
// mode BySelector only those do that the active Service reaches, and the others idle.
func (o Observed) Autoscaling() Autoscaling {
	a := Autoscaling{}
	if o.mode() == BySelector && o.workload(o.Stable.Revision).Revision != "" {
		a.Revision = o.Stable.Revision
	}
	for _, w := range o.Workloads {
		if a.Revision == "" || w.Revision == a.Revision {
			a.Replicas += w.Replicas
		}
	}
	a.Replicas = min(a.Replicas, o.Spec.Replicas)
	return a
}
