//go:build integration

package sandbox

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/analysis/sourcetest"
	"github.com/rollout-dev/rollout/providers/cloudwatch/cloudwatchtest"
	"github.com/rollout-dev/rollout/providers/datadog/datadogtest"
	"github.com/rollout-dev/rollout/providers/graphite/graphitetest"
	"github.com/rollout-dev/rollout/providers/influxdb/influxdbtest"
	"github.com/rollout-dev/rollout/providers/newrelic/newrelictest"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// judgedBetween is a release that is judged by one metric while a fifth of the users is with the canary.
const judgedBetween = `
      stableService: checkout-stable
      canaryService: checkout-canary
      trafficRouting:
        settleSeconds: 1
        drainSeconds: 1
        gatewayAPI: {routes: [{kind: HTTPRoute, name: checkout}]}
      abortScaleDownDelaySeconds: 0
      steps:
      - setWeight: 20
      - analysis:
          metrics:
          - {name: errors, threshold: {max: "5"}, interval: 1s, provider: PROVIDER}`

// The values that the doubles answer with.
const good, bad = 1, 7

// askedFor is a provider in a release: how a metric names it, and how its server comes to answer with a number. Where the answer is
// in the metric itself, answer gives its text anew.
type askedFor func(t *testing.T, a *app) (provider string, say func(errors int64))

// speaking is a provider on loopback, whose server is a double of the real one; the text has a place for its address.
func speaking(double func(t *testing.T) (string, func(sourcetest.Answer)), secrets map[string]string, provider string) askedFor {
	return func(t *testing.T, a *app) (string, func(int64)) {
		address, answer := double(t)
		a.secret("keys", secrets)
		return fmt.Sprintf(provider, address), func(errors int64) { answer(sourcetest.Answer{Series: []float64{float64(errors)}}) }
	}
}

// inCluster is a provider that the API server of the cluster leads to.
func inCluster(provider string) askedFor {
	return func(t *testing.T, a *app) (string, func(int64)) {
		api := serveMetrics(t)
		return provider, func(errors int64) { api.say(a.namespace, errors) }
	}
}

func everyProvider() map[string]askedFor {
	return map[string]askedFor{
		"datadog": speaking(func(t *testing.T) (string, func(sourcetest.Answer)) { return sourcetest.Server(t, datadogtest.Serve) },
			map[string]string{"api": datadogtest.APIKey, "application": datadogtest.ApplicationKey},
			`{datadog: {address: "%s", query: "sum:errors{version:{{revision}}}.as_count()", apiKey: {name: keys, key: api}, applicationKey: {name: keys, key: application}}}`),
		"newrelic": speaking(func(t *testing.T) (string, func(sourcetest.Answer)) { return sourcetest.Server(t, newrelictest.Serve) },
			map[string]string{"user": newrelictest.UserKey},
			`{newRelic: {address: "%s/graphql", accountID: `+fmt.Sprint(newrelictest.Account)+`, query: "SELECT count(*) FROM E WHERE version = '{{revision}}'", userKey: {name: keys, key: user}}}`),
		"influxdb": speaking(func(t *testing.T) (string, func(sourcetest.Answer)) { return sourcetest.Server(t, influxdbtest.Serve) },
			map[string]string{"token": influxdbtest.Token},
			`{influxdb: {address: "%s", organization: `+influxdbtest.Organization+`, query: "from(bucket: \"http\") |> range(start: -{{window}}) |> count()", token: {name: keys, key: token}}}`),
		"graphite": speaking(func(t *testing.T) (string, func(sourcetest.Answer)) { return sourcetest.Server(t, graphitetest.Serve) },
			map[string]string{"key": graphitetest.Key},
			`{graphite: {address: "%s", query: "sumSeries(shop.{{revision}}.errors)", headers: [{name: `+graphitetest.KeyHeader+`, secretKeyRef: {name: keys, key: key}}]}}`),
		"cloudwatch": speaking(func(t *testing.T) (string, func(sourcetest.Answer)) {
			return sourcetest.Server(t, cloudwatchtest.Serve)
		},
			map[string]string{"id": cloudwatchtest.AccessKeyID, "secret": cloudwatchtest.SecretAccessKey},
			`{cloudWatch: {address: "%s", region: eu-central-1, keys: {accessKeyID: {name: keys, key: id}, secretAccessKey: {name: keys, key: secret}}, queries: [{id: errors, expression: "SELECT SUM(Errors) FROM Shop"}]}}`),
		"external metric": inCluster(`{kubernetes: {external: {metric: errors, selector: {matchLabels: {app: checkout}}}}}`),
		"custom metric":   inCluster(`{kubernetes: {custom: {metric: errors, resource: pods, selector: {matchLabels: {pod-template-hash: "{{revision}}"}}}}}, series: All`),
	}
}

