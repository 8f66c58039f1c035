package controller

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// withQueries is a Controller that has somebody to ask. The query of a built-in metric is the Service it is about, and its gateway serves HTTPRoutes.
func withQueries() *Controller {
	return &Controller{Options: Options{Queries: exampleQueries()}}
}

func exampleQueries() Queries {
	return Queries{
		Builtin: func(b Built) (string, error) { return b.Service, nil },
		Counts:  func(b Built) (string, error) { return "requests to " + b.Service, nil },
		TellsApart: func(_ string, routes []string) error {
			if slices.Contains(routes, httpRouteKind) {
				return nil
			}
			return errors.New("it is about an HTTPRoute")
		},
	}
}

func resolveExample(t *testing.T, change func(*v1alpha1.Rollout)) resolved {
	t.Helper()
	r := exampleRollout(exampleTemplate)
	change(r)
	return withQueries().resolve(&world{object: r, observed: rollout.Observed{Status: readStatus(r.Status)}})
}

// resolveWith resolves the analyses of the example with templates.
func resolveWith(t *testing.T, shelf library, change func(*v1alpha1.Rollout)) resolved {
	t.Helper()
	o := exampleRollout(exampleTemplate)
	change(o)
	r := resolved{spec: rollout.Spec{Wiring: wiringOf(o.Spec.Strategy)}}
	r.resolveStrategy(o.Spec.Strategy, rollout.Wiring{})
	r.resolveAnalysis(exampleQueries(), shelf, &world{object: o})
	return r
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
			reasonInvalidStrategy, []string{"spec.strategy", "blueGreen"},
		},
		"two strategies": {
			func(r *v1alpha1.Rollout) { r.Spec.Strategy.BlueGreen = &v1alpha1.BlueGreen{ActiveService: "a"} },
			reasonInvalidStrategy, []string{"spec.strategy", "either"},
		},
		"a setCanaryScale that says nothing": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Strategy.Canary.Steps = []v1alpha1.Step{{SetCanaryScale: &v1alpha1.CanaryScale{MatchTrafficWeight: new(false)}}}
			},
			reasonInvalidStrategy, []string{"spec.strategy.canary.steps[0].setCanaryScale.matchTrafficWeight", "set it to true"},
		},
		"a maxSurge of blue-green that is none": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Strategy = v1alpha1.Strategy{BlueGreen: &v1alpha1.BlueGreen{ActiveService: "a", MaxSurge: new(intstr.FromString("much"))}}
			},
			reasonInvalidStrategy, []string{"spec.strategy.blueGreen.maxSurge", `"much"`},
		},
		"a built-in metric before the switch": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Strategy = v1alpha1.Strategy{BlueGreen: &v1alpha1.BlueGreen{ActiveService: "a", PreviewService: "p", PrePromotionAnalysis: builtIn()}}
			},
			reasonInvalidMetric, []string{"spec.strategy.blueGreen.prePromotionAnalysis.metrics[0] (latency)", "query of its own"},
		},
		"a built-in metric after the switch": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Strategy = v1alpha1.Strategy{BlueGreen: &v1alpha1.BlueGreen{ActiveService: "a", PostPromotionAnalysis: builtIn()}}
			},
			reasonInvalidMetric, []string{"spec.strategy.blueGreen.postPromotionAnalysis.metrics[0] (latency)", "query of its own"},
		},
		"a built-in metric without routes": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Strategy.Canary.Analysis = &v1alpha1.BackgroundAnalysis{Analysis: *builtIn()}
			},
			reasonInvalidMetric, []string{"spec.strategy.canary.analysis.metrics[0] (latency)", "trafficRouting"},
		},
		"a route that is named twice": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Strategy.Canary = meshed()
				r.Spec.Strategy.Canary.TrafficRouting.Istio.VirtualServices[1].Namespace = "mesh"
			},
			reasonInvalidStrategy, []string{"spec.strategy.canary.trafficRouting.istio.virtualServices names VirtualService mesh/checkout twice", "name it once"},
		},
		"a built-in metric with VirtualServices alone": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Strategy.Canary = meshed()
				r.Spec.Strategy.Canary.TrafficRouting.GatewayAPI = nil
				r.Spec.Strategy.Canary.Analysis = &v1alpha1.BackgroundAnalysis{Analysis: *builtIn()}
			},
			reasonInvalidMetric, []string{"spec.strategy.canary.analysis.metrics[0] (latency)", "it is about an HTTPRoute"},
		},
		"a query that asks about a preview that there is not": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Strategy = v1alpha1.Strategy{BlueGreen: &v1alpha1.BlueGreen{ActiveService: "a", PrePromotionAnalysis: asking(`x{s="{{service}}"}`)}}
			},
			reasonInvalidMetric, []string{"{{service}}", "{{stableService}}"},
		},
		"a label that the template has too": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Strategy.Canary.CanaryMetadata = &v1alpha1.PodMetadata{Labels: map[string]string{"app": "checkout"}}
			},
			reasonInvalidStrategy, []string{"spec.strategy.canary.canaryMetadata.labels sets app", "spec.template.metadata.labels has too"},
		},
		"a label that the selector speaks of": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Selector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "role", Operator: metav1.LabelSelectorOpDoesNotExist}}
				r.Spec.Strategy.Canary.CanaryMetadata = &v1alpha1.PodMetadata{Labels: map[string]string{"role": "canary"}}
			},
			reasonInvalidStrategy, []string{"spec.strategy.canary.canaryMetadata.labels sets role", "the selector has too"},
		},
		"a label that no pod can have": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Strategy = v1alpha1.Strategy{BlueGreen: &v1alpha1.BlueGreen{ActiveService: "a",
					ActiveMetadata: &v1alpha1.PodMetadata{Labels: map[string]string{"role": "in charge"}}}}
			},
			reasonInvalidStrategy, []string{"spec.strategy.blueGreen.activeMetadata.labels", `"in charge"`},
		},
		"an annotation that no pod can have": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Strategy.Canary.StableMetadata = &v1alpha1.PodMetadata{Annotations: map[string]string{"a b": "c"}}
			},
			reasonInvalidStrategy, []string{"spec.strategy.canary.stableMetadata.annotations", "a b"},
		},
		"a threshold that is no number": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Strategy.Canary = routed("stable", "canary")
				r.Spec.Strategy.Canary.Analysis = &v1alpha1.BackgroundAnalysis{Analysis: v1alpha1.Analysis{Metrics: []v1alpha1.Metric{{Name: "success-rate", Threshold: &v1alpha1.Threshold{Min: "much"}}}}}
			},
			reasonInvalidMetric, []string{"analysis.metrics[0] (success-rate)", `"much"`},
		},
		"a variable that doesn't exist": {
			func(r *v1alpha1.Rollout) {
				r.Spec.Strategy.Canary.Analysis = &v1alpha1.BackgroundAnalysis{Analysis: v1alpha1.Analysis{Metrics: []v1alpha1.Metric{
					{Name: "conversion", Query: `sum(x{v="{{version}}"})`, Threshold: &v1alpha1.Threshold{Min: "1"}},
				}}}
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

func TestAReferenceProblemIsToldFromABrokenSpec(t *testing.T) {
	c := &Controller{}
	r := exampleRollout(exampleTemplate)
	r.Spec.Strategy.Canary.Analysis = &v1alpha1.BackgroundAnalysis{Analysis: v1alpha1.Analysis{Metrics: []v1alpha1.Metric{{Name: "success-rate", Threshold: &v1alpha1.Threshold{Min: "1"}}}}}
	problems := c.resolve(&world{object: r}).problems
	require.Equal(t, reasonNoMetricSource, problems[0].Reason)
	require.True(t, problems[0].Reference)
	require.Contains(t, problems[0].Message, "--prometheus-address")
	require.False(t, hasFatal([]rollout.Problem{problems[0]}))
}

func builtIn() *v1alpha1.Analysis {
	return &v1alpha1.Analysis{Metrics: []v1alpha1.Metric{{Name: "latency", Threshold: &v1alpha1.Threshold{Max: "1s"}}}}
}

func asking(query string) *v1alpha1.Analysis {
	return &v1alpha1.Analysis{Metrics: []v1alpha1.Metric{{Name: "conversion", Query: query, Threshold: &v1alpha1.Threshold{Min: "1"}}}}
}

func TestBlueGreenJudgesThePreviewAndThenPausesAsTheUserSays(t *testing.T) {
	pre, queried := asking("x"), rollout.Step{Kind: rollout.Judge}
	for name, c := range map[string]struct {
		blueGreen v1alpha1.BlueGreen
		steps     []rollout.Step
	}{
		"nothing before the switch": {v1alpha1.BlueGreen{}, nil},
		"promotion by a person":     {v1alpha1.BlueGreen{AutoPromotionEnabled: new(false)}, []rollout.Step{{Kind: rollout.Pause}}},
		"promotion after a minute":  {v1alpha1.BlueGreen{AutoPromotionSeconds: 60, AutoPromotionEnabled: new(true)}, []rollout.Step{{Kind: rollout.Pause, Duration: time.Minute}}},
		"analysis":                  {v1alpha1.BlueGreen{PrePromotionAnalysis: pre}, []rollout.Step{queried}},
		"analysis and a pause":      {v1alpha1.BlueGreen{PrePromotionAnalysis: pre, AutoPromotionSeconds: 60}, []rollout.Step{queried, {Kind: rollout.Pause, Duration: time.Minute}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := resolveExample(t, func(r *v1alpha1.Rollout) {
				c.blueGreen.ActiveService = "active"
				r.Spec.Strategy = v1alpha1.Strategy{BlueGreen: &c.blueGreen}
			})
			require.Empty(t, r.problems)
			for i := range r.spec.Steps {
				if r.spec.Steps[i].Kind == rollout.Judge {
					require.Len(t, r.spec.Steps[i].Metrics, 1)
					r.spec.Steps[i].Metrics = nil
				}
			}
			require.Equal(t, c.steps, r.spec.Steps)
		})
	}
}

func TestBlueGreenHasItsOwnDefaultsAndSettings(t *testing.T) {
	r := resolveExample(t, func(r *v1alpha1.Rollout) {
		r.Spec.Strategy = v1alpha1.Strategy{BlueGreen: &v1alpha1.BlueGreen{ActiveService: "active"}}
	})
	require.Equal(t, rollout.Wiring{Mode: rollout.BySelector, Stable: "active"}, r.spec.Wiring)
	require.Equal(t, 30*time.Second, r.spec.ScaleDownDelay)
	require.Equal(t, 30*time.Second, r.spec.AbortScaleDownDelay)
	require.Equal(t, 3*time.Second, r.spec.Settle)
	require.Equal(t, 10*time.Second, r.spec.Drain)
	require.Equal(t, 1, r.spec.MaxSurge)
	require.Zero(t, r.spec.PreviewReplicas)

	r = resolveExample(t, func(r *v1alpha1.Rollout) {
		r.Spec.Replicas = new(int32(8))
		r.Spec.Strategy = v1alpha1.Strategy{BlueGreen: &v1alpha1.BlueGreen{
			ActiveService: "active", PreviewService: "preview", PreviewReplicaCount: new(int32(2)),
			ScaleDownDelaySeconds: new(int32(0)), AbortScaleDownDelaySeconds: new(int32(7)), SettleSeconds: new(int32(1)), DrainSeconds: new(int32(2)),
			MaxSurge: new(intstr.FromString("50%")), MaxUnavailable: new(intstr.FromInt32(1)),
			PostPromotionAnalysis: asking(`{{service}} {{stableService}}`),
		}}
	})
	require.Empty(t, r.problems)
	require.Equal(t, rollout.Wiring{Mode: rollout.BySelector, Stable: "active", Canary: "preview"}, r.spec.Wiring)
	require.Equal(t, 2, r.spec.PreviewReplicas)
	require.Zero(t, r.spec.ScaleDownDelay)
	require.Equal(t, 7*time.Second, r.spec.AbortScaleDownDelay)
	require.Equal(t, time.Second, r.spec.Settle)
	require.Equal(t, 2*time.Second, r.spec.Drain)
	require.Equal(t, 4, r.spec.MaxSurge)
	require.Equal(t, 1, r.spec.MaxUnavailable)
	require.Equal(t, "preview active", r.spec.PostMetrics[0].Query)
}

func TestTheNumberOfCanaryPodsIsANumberAShareOrWhatTheWeightNeeds(t *testing.T) {
	r := resolveExample(t, func(r *v1alpha1.Rollout) {
		r.Spec.Replicas = new(int32(9))
		r.Spec.Strategy.Canary = routed("stable", "canary")
		r.Spec.Strategy.Canary.Steps = []v1alpha1.Step{
			{SetCanaryScale: &v1alpha1.CanaryScale{Replicas: new(int32(3))}},
			{SetCanaryScale: &v1alpha1.CanaryScale{Weight: new(int32(25))}},
			{SetCanaryScale: &v1alpha1.CanaryScale{MatchTrafficWeight: new(true)}},
		}
	})
	require.Empty(t, r.problems)
	require.Equal(t, []rollout.Step{{Kind: rollout.SetScale, Pods: 3}, {Kind: rollout.SetScale, Pods: 3}, {Kind: rollout.SetScale, Pods: -1}}, r.spec.Steps)
}

func TestTheRestOfTheSpecReachesTheDecision(t *testing.T) {
	at := metav1.NewTime(time.Unix(1700000000, 0))
	r := resolveExample(t, func(r *v1alpha1.Rollout) {
		r.Spec.RollbackWindow = &v1alpha1.RollbackWindow{Revisions: 3}
		r.Spec.RestartAt = &at
		r.Spec.Paused = true
		r.Spec.Strategy.Canary = routed("stable", "canary")
		r.Spec.Strategy.Canary.DynamicStableScale = true
		r.Spec.Strategy.Canary.MinPodsPerReplicaSet = new(int32(2))
		r.Spec.Strategy.Canary.ScaleDownDelaySeconds = new(int32(9))
	}).spec
	require.Equal(t, 3, r.RollbackWindow)
	require.Equal(t, at.Time, r.RestartAt)
	require.True(t, r.Paused)
	require.True(t, r.DynamicStable)
	require.Equal(t, 2, r.MinPods)
	require.Equal(t, 9*time.Second, r.ScaleDownDelay)
	plain := resolveExample(t, func(*v1alpha1.Rollout) {}).spec
	require.Equal(t, 1, plain.MinPods)
	require.Zero(t, plain.ScaleDownDelay)
	require.Zero(t, plain.Settle, "by replica count there is nothing to wait for")
}

func TestUntilTheNewStrategyTakesOverTheOldOnesRoutesHaveTheTimeTheyNeed(t *testing.T) {
	r := resolveExample(t, func(r *v1alpha1.Rollout) {
		r.Status.Traffic = &v1alpha1.Traffic{Wiring: &v1alpha1.Wiring{Mode: "Routes", StableService: "stable", CanaryService: "canary"}}
	})
	require.Equal(t, rollout.ByPods, r.spec.Wiring.Mode)
	require.Equal(t, 3*time.Second, r.spec.Settle)
	require.Equal(t, 10*time.Second, r.spec.Drain)
}

func TestAStrategyThatNobodyUnderstandsNamesNoWiringAndKeepsTheTimes(t *testing.T) {
	r := resolveExample(t, func(r *v1alpha1.Rollout) {
		r.Spec.Strategy = v1alpha1.Strategy{}
		r.Status.Traffic = &v1alpha1.Traffic{Wiring: &v1alpha1.Wiring{Mode: "Selector", StableService: "active"}}
	})
	require.Zero(t, r.spec.Wiring)
	require.Equal(t, 10*time.Second, r.spec.Drain)
	require.Equal(t, 30*time.Second, r.spec.AbortScaleDownDelay)
	require.Positive(t, r.spec.MaxSurge+r.spec.MaxUnavailable)
}

func TestQueriesAskAboutTheServiceThatReachesTheCanaryNow(t *testing.T) {
	swap := func(swapped bool) resolved {
		return resolveExample(t, func(r *v1alpha1.Rollout) {
			canary := routed("", "")
			canary.PingPong = &v1alpha1.PingPong{PingService: "ping", PongService: "pong"}
			canary.Analysis = &v1alpha1.BackgroundAnalysis{Analysis: *builtIn()}
			r.Spec.Strategy.Canary = canary
			r.Status.Traffic = &v1alpha1.Traffic{Wiring: newWiring(wiringOf(r.Spec.Strategy)), Swapped: swapped}
		})
	}
	require.Equal(t, "pong", swap(false).spec.Metrics[0].Query)
	require.Equal(t, "ping", swap(true).spec.Metrics[0].Query)
}

func TestAMeshThatSaysNothingOfItsProgressHasTheTimeThatItMayTake(t *testing.T) {
	r := resolveExample(t, func(r *v1alpha1.Rollout) { r.Spec.Strategy.Canary = meshed() })
	require.Equal(t, 10*time.Second, r.spec.Settle)
	wiring := newWiring(r.spec.Wiring)
	r = resolveExample(t, func(r *v1alpha1.Rollout) {
		r.Spec.Strategy.Canary = routed("s", "c")
		r.Status.Traffic = &v1alpha1.Traffic{Wiring: wiring}
	})
	require.Equal(t, 10*time.Second, r.spec.Settle, "until the mesh has given everything back")
	r = resolveExample(t, func(r *v1alpha1.Rollout) {
		r.Spec.Strategy.Canary = meshed()
		r.Spec.Strategy.Canary.TrafficRouting.SettleSeconds = new(int32(2))
	})
	require.Equal(t, 2*time.Second, r.spec.Settle)
}
