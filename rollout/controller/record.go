package controller

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// reasonWriteFailed is the reason of a Stalled condition while a write fails.
const reasonWriteFailed = "WriteFailed"

// talkPause is how long a change of words and counts alone may wait after the last write of a status. Many of them follow
// one another within milliseconds, and nobody reads that fast.
const talkPause = time.Second

// passPause is how long a measurement that passed like the one before it may wait to be written: with several metrics every one
// would else cost a write of its own. Nothing is lost with it, since what isn't persisted is measured again.
const passPause = 10 * time.Second

// writeStatus persists the plan's status if it differs from what is there. What the status says of the world was observed,
// so it holds also when an action failed; the failure is added to it. A change that decides nothing may be put off: then it
// returns when to write it.
func (c *Controller) writeStatus(ctx context.Context, w *world, plan rollout.Plan, failed error) (time.Time, error) {
	next := newStatus(w, plan)
	if failed != nil {
		next.Message = failed.Error()
	}
	next.Conditions = append([]metav1.Condition(nil), w.object.Status.Conditions...)
	for _, condition := range conditions(plan.Report, failed) {
		condition.ObservedGeneration = w.object.Generation
		condition.LastTransitionTime = metav1.NewTime(w.observed.Now.Truncate(time.Second))
		meta.SetStatusCondition(&next.Conditions, condition)
	}
	if !c.tellReceived(w, &next, plan.Status) {
		return time.Time{}, nil
	}
	if due := dueAt(w, next, c.written.last(w.key)); w.observed.Now.Before(due) {
		return due, nil
	}
	object := w.object.DeepCopy()
	object.Status = next
	after, err := c.Rollouts.Rollouts(w.key.Namespace).UpdateStatus(ctx, object, metav1.UpdateOptions{})
	if err != nil {
		return time.Time{}, err
	}
	c.written.note(w.key, w.observed.Now)
	c.ownWrites.Wrote(w.key, c.Caches.Rollouts, after.ResourceVersion)
	return time.Time{}, nil
}

// dueAt is when a status has to be written after the last write; zero for at once.
func dueAt(w *world, next v1alpha1.RolloutStatus, last time.Time) time.Time {
	before := w.object.Status
	if !apiequality.Semantic.DeepEqual(substance(next), substance(before)) {
		return time.Time{}
	}
	due := last.Add(talkPause)
	if len(w.observed.Measurements) == 0 || !apiequality.Semantic.DeepEqual(withoutPasses(next), withoutPasses(before)) {
		return due
	}
	oldest := slices.MinFunc(w.observed.Measurements, func(a, b analysis.Measurement) int { return a.At.Compare(b.At) })
	return later(due, oldest.At.Add(passPause))
}

// withoutPasses is a status without what every further pass of a metric changes, and without the share that is received, which is
// never a reason to write. A metric that passed for the first time, or again, and every failure in between, stay.
func withoutPasses(s v1alpha1.RolloutStatus) v1alpha1.RolloutStatus {
	out := *s.DeepCopy()
	if t := out.Traffic; t != nil {
		t.Received = nil
	}
	if out.Release == nil {
		return out
	}
	for i := range out.Release.Metrics {
		if m := &out.Release.Metrics[i]; m.Verdict == string(analysis.Pass) {
			m.Value, m.MeasuredAt, m.Requests, m.Measurements = "", nil, 0, nil
			m.Passes, m.Streak, m.Judged = 0, 0, 0
		}
	}
	return out
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// substance is a status without what no decision and no program depends on: words, counts of pods, measurements that
// changed nothing, and what the next pass sets again: a deadline, and how far a restart is. An autoscaler reads
// servingReplicas.
func substance(s v1alpha1.RolloutStatus) v1alpha1.RolloutStatus {
	out := *s.DeepCopy()
	out.Message, out.Revisions = "", nil
	out.Replicas, out.UpdatedReplicas, out.ReadyReplicas, out.AvailableReplicas = 0, 0, 0, 0
	if r := out.Release; r != nil {
		r.Metrics, r.Deadline, r.ReadyHighWater = nil, nil, 0
		for i, g := range r.Gates {
			if !g.Waived && (g.Verdict == string(analysis.Inconclusive) || g.Verdict == string(analysis.Error)) {
				r.Gates[i] = v1alpha1.GateStatus{Name: g.Name, Since: g.Since}
			}
		}
	}
	if t := out.Traffic; t != nil {
		t.Received = nil
	}
	if r := out.Restart; r != nil {
		r.Left, r.ProgressAt = 0, nil
	}
	for i := range out.Conditions {
		if out.Conditions[i].Type != v1alpha1.ConditionStalled {
			out.Conditions[i].Reason, out.Conditions[i].Message = "", ""
		}
	}
	return out
}

// writeTimes remembers when the status of each Rollout was last written.
type writeTimes struct {
	mu    sync.Mutex
	times map[engine.Key]time.Time // follows mu
}

func (t *writeTimes) last(key engine.Key) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.times[key]
}

