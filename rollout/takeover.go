package rollout

import "time"

// sourcePause is how often a source is looked at that isn't taken over: nobody watches it until then.
const sourcePause = 5 * time.Second

// takeOver makes what the source runs the stable revision, as it is: no pod is restarted. It says whether that is still to be
// done. A source without pods is taken over too, or it would make some, and then the first revision is installed as usual.
func (d *decision) takeOver() bool {
	s := d.o.Source
	switch {
	case s == nil || s.Missing || s.Taken && s.Revision == "":
		return false
	case s.Taken:
		d.makeStable(s.Revision)
		d.moved = true
		d.event("TakenOver", "revision %s, which the Deployment runs, is stable", s.Revision)
		d.report(Progressing, "HandingOver", "revision %s, which the Deployment runs, is stable; handing the Services over to it", s.Revision)
	case !s.Settled:
		d.report(Waiting, "SourceBusy", "the Deployment of spec.workloadRef is not taken over yet: %s", s.State)
		d.wakeAt(d.o.Now.Add(sourcePause))
	default:
		d.act(TakeOver{Why: "a paused Deployment leaves its pods to the Rollout"})
		d.report(Progressing, "TakingOver", "taking the pods of the Deployment over")
		d.wakeAt(d.o.Now.Add(d.o.Spec.ProgressDeadline))
	}
	return true
}

// keepSource takes the source over once more if somebody let it go: it would make pods of its own. One that is missing is
// looked for.
func (d *decision) keepSource() {
	s := d.o.Source
	switch {
	case s == nil:
	case s.Missing:
		d.wakeAt(d.o.Now.Add(sourcePause))
	case !s.Taken && (d.next.Stable != "" || d.next.Release != nil):
		d.act(TakeOver{Why: "somebody has let the Deployment go, and it would make pods of its own"})
	}
}
