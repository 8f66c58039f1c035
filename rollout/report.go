package rollout

import "fmt"

// stall says that it takes a person to go on.
func (d *decision) stall(reason, format string, args ...any) {
	r := &d.plan.Report
	r.Stalled, r.StalledReason, r.StalledMessage = true, reason, fmt.Sprintf(format, args...)
	if r.State == Progressing {
		r.State, r.Message = Degraded, r.StalledMessage
	}
}

// reportProblems puts what is wrong with the spec into the report. A release that is under way keeps its own words.
func (d *decision) reportProblems() {
	r := &d.plan.Report
	r.Available = d.available()
	if len(d.o.Problems) == 0 {
		return
	}
	problem := d.o.Problems[0]
	if r.Stalled {
		r.StalledMessage += "; besides, " + problem.Message
		return
	}
	r.Stalled, r.StalledReason, r.StalledMessage = true, problem.Reason, problem.Message
	switch {
	case r.State == Healthy, r.State == Progressing && d.next.Release == nil:
		r.State, r.Reason, r.Message = Degraded, problem.Reason, problem.Message
	case r.Reason == "Blocked":
		r.Reason, r.Message = problem.Reason, r.Message+": "+problem.Message
	}
}

// available says whether enough pods serve, whatever becomes of a release: stable's, or all of them where the number of
// pods is the share.
func (d *decision) available() bool {
	serving := d.o.workload(d.next.Stable).Available
	if d.o.mode() == ByPods {
		serving = 0
		for _, w := range d.o.Workloads {
			serving += w.Available
		}
	}
	return d.next.Stable != "" && serving >= max(d.o.Spec.Replicas-d.o.Spec.MaxUnavailable, min(1, d.o.Spec.Replicas))
}
