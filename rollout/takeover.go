package rollout

// takeOver makes what the source runs the stable revision, as it is: no pod is restarted. It says whether there is something
// to take over. A source without pods is only paused, and the first revision is installed as usual.
func (d *decision) takeOver() bool {
	s := d.o.Source
	if s == nil || s.Missing || s.Revision == "" {
		return false
	}
	w := d.o.workload(s.Revision)
	switch {
	case s.Taken && w.Revision != "":
		d.makeStable(s.Revision)
		d.moved = true
		d.event("TakenOver", "revision %s, which the Deployment runs, is stable", s.Revision)
		d.report(Progressing, "HandingOver", "revision %s, which the Deployment runs, is stable; handing the Services over to it", s.Revision)
	case !s.Settled && !s.Taken:
		d.report(Waiting, "SourceBusy", "the Deployment of spec.workloadRef is in the middle of a rollout of its own, and is taken over when that is done")
	default:
		d.report(Progressing, "TakingOver", "taking the pods of the Deployment over")
		d.wakeAt(d.o.Now.Add(d.o.Spec.ProgressDeadline))
	}
	return true
}

// keepSource takes the source over, and does so again if somebody let it go: it would make pods of its own.
func (d *decision) keepSource() {
	s := d.o.Source
	if s == nil || s.Missing || s.Taken || d.o.blocking(false) != nil {
		return
	}
	if s.Settled || d.next.Stable != "" {
		d.act(TakeOver{Why: "a paused Deployment leaves its pods to the Rollout"})
	}
}
