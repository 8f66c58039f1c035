package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func resolveExample(t *testing.T, change func(*v1alpha1.Rollout)) resolved {
	t.Helper()
	r := exampleRollout(exampleTemplate)
	change(r)
	c := &Controller{Options: Options{Queries: Queries{Builtin: func(Built) (string, error) { return "up", nil }}}}
	return c.resolve(&world{object: r})
}

func TestDefaultsAreThoseOfADeployment(t *testing.T) {
	r := resolveExample(t, func(*v1alpha1.Rollout) {})
	require.Empty(t, r.problems)
	require.Equal(t, 1, r.spec.Replicas)
	require.Equal(t, 10*time.Minute, r.spec.ProgressDeadline)
	require.Equal(t, 10, r.spec.HistoryLimit)
	require.Equal(t, 1, r.spec.MaxSurge)
	require.Zero(t, r.spec.MaxUnavailable)
}

func TestSurgeAndUnavailabilityAreNeverBothZeroBecauseNothingCouldEverBeReplaced(t *testing.T) {
	zero := intstr.FromString("0%")
	r := resolveExample(t, func(r *v1alpha1.Rollout) {
		r.Spec.Strategy.Canary.MaxSurge, r.Spec.Strategy.Canary.MaxUnavailable = &zero, &zero
	})
	require.Equal(t, 1, r.spec.MaxSurge)
}

func TestAPauseOfZeroIsOverAtOnceAndOneWithoutDurationWaitsForAPerson(t *testing.T) {
	r := resolveExample(t, func(r *v1alpha1.Rollout) {
		r.Spec.Strategy.Canary.Steps = []v1alpha1.Step{
			{Pause: &v1alpha1.Pause{}}, {Pause: &v1alpha1.Pause{Duration: &metav1.Duration{}}},
		}
	})
	require.Zero(t, r.spec.Steps[0].Duration)
	require.Positive(t, r.spec.Steps[1].Duration)
}

func TestBadSpecsNameTheFieldAndTheWayOut(t *testing.T) {
	cases := map[string]struct {
		change  func(*v1alpha1.Rollout)
		reason  string
		message []string
	}{
		"labels that the selector doesn't match": {
			func(r *v1alpha1.Rollout) { r.Spec.Selector.MatchLabels["app"] = "other" },
			reasonInvalidSelector, []string{"spec.selector (app=other)", "spec.template.metadata.labels (app=checkout)", "make the labels match"},
		},
		"a template that is no pod template": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Template = v1alpha1.NewPodTemplate([]byte(`{"spec":{"containers":"none"}}`))
			},
			reasonInvalidTemplate, []string{"spec.template", "containers", "apply again"},
		},
		"a template that is no object": {
			func(r *v1alpha1.Rollout) { r.Spec.Template = v1alpha1.NewPodTemplate([]byte(`[]`)) },
			reasonInvalidTemplate, []string{"spec.template"},
		},
		"the engine's own label in the template": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Template = v1alpha1.NewPodTemplate([]byte(`{"metadata":{"labels":{"app":"checkout","pod-template-hash":"x"}}}`))
			},
			reasonInvalidTemplate, []string{"pod-template-hash", "remove it"},
		},
		"no strategy": {
			func(r *v1alpha1.Rollout) { r.Spec.Strategy.Canary = nil },
			reasonInvalidStrategy, []string{"spec.strategy"},
		},
		"a threshold that is no number": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Strategy.Canary.Analysis = &v1alpha1.Analysis{Metrics: []v1alpha1.Metric{{Name: "success-rate", Threshold: v1alpha1.Threshold{Min: "much"}}}}
			},
			reasonInvalidMetric, []string{"analysis.metrics[0] (success-rate)", `"much"`},
		},
		"a variable that doesn't exist": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Strategy.Canary.Analysis = &v1alpha1.Analysis{Metrics: []v1alpha1.Metric{
					{Name: "conversion", Query: `sum(x{v="{{version}}"})`, Threshold: v1alpha1.Threshold{Min: "1"}},
				}}
			},
			reasonInvalidMetric, []string{"analysis.metrics[0] (conversion)", "{{version}}", "{{revision}}"},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			problems := resolveExample(t, test.change).problems
			require.NotEmpty(t, problems)
			require.Equal(t, test.reason, problems[0].Reason)
			for _, part := range test.message {
				require.Contains(t, problems[0].Message, part)
			}
		})
	}
}

func TestTheOlderOfTwoRolloutsKeepsTheService(t *testing.T) {
	routed := func(name string, age int, stable, canary string) *v1alpha1.Rollout {
		r := exampleRollout(exampleTemplate)
		r.Name, r.UID = name, types.UID(name)
		r.CreationTimestamp = metav1.NewTime(time.Unix(int64(1000-age), 0))
		r.Spec.Strategy.Canary = &v1alpha1.Canary{StableService: stable, CanaryService: canary, TrafficRouting: &v1alpha1.TrafficRouting{}}
		return r
	}
	old, young := routed("old", 10, "a", "b"), routed("young", 5, "c", "a")
	all := []*v1alpha1.Rollout{old, young}
	require.Empty(t, claimedBy(old, all))
	require.Equal(t, `spec.strategy.canary.canaryService: Service "a" belongs to Rollout "old" (its stableService)`, claimedBy(young, all))
}

func TestAReferenceProblemIsToldFromABrokenSpec(t *testing.T) {
	c := &Controller{}
	r := exampleRollout(exampleTemplate)
	r.Spec.Strategy.Canary.Analysis = &v1alpha1.Analysis{Metrics: []v1alpha1.Metric{{Name: "success-rate", Threshold: v1alpha1.Threshold{Min: "1"}}}}
	problems := c.resolve(&world{object: r}).problems
	require.Equal(t, reasonNoMetricSource, problems[0].Reason)
	require.True(t, problems[0].Reference)
	require.Contains(t, problems[0].Message, "--prometheus-address")
	require.False(t, hasFatal([]rollout.Problem{problems[0]}))
}
