package controller

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// readStatus is the persisted status as the domain knows it.
func readStatus(s v1alpha1.RolloutStatus) rollout.Status {
	out := rollout.Status{Stable: s.StableRevision, Runs: s.Runs, Release: readRelease(s.Release), Held: s.Paused, UndoTo: s.UndoTo,
		Former: s.FormerRevisions}
	if r := s.Restart; r != nil {
		out.Restart = rollout.Restarting{At: r.At.Time, All: r.All, Until: timeOf(r.Until), Left: int(r.Left), Progress: timeOf(r.ProgressAt), Done: r.Done}
	}
	if t := s.Traffic; t != nil {
		out.Wiring, out.Swapped = readWiring(t.Wiring), t.Swapped
		out.Ledger = rollout.Ledger{
			Low: int(t.LowestCanaryWeight), High: int(t.CanaryWeight), Accepted: t.Accepted, Since: timeOf(t.Since),
			Rules: rollout.RuleNames(t.ManagedRoutes), Astray: t.ManagedRoutesAstray,
			Stable: rollout.Pointer{Revision: t.StableBackend, Since: timeOf(t.StableBackendSince)},
			Canary: rollout.Pointer{Revision: t.CanaryBackend, Since: timeOf(t.CanaryBackendSince)},
		}
	}
	if r := s.LastRequest; r != nil {
		out.Answer = rollout.Answer{ID: r.ID, Verb: rollout.Verb(r.Verb), Accepted: r.Outcome == v1alpha1.OutcomeAccepted,
			Message: r.Message, At: timeOf(r.At)}
	}
	return out
}

func readRelease(r *v1alpha1.Release) *rollout.Release {
	if r == nil {
		return nil
	}
	out := &rollout.Release{
		Run: r.Run, Revision: r.Revision, Phase: rollout.Phase(r.Phase), Step: int(r.StepIndex),
		Started: timeOf(r.StartedAt), StepStarted: timeOf(r.StepStartedAt), Deadline: timeOf(r.Deadline),
		ReadyHighWater: int(r.ReadyHighWater), WeightHighWater: int(r.WeightHighWater),
		Capacity:       rollout.Capacity{Endpoints: int(r.CapacityEndpoints), Since: timeOf(r.CapacityAt)},
		StableCapacity: rollout.Capacity{Endpoints: int(r.StableEndpoints), Since: timeOf(r.StableEndpointsAt)},
		ExposedAt:      timeOf(r.ExposedAt), Approved: r.Approved,
		Cause: rollout.Cause(r.Cause), CauseMessage: r.CauseMessage, AbortedAt: timeOf(r.AbortedAt),
	}
	for _, m := range r.Metrics {
		out.Metrics = append(out.Metrics, readRecord(m))
	}
	for _, g := range r.Gates {
		out.Gates = append(out.Gates, readGate(g))
	}
	return out
}

// newStatus is the status to persist. Conditions are added by the caller, since they depend on those there are.
func newStatus(w *world, plan rollout.Plan) v1alpha1.RolloutStatus {
	s := plan.Status
	out := v1alpha1.RolloutStatus{
		ObservedGeneration: w.object.Generation,
		Phase:              v1alpha1.Phase(plan.Report.State),
		Message:            plan.Report.Message,
		StableRevision:     s.Stable,
		Runs:               s.Runs,
		Release:            newRelease(s.Release),
		Step:               stepText(s.Release, len(w.observed.Spec.Steps)),
		Paused:             s.Held,
		UndoTo:             s.UndoTo,
		FormerRevisions:    s.Former,
		Restart:            newRestart(s.Restart),
		LastRequest:        newAnswer(s.Answer),
		Selector:           selectorText(w.template().selector),
		Revisions:          revisionStatuses(w, s),
		Traffic: &v1alpha1.Traffic{
			Wiring: newWiring(s.Wiring), Service: w.subsets.Service, Swapped: s.Swapped,
			CanaryWeight: int32(s.Ledger.High), LowestCanaryWeight: int32(s.Ledger.Low), Accepted: s.Ledger.Accepted,
			ManagedRoutes: s.Ledger.RuleList(), ManagedRoutesAstray: s.Ledger.Astray,
			Since:         microTime(s.Ledger.Since),
			StableBackend: s.Ledger.Stable.Revision, StableBackendSince: microTime(s.Ledger.Stable.Since),
			CanaryBackend: s.Ledger.Canary.Revision, CanaryBackendSince: microTime(s.Ledger.Canary.Since),
		},
	}
	for revision, set := range w.sets {
		out.Replicas += set.Status.Replicas
		out.ReadyReplicas += set.Status.ReadyReplicas
		out.AvailableReplicas += set.Status.AvailableReplicas
		if revision == w.observed.Spec.Target {
			out.UpdatedReplicas = set.Status.Replicas
		}
	}
	if w.source != nil && w.source.deployment != nil {
		out.WorkloadObservedGeneration = w.source.deployment.Generation
	}
	told := w.observed.Autoscaling()
	out.ServingReplicas, out.ServingSelector = count(told.Replicas), out.Selector
	if told.Revision != "" {
		out.ServingSelector = selectorText(w.template().selectorOf(told.Revision))
	}
	return out
}

