package controller

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// readRecord is what was measured of a metric as the domain knows it.
func readRecord(m v1alpha1.MetricStatus) analysis.Record {
	out := analysis.Record{
		Metric: m.Name, Threshold: m.Threshold, DryRun: m.DryRun, Verdict: analysis.Verdict(m.Verdict), Text: m.Value, Message: m.Message,
		Requests: m.Requests, At: timeOf(m.MeasuredAt), Passes: int(m.Passes), Failures: int(m.Failures), Inconclusive: int(m.Inconclusive),
		NoData: int(m.NoData), Errors: int(m.Errors), Streak: int(m.Streak), FailureStreak: int(m.FailureStreak), ErrorStreak: int(m.ErrorStreak),
		Judged: int(m.Judged), JudgedSince: timeOf(m.JudgedSince),
	}
	for _, p := range m.Measurements {
		out.Recent = append(out.Recent, analysis.Point{At: p.At.Time, Verdict: analysis.Verdict(p.Verdict), Text: p.Value})
	}
	return out
}

// newRecord is what to persist of it.
func newRecord(r analysis.Record) v1alpha1.MetricStatus {
	out := v1alpha1.MetricStatus{
		Name: r.Metric, Threshold: r.Threshold, DryRun: r.DryRun, Verdict: string(r.Verdict), Value: r.Text, Message: r.Message,
		Requests: r.Requests, MeasuredAt: microTime(r.At), Passes: count(r.Passes), Failures: count(r.Failures), Inconclusive: count(r.Inconclusive),
		NoData: count(r.NoData), Errors: count(r.Errors), Streak: count(r.Streak), FailureStreak: count(r.FailureStreak), ErrorStreak: count(r.ErrorStreak),
		Judged: count(r.Judged), JudgedSince: microTime(r.JudgedSince),
	}
	for _, p := range r.Recent {
		out.Measurements = append(out.Measurements, v1alpha1.MeasurementStatus{At: metav1.NewMicroTime(p.At), Verdict: string(p.Verdict), Value: p.Text})
	}
	return out
}
