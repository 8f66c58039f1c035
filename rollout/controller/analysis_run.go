package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/client"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// defaultRunTimeout is how long an analysis on its own waits for a verdict, in seconds.
const defaultRunTimeout = 600

// Analyses carries out the AnalysisRuns that people make, one pass over one of them at a time; it is an engine.Reconciler. The
// status is written when the verdict changes and at the end, not at every measurement.
type Analyses struct {
	// Runs reaches the AnalysisRuns; Caches show them, and the templates.
	Runs   client.Client
	Caches *Caches
	// Measurer is one of its own: a Rollout may have the same name.
	Measurer *Measurer
	Queries  Queries
	Log      *zap.Logger

	mu sync.Mutex
	// records are what was measured for each, for as long as it is under way; follows mu. A controller that is restarted
	// measures anew: nothing but time is lost.
	records map[engine.Key][]analysis.Record
}

// Reconcile takes up what was measured and says what to measure next.
func (a *Analyses) Reconcile(ctx context.Context, key engine.Key) (time.Time, error) {
	run, there := a.Caches.AnalysisRuns.Get(key)
	now := time.Now().Truncate(time.Microsecond)
	switch {
	case !there || run.DeletionTimestamp != nil:
		a.forget(key)
		return time.Time{}, nil
	case run.Spec.Analysis == nil || run.Finished():
		a.forget(key)
		return a.expire(ctx, run, now)
	case run.Status.StartedAt == nil:
		return time.Time{}, a.write(ctx, run, v1alpha1.AnalysisRunStatus{Phase: v1alpha1.RunRunning, Message: "nothing has been measured yet", StartedAt: microTime(now)})
	}
	started := run.Status.StartedAt.Time
	end := started.Add(seconds(run.Spec.TimeoutSeconds, defaultRunTimeout))
	metrics, mistakes := a.metrics(run)
	records := a.fold(key, metrics, started)
	conclusion := conclude(run, analysis.Conclude(records, metrics, started), mistakes, end.Sub(started), !now.Before(end))
	over := conclusion.Condemned || conclusion.Verdict == analysis.Pass
	if over || changed(run.Status.Metrics, records) {
		if err := a.write(ctx, run, runStatus(run, conclusion, records, over, now)); err != nil {
			return time.Time{}, err
		}
	}
	if over {
		a.forget(key)
		return time.Time{}, nil
	}
	a.Measurer.Want(key, measureOf(metrics, records, started))
	return end, nil
}

// conclude is what the measurements say, unless something else ends the analysis: a person, a mistake in it, or the time it has.
func conclude(run *v1alpha1.AnalysisRun, measured analysis.Conclusion, mistakes []string, patience time.Duration, late bool) analysis.Conclusion {
	switch {
	case run.Spec.Cancel:
		return analysis.Conclusion{Condemned: true, Reason: "cancelled by spec.cancel"}
	case len(mistakes) > 0:
		return analysis.Conclusion{Verdict: analysis.Error, Condemned: true, Reason: strings.Join(mistakes, "; ")}
	case late && measured.Verdict != analysis.Pass && !measured.Condemned:
		measured.Condemned = true
		measured.Reason = fmt.Sprintf("no verdict within %s: %s", patience, measured.Reason)
	}
	return measured
}

func runStatus(run *v1alpha1.AnalysisRun, c analysis.Conclusion, records []analysis.Record, over bool, now time.Time) v1alpha1.AnalysisRunStatus {
	next := v1alpha1.AnalysisRunStatus{Phase: v1alpha1.RunRunning, Message: c.Reason, StartedAt: run.Status.StartedAt}
	if over {
		next.Phase, next.FinishedAt = phaseOf(c), microTime(now)
	}
	for _, r := range records {
		next.Metrics = append(next.Metrics, newRecord(r))
	}
	return next
}