// secret makes one in the app's namespace.
func (a *app) secret(name string, values map[string]string) {
	a.t.Helper()
	_, err := cluster.kubernetes.CoreV1().Secrets(a.namespace).Create(a.t.Context(),
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: values}, metav1.CreateOptions{})
	require.NoError(a.t, err)
}

func TestEveryProviderLetsAGoodReleaseThroughAndTakesABadOneBack(t *testing.T) {
	t.Parallel()
	for name, asked := range everyProvider() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			provider, say := asked(t, a)
			a.strategy = strings.Replace(judgedBetween, "PROVIDER", provider, 1)
			a.services()
			a.route()
			a.engine("--allow-metric-address", "127.0.0.1")
			a.release("v1")
			a.waitPhase(v1alpha1.PhaseHealthy)

			say(good)
			a.release("v2")
			stable := a.waitPhase(v1alpha1.PhaseHealthy).Status.StableRevision
			require.Equal(t, fmt.Sprint(good), a.waitRun("step-2", v1alpha1.RunPassed).Status.Metrics[0].Value)

			say(bad)
			a.release("v3")
			r := a.waitPhase(v1alpha1.PhaseDegraded)
			require.Equal(t, stable, r.Status.StableRevision)
			require.Equal(t, "Analysis", r.Status.Release.Cause)
			require.Equal(t, "errors was 7, wanted <= 5", r.Status.Release.CauseMessage)
			require.Zero(t, r.Status.Traffic.CanaryWeight)
		})
	}
}

func TestAJobLetsAGoodReleaseThroughAndTakesABadOneBack(t *testing.T) {
	t.Parallel()
	exits := func(code string) string {
		metric := strings.Replace(judgedBetween, `max: "5"`, `min: "1"`, 1)
		return strings.Replace(metric, "PROVIDER", `{job: {labels: {team: shop}, spec: {template: {metadata: {annotations: {sandbox.rollout.dev/exit-code: "`+code+`"}},
            spec: {containers: [{name: test, image: smoke-test, args: ["--revision={{revision}}"]}]}}}}}`, 1)
	}
	a := newApp(t)
	a.services()
	a.route()
	a.strategy = exits("0")
	a.engine()
	a.release("v1")
	a.waitPhase(v1alpha1.PhaseHealthy)
	a.release("v2")
	stable := a.waitPhase(v1alpha1.PhaseHealthy).Status.StableRevision
	jobs, err := cluster.kubernetes.BatchV1().Jobs(a.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "team=shop"})
	require.NoError(t, err)
	require.Len(t, jobs.Items, 1)
	require.EqualValues(t, 1, jobs.Items[0].Status.Succeeded)
	require.Equal(t, []string{"--revision=" + stable}, jobs.Items[0].Spec.Template.Spec.Containers[0].Args)

	a.strategy = exits("1")
	a.release("v3")
	r := a.waitPhase(v1alpha1.PhaseDegraded)
	require.Equal(t, stable, r.Status.StableRevision)
	require.Equal(t, "errors was 0, wanted >= 1", r.Status.Release.CauseMessage)
}
