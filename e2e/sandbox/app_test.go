//go:build integration

package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// app is an application with two Services, a route and a Rollout, in a namespace of its own.
type app struct {
	t         *testing.T
	namespace string
	// kind is the field of spec.strategy, and strategy what follows it.
	kind, strategy string
	// spec are further lines of the spec.
	spec     string
	replicas int
	engines  int
}

const usualStrategy = `
      stableService: checkout-stable
      canaryService: checkout-canary
      trafficRouting:
        settleSeconds: 1
        drainSeconds: 1
        gatewayAPI: {routes: [{kind: HTTPRoute, name: checkout}]}
      abortScaleDownDelaySeconds: 0
      analysis:
        metrics:
        - {name: success-rate, threshold: {min: "95%"}, interval: 1s, window: 5s}
      steps:
      - setWeight: 20
      - pause: {duration: 2s}
      - setWeight: 60
      - pause: {duration: 2s}`

const byPods = `
      steps:
      - setWeight: 25
      - pause: {duration: 1s}`

func newApp(t *testing.T) *app {
	t.Helper()
	return &app{t: t, namespace: newNamespace(t), replicas: 4, kind: "canary", strategy: usualStrategy}
}

func (a *app) service(name string) {
	a.t.Helper()
	a.apply(`apiVersion: v1
kind: Service
metadata: {name: ` + name + `}
spec: {selector: {app: checkout}, ports: [{port: 80, targetPort: 8080}]}`)
}

func (a *app) services() {
	a.t.Helper()
	a.service("checkout-stable")
	a.service("checkout-canary")
}

func (a *app) route() {
	a.t.Helper()
	a.routeTo("{name: checkout-stable, port: 80, weight: 100}, {name: checkout-canary, port: 80, weight: 0}")
}

func (a *app) routeTo(backends string) {
	a.t.Helper()
	a.apply(`apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: checkout}
spec:
  parentRefs: [{name: web, namespace: gateway}]
  rules:
  - backendRefs: [` + backends + `]`)
}

// release applies the Rollout with a version of the application.
func (a *app) release(version string, env ...string) {
	a.t.Helper()
	a.apply(a.manifest(version, env...))
}

func (a *app) manifest(version string, env ...string) string {
	variables := []string{fmt.Sprintf("{name: VERSION, value: %q}", version)}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		variables = append(variables, fmt.Sprintf("{name: %s, value: %q}", name, value))
	}
	return fmt.Sprintf(`apiVersion: rollout.dev/v1alpha1
kind: Rollout
metadata: {name: checkout}
spec:%s
  replicas: %d
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec:
      containers:
      - {name: app, image: checkout, env: [%s]}
  strategy:
    %s:%s
`, a.spec, a.replicas, strings.Join(variables, ", "), a.kind, a.strategy)
}

func (a *app) apply(manifest string) {
	a.t.Helper()
	require.NoError(a.t, apply(a.namespace, manifest))
}

func (a *app) rollout() *v1alpha1.Rollout {
	a.t.Helper()
	r, err := cluster.rollouts.Rollouts(a.namespace).Get(a.t.Context(), "checkout", metav1.GetOptions{})
	require.NoError(a.t, err)
	return r
}

// waitPhase waits until the engine reports a phase for the present spec.
func (a *app) waitPhase(phase v1alpha1.Phase) *v1alpha1.Rollout {
	a.t.Helper()
	return a.waitFor("phase "+string(phase), func(r *v1alpha1.Rollout) bool {
		return r.Status.ObservedGeneration == r.Generation && r.Status.Phase == phase
	})
}

func (a *app) waitFor(what string, holds func(*v1alpha1.Rollout) bool) *v1alpha1.Rollout {
	a.t.Helper()
	var last *v1alpha1.Rollout
	eventually(a.t, what, func() (bool, string) {
		last = a.rollout()
		return holds(last), fmt.Sprintf("%s: %s", last.Status.Phase, last.Status.Message)
	})
	return last
}

// condition is the message of the Stalled condition if it is true.
func stalled(r *v1alpha1.Rollout) (reason, message string) {
	for _, c := range r.Status.Conditions {
		if c.Type == v1alpha1.ConditionStalled && c.Status == metav1.ConditionTrue {
			return c.Reason, c.Message
		}
	}
	return "", ""
}

func (a *app) httpRoute() *gatewayv1.HTTPRoute {
	a.t.Helper()
	route, err := cluster.routes.GatewayV1().HTTPRoutes(a.namespace).Get(a.t.Context(), "checkout", metav1.GetOptions{})
	require.NoError(a.t, err)
	return route
}

// cli runs the CLI and returns what it printed and its exit code.
func (a *app) cli(args ...string) (string, int) {
	a.t.Helper()
	c := command("rollout", append(args, "--kubeconfig", cluster.kubeconfig, "-n", a.namespace)...)
	out, err := c.CombinedOutput()
	if err != nil && c.ProcessState == nil {
		require.NoError(a.t, err)
	}
	return string(out), c.ProcessState.ExitCode()
}

// engine is a controller process that looks after the app's namespace.
type engine struct {
	t      *testing.T
	start  func() *exec.Cmd
	cmd    *exec.Cmd
	output *bytes.Buffer
}

func (a *app) engine(flags ...string) *engine {
	a.t.Helper()
	a.engines++
	e := &engine{t: a.t, output: &bytes.Buffer{}}
	// A process that is killed and started again keeps its name, so that it need not wait for its own lease to run out.
	args := append([]string{
		"--kubeconfig", cluster.kubeconfig, "--namespace", a.namespace, "--leader-election-namespace", a.namespace,
		"--identity", fmt.Sprintf("engine-%d", a.engines), "--prometheus-address", cluster.prometheus, "--health-address", "127.0.0.1:0",
		"--metrics-address", "127.0.0.1:0", "--log-format", "console", "--log-level", "debug",
	}, flags...)
	e.start = func() *exec.Cmd {
		c := command("rollout-controller", args...)
		c.Stdout, c.Stderr = e.output, e.output
		return c
	}
	e.run()
	a.t.Cleanup(func() {
		e.kill()
		if a.t.Failed() {
			_, _ = fmt.Fprintf(os.Stderr, "--- controller of %s\n%s\n", a.t.Name(), e.output)
		}
	})
	return e
}

func (e *engine) run() {
	e.t.Helper()
	e.cmd = e.start()
	require.NoError(e.t, e.cmd.Start())
}

// kill ends the process the hard way: no signal handler runs.
func (e *engine) kill() {
	if e.cmd == nil {
		return
	}
	_ = e.cmd.Process.Kill() // It may have ended by itself.
	_ = e.cmd.Wait()
	e.cmd = nil
}