func (t *writeTimes) note(key engine.Key, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.times[key] = at
}

func (t *writeTimes) forget(key engine.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.times, key)
}

// conditions follow kstatus: Ready says that the spec is reached, Reconciling that the engine works on it, Stalled that
// it takes somebody else.
func conditions(r rollout.Report, failed error) []metav1.Condition {
	stalled, reason, message := r.Stalled, r.StalledReason, r.StalledMessage
	if failed != nil {
		stalled, reason, message = true, reasonWriteFailed, failed.Error()
	}
	if !stalled {
		reason, message = r.Reason, "nothing stands in the way"
	}
	ready := r.State == rollout.Healthy
	reconciling := r.State == rollout.Progressing || r.State == rollout.Waiting
	availability := "enough pods of the stable revision are available"
	if !r.Available {
		availability = "too few pods of the stable revision are available"
	}
	return []metav1.Condition{
		{Type: v1alpha1.ConditionReady, Status: status(ready), Reason: r.Reason, Message: r.Message},
		{Type: v1alpha1.ConditionReconciling, Status: status(reconciling), Reason: r.Reason, Message: r.Message},
		{Type: v1alpha1.ConditionStalled, Status: status(stalled), Reason: reason, Message: message},
		{Type: v1alpha1.ConditionAvailable, Status: status(r.Available), Reason: "Pods", Message: availability},
	}
}

func status(is bool) metav1.ConditionStatus {
	if is {
		return metav1.ConditionTrue
	}
	return metav1.ConditionFalse
}

// tell makes events and log lines of what happened; done are the actions that changed something. It runs after the status was
// written, so that nothing is told twice.
func (c *Controller) tell(w *world, plan rollout.Plan, done []rollout.Action, failed error) {
	log := c.Log.With(zap.Stringer("rollout", w.key))
	if failed != nil {
		done = nil
	}
	for _, action := range done {
		log.Info(action.String())
	}
	for _, event := range plan.Events {
		kind := corev1.EventTypeNormal
		if event.Warning {
			kind = corev1.EventTypeWarning
		}
		log.Info(event.Message, zap.String("reason", event.Reason))
		c.Events.Event(w.object, kind, event.Reason, event.Message)
	}
	c.tellStalled(w, plan, failed)
	c.tellActions(w, done)
}

// tellActions makes an event of every change that people look for: where the traffic goes, new revisions, and pods that are
// replaced.
func (c *Controller) tellActions(w *world, actions []rollout.Action) {
	tell := func(reason, format string, args ...any) {
		c.Events.Eventf(w.object, corev1.EventTypeNormal, reason, format, args...)
	}
	for _, action := range actions {
		switch a := action.(type) {
		case rollout.CreateWorkload:
			tell("RevisionCreated", "revision %s is number %d", a.Revision, a.Number)
		case rollout.Shift:
			tell("WeightChanged", "canary weight is %d: %s", a.Percent, a.Why)
		case rollout.Point:
			tell("ServicePointed", "the %s reaches revision %s: %s", backendText(w.backendName(a.Backend), a.Service, a.SubsetOf), a.Revision, a.Why)
		case rollout.Widen:
			tell("ServiceReleased", "the %s reaches the pods of every revision, as before the Rollout had it: %s",
				backendText(w.backendName(a.Backend), a.Service, a.SubsetOf), a.Why)
		case rollout.Evict:
			tell("PodsEvicted", "up to %d pods of revision %s are replaced: %s", a.Pods, a.Revision, a.Why)
		}
	}
}

// tellStalled makes an event when something begins to stand in the way, or something else does than before, unless the plan
// has just told it.
func (c *Controller) tellStalled(w *world, plan rollout.Plan, failed error) {
	reason, message := plan.Report.StalledReason, plan.Report.StalledMessage
	if failed != nil {
		reason, message = reasonWriteFailed, failed.Error()
	}
	if reason == "" {
		return
	}
	before := meta.FindStatusCondition(w.object.Status.Conditions, v1alpha1.ConditionStalled)
	known := before != nil && before.Status == metav1.ConditionTrue && before.Message == message
	told := slices.ContainsFunc(plan.Events, func(e rollout.Event) bool { return e.Warning })
	if known || told {
		return
	}
	c.Events.Event(w.object, corev1.EventTypeWarning, reason, message)
	c.Log.Warn(message, zap.Stringer("rollout", w.key), zap.String("reason", reason))
}