func newAnswer(a rollout.Answer) *v1alpha1.RequestStatus {
	if a.ID == "" {
		return nil
	}
	outcome := v1alpha1.OutcomeRefused
	if a.Accepted {
		outcome = v1alpha1.OutcomeAccepted
	}
	return &v1alpha1.RequestStatus{ID: a.ID, Verb: v1alpha1.Verb(a.Verb), Outcome: outcome, Message: a.Message, At: microTime(a.At)}
}

func newRestart(r rollout.Restarting) *v1alpha1.RestartStatus {
	if r.At.IsZero() {
		return nil
	}
	return &v1alpha1.RestartStatus{At: metav1.NewMicroTime(r.At), All: r.All, Until: microTime(r.Until), Left: count(r.Left),
		ProgressAt: microTime(r.Progress), Done: r.Done}
}

func newRelease(r *rollout.Release) *v1alpha1.Release {
	if r == nil {
		return nil
	}
	out := &v1alpha1.Release{
		Run: r.Run, Revision: r.Revision, Phase: string(r.Phase), StepIndex: count(r.Step),
		StartedAt: microTime(r.Started), StepStartedAt: microTime(r.StepStarted), Deadline: microTime(r.Deadline),
		ReadyHighWater: count(r.ReadyHighWater), WeightHighWater: count(r.WeightHighWater),
		CapacityEndpoints: count(r.Capacity.Endpoints), CapacityAt: microTime(r.Capacity.Since),
		StableEndpoints: count(r.StableCapacity.Endpoints), StableEndpointsAt: microTime(r.StableCapacity.Since),
		ExposedAt: microTime(r.ExposedAt), Approved: r.Approved,
		Cause: string(r.Cause), CauseMessage: r.CauseMessage, AbortedAt: microTime(r.AbortedAt),
	}
	for _, m := range r.Metrics {
		out.Metrics = append(out.Metrics, newRecord(m))
	}
	for _, g := range r.Gates {
		out.Gates = append(out.Gates, newGate(g))
	}
	return out
}

// stepText is the position within the plan: the steps that are done, of all.
func stepText(r *rollout.Release, total int) string {
	if r == nil || total == 0 || r.Phase == rollout.Installing {
		return ""
	}
	return fmt.Sprintf("%d/%d", min(r.Step, total), total)
}

// revisionStatuses are the revisions that have pods or a role, newest first.
func revisionStatuses(w *world, s rollout.Status) []v1alpha1.RevisionStatus {
	var out []v1alpha1.RevisionStatus
	for _, load := range w.observed.Workloads {
		role := ""
		switch {
		case load.Revision == s.Stable:
			role = string(rollout.StableRole)
		case s.Release != nil && load.Revision == s.Release.Revision:
			role = underTest(s.Wiring)
		case load.Replicas == 0 && load.Ready == 0:
			continue
		}
		out = append(out, v1alpha1.RevisionStatus{Hash: load.Revision, Number: load.Number, Role: role,
			Replicas: count(load.Replicas), Ready: count(load.Ready)})
	}
	slices.SortFunc(out, func(a, b v1alpha1.RevisionStatus) int { return int(b.Number - a.Number) })
	return out
}

// underTest is the role of the revision under test, as people call it.
func underTest(w rollout.Wiring) string {
	if w.Mode == rollout.BySelector {
		return previewName
	}
	return string(rollout.CanaryRole)
}

// readRequest is what a person asked for. A request that can't be read becomes one that is refused, so that whoever wrote
// it gets an answer.
func readRequest(annotations map[string]string) *rollout.Request {
	r, err := v1alpha1.ReadRequest(annotations)
	if err != nil {
		return &rollout.Request{ID: annotations[v1alpha1.RequestAnnotation], Verb: "unreadable"}
	}
	if r == nil || r.ID == "" {
		return nil
	}
	return &rollout.Request{ID: r.ID, Verb: rollout.Verb(r.Verb), Revision: r.Revision, Step: int(r.Step)}
}

func count(n int) int32 { return int32(n) }

func timeOf(t *metav1.MicroTime) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

func microTime(t time.Time) *metav1.MicroTime {
	if t.IsZero() {
		return nil
	}
	out := metav1.NewMicroTime(t)
	return &out
}