// changed says whether a metric has another verdict than the status says.
func changed(before []v1alpha1.MetricStatus, after []analysis.Record) bool {
	return slices.ContainsFunc(after, func(r analysis.Record) bool {
		return r.Verdict != "" && !slices.ContainsFunc(before, func(m v1alpha1.MetricStatus) bool {
			return m.Name == r.Metric && m.Verdict == string(r.Verdict)
		})
	})
}

// metrics are those of an analysis, or what is wrong with it.
func (a *Analyses) metrics(run *v1alpha1.AnalysisRun) ([]analysis.Metric, []string) {
	r := &resolved{spec: rollout.Spec{Wiring: rollout.Wiring{Mode: rollout.ByRoutes}}}
	queries := a.Queries
	queries.owner = *metav1.NewControllerRef(run, v1alpha1.GroupVersion.WithKind("AnalysisRun"))
	reader := metricReader{resolved: r, queries: queries, shelf: a.Caches, namespace: run.Namespace,
		subject: subject{variables: map[string]string{"namespace": run.Namespace, "name": run.Name}}}
	metrics := reader.read("spec.analysis", run.Spec.Analysis)
	var mistakes []string
	for _, p := range r.problems {
		mistakes = append(mistakes, p.Message)
	}
	return metrics, mistakes
}

// fold adds what was measured to the records.
func (a *Analyses) fold(key engine.Key, metrics []analysis.Metric, started time.Time) []analysis.Record {
	results := a.Measurer.Results(key)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.records == nil {
		a.records = map[engine.Key][]analysis.Record{}
	}
	var records []analysis.Record
	for _, m := range metrics {
		record := analysis.Record{Metric: m.Name}
		if known := slices.IndexFunc(a.records[key], func(r analysis.Record) bool { return r.Metric == m.Name }); known >= 0 {
			record = a.records[key][known]
		}
		if record.Threshold, record.DryRun = m.Wanted(), m.DryRun; m.Count > 1 {
			record = record.Under(started)
		}
		for _, result := range results {
			if result.Metric == m.Name {
				record = record.Add(result)
			}
		}
		records = append(records, record)
	}
	a.records[key] = records
	return records
}

func measureOf(metrics []analysis.Metric, records []analysis.Record, started time.Time) *rollout.Measure {
	m := &rollout.Measure{Metrics: metrics, Last: map[string]time.Time{}, From: map[string]time.Time{}}
	for i, metric := range metrics {
		m.Last[metric.Name], m.From[metric.Name] = records[i].At, started.Add(metric.InitialDelay)
	}
	return m
}

// expire deletes what is over for long enough.
func (a *Analyses) expire(ctx context.Context, run *v1alpha1.AnalysisRun, now time.Time) (time.Time, error) {
	ttl := run.Spec.TTLSecondsAfterFinished
	if ttl == nil || run.Status.FinishedAt == nil {
		return time.Time{}, nil
	}
	end := run.Status.FinishedAt.Add(time.Duration(*ttl) * time.Second)
	if now.Before(end) {
		return end, nil
	}
	err := a.Runs.AnalysisRuns(run.Namespace).Delete(ctx, run.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &run.UID}})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return time.Time{}, fmt.Errorf("delete AnalysisRun %s: %w", keyOf(run), err)
	}
	return time.Time{}, nil
}

func (a *Analyses) write(ctx context.Context, run *v1alpha1.AnalysisRun, next v1alpha1.AnalysisRunStatus) error {
	next.ObservedGeneration = run.Generation
	object := run.DeepCopy()
	object.Status = next
	_, err := a.Runs.AnalysisRuns(run.Namespace).UpdateStatus(ctx, object, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // What was written meanwhile brings it back.
	}
	if err != nil {
		return fmt.Errorf("write the status of AnalysisRun %s: %w", keyOf(run), err)
	}
	if next.FinishedAt != nil {
		a.Log.Info("analysis is over", zap.Stringer("analysisRun", keyOf(run)), zap.String("phase", next.Phase), zap.String("message", next.Message))
	}
	return nil
}

func (a *Analyses) forget(key engine.Key) {
	a.Measurer.Want(key, nil)
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.records, key)
}

var _ engine.Reconciler = (*Analyses)(nil)
