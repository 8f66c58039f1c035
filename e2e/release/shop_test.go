//go:build e2e

package release

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/yaml"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

const (
	// testTime bounds one test that sets no limit of its own.
	testTime = 3 * time.Minute
	replicas = 4
	// progressDeadline is the default one, written out.
	progressDeadline = 10 * time.Minute
)

// shop is the sample application in a namespace of its own. It is what a user has before the first release: two Services
// and a route, or one of each.
type shop struct {
	*cluster
	t         *testing.T
	ctx       context.Context //nolint:containedctx // It is the life of the test that the shop belongs to.
	namespace string
	plan
}

// plan is how the shop releases.
type plan struct {
	// manifest holds the objects beside the Rollout: routed.yaml or plain.yaml.
	manifest string
	// strategy is spec.strategy, as YAML.
	strategy string
	// progressDeadline is spec.progressDeadlineSeconds; zero stands for the default.
	progressDeadline time.Duration
	// env is what every version of the application is told.
	env map[string]string
	// image is that of every version which has none of its own; empty stands for the sample application.
	image string
	// replicas is spec.replicas; zero stands for the constant of that name.
	replicas int
	// limit is how long the test may take; zero stands for testTime.
	limit time.Duration
}

// version is what a release brings.
type version struct {
	name string
	// env is what the sample application is told: ERROR_RATE, LATENCY.
	env map[string]string
	// image replaces the one of the plan.
	image string
	// alone: the cluster has room for one pod of this version and no more.
	alone bool
}

// openNamespace makes a namespace that goes with the test, and tells what happened in it when the test has failed.
func openNamespace(t *testing.T, p plan) *shop {
	t.Helper()
	if p.progressDeadline == 0 {
		p.progressDeadline = progressDeadline
	}
	if p.limit == 0 {
		p.limit = testTime
	}
	if p.replicas == 0 {
		p.replicas = replicas
	}
	ctx, cancel := context.WithTimeoutCause(shared.ctx, p.limit, fmt.Errorf("the test takes longer than %s", p.limit))
	t.Cleanup(cancel)
	created, err := shared.kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "shop-"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	s := &shop{cluster: shared, t: t, ctx: ctx, namespace: created.Name, plan: p}
	t.Cleanup(s.leave)
	return s
}

// openShop makes a namespace with everything in it but a Rollout.
func openShop(t *testing.T, p plan) *shop {
	t.Helper()
	s := openNamespace(t, p)
	s.applyManifest(p.manifest, map[string]any{"Host": s.host()})
	return s
}

// openBusyShop makes a shop whose first version v1 serves, with constant traffic.
func openBusyShop(t *testing.T, p plan) (*shop, *clients) {
	t.Helper()
	s := openShop(t, p)
	s.release(version{name: "v1"})
	s.awaitPhase(v1alpha1.PhaseHealthy)
	return s, s.sendClients()
}

// host is the name that clients know the shop by.
func (s *shop) host() string { return s.namespace + ".example" }

// leave removes the namespace. It doesn't wait until its pods are gone.
func (s *shop) leave() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 20*time.Second)
	defer cancel()
	if s.t.Failed() {
		s.explain(ctx)
	}
	if err := s.kube.CoreV1().Namespaces().Delete(ctx, s.namespace, metav1.DeleteOptions{}); err != nil {
		s.t.Errorf("remove namespace %s: %v", s.namespace, err)
	}
}

// explain prints what is needed to understand a failure after the cluster is gone.
func (s *shop) explain(ctx context.Context) {
	rollouts, err := s.rollouts.Rollouts(s.namespace).List(ctx, metav1.ListOptions{})
	if err == nil {
		for _, r := range rollouts.Items {
			text, _ := yaml.Marshal(r.Status)
			s.t.Logf("status of Rollout %s in %s:\n%s", r.Name, s.namespace, text)
		}
	}
	for _, e := range s.events(ctx) {
		s.t.Logf("%s %s %s/%s %s: %s", e.LastTimestamp.Format(time.TimeOnly), e.Type, e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Reason, e.Message)
	}
}

func (s *shop) applyManifest(file string, values map[string]any) {
	s.t.Helper()
	require.NoError(s.t, s.tryManifest(file, values))
}

func (s *shop) tryManifest(file string, values map[string]any) error {
	parsed, err := template.ParseFiles(filepath.Join("testdata", file))
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	var manifest bytes.Buffer
	if err := parsed.Option("missingkey=error").Execute(&manifest, values); err != nil {
		return fmt.Errorf("fill in %s: %w", file, err)
	}
	return s.apply(s.ctx, s.namespace, manifest.Bytes())
}

// release applies the Rollout with a version of the application, as a person or a pipeline does.
func (s *shop) release(v version) {
	s.t.Helper()
	s.applyManifest("rollout.yaml", s.manifestOf("shop", v))
}

func (s *shop) manifestOf(name string, v version) map[string]any {
	s.t.Helper()
	strategy, err := yaml.YAMLToJSON([]byte(s.strategy))
	require.NoError(s.t, err)
	env := maps.Clone(s.env)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, v.env)
	return map[string]any{
		"Name": name, "App": "shop", "Version": v.name, "Env": env, "Image": cmp.Or(v.image, s.image, appImage), "Strategy": string(strategy),
		"Replicas": s.replicas, "ProgressDeadline": int(s.progressDeadline.Seconds()), "Alone": v.alone,
	}
}

// await follows the Rollout until it is as wanted, and returns it.
func (s *shop) await(what string, met func(*v1alpha1.Rollout) bool) *v1alpha1.Rollout {
	s.t.Helper()
	return s.awaitNamed("shop", what, met)
}

func (s *shop) awaitNamed(name, what string, met func(*v1alpha1.Rollout) bool) *v1alpha1.Rollout {
	s.t.Helper()
	only := fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = only
			return s.rollouts.Rollouts(s.namespace).List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = only
			return s.rollouts.Rollouts(s.namespace).Watch(ctx, o)
		},
	}
	var last *v1alpha1.Rollout
	_, err := watchtools.UntilWithSync(s.ctx, source, &v1alpha1.Rollout{}, nil, func(event watch.Event) (bool, error) {
		r, ok := event.Object.(*v1alpha1.Rollout)
		if !ok || event.Type == watch.Deleted {
			return false, errors.New("it was deleted")
		}
		last = r
		return r.Status.ObservedGeneration == r.Generation && met(r), nil
	})
	message := "there is no Rollout"
	if last != nil {
		message = fmt.Sprintf("%s: %s", last.Status.Phase, last.Status.Message)
	}
	require.NoError(s.t, err, "wait for Rollout %s to be %s: %v; last seen: %s", name, what, context.Cause(s.ctx), message)
	return last
}

func (s *shop) awaitPhase(phase v1alpha1.Phase) *v1alpha1.Rollout {
	s.t.Helper()
	return s.await(string(phase), func(r *v1alpha1.Rollout) bool { return r.Status.Phase == phase })
}

// awaitPause waits until the release waits for a person at a step, counting from 1.
func (s *shop) awaitPause(step int) {
	s.t.Helper()
	s.await(fmt.Sprintf("paused at step %d", step), func(r *v1alpha1.Rollout) bool {
		return r.Status.Phase == v1alpha1.PhasePaused && r.Status.Release != nil && int(r.Status.Release.StepIndex) == step-1
	})
}

// rollout reads the Rollout as it is now.
func (s *shop) rollout() *v1alpha1.Rollout {
	s.t.Helper()
	return s.await("seen", func(r *v1alpha1.Rollout) bool { return r.Status.Phase != "" })
}

// cli runs the command rollout in the shop's namespace and returns what it printed and its exit code.
func (s *shop) cli(args ...string) (output string, code int) {
	s.t.Helper()
	program := exec.CommandContext(s.ctx, filepath.Join(s.bin, "rollout"),
		append([]string{"--kubeconfig", s.Kubeconfig, "--namespace", s.namespace}, args...)...)
	out, err := program.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		require.NoError(s.t, err)
	}
	return string(out), program.ProcessState.ExitCode()
}

// ask makes a request through the command rollout, which has to be accepted.
func (s *shop) ask(args ...string) {
	s.t.Helper()
	out, code := s.cli(args...)
	require.Zero(s.t, code, "rollout %s: %s", strings.Join(args, " "), out)
}

// weights are what the route gives the stable and the canary Service.
func (s *shop) weights() [2]int32 {
	s.t.Helper()
	route, err := s.routes.GatewayV1().HTTPRoutes(s.namespace).Get(s.ctx, "shop", metav1.GetOptions{})
	require.NoError(s.t, err)
	backends := route.Spec.Rules[0].BackendRefs
	return [2]int32{*backends[0].Weight, *backends[1].Weight}
}

// pods are the numbers of pods that the ReplicaSets have, by revision; those without pods are left out.
func (s *shop) pods() map[string]int32 {
	s.t.Helper()
	pods := map[string]int32{}
	for _, set := range s.replicaSets() {
		if set.Status.Replicas > 0 || *set.Spec.Replicas > 0 {
			pods[set.Labels[v1alpha1.PodTemplateHashLabel]] = set.Status.Replicas
		}
	}
	return pods
}

func (s *shop) replicaSets() []appsv1.ReplicaSet {
	s.t.Helper()
	sets, err := s.kube.AppsV1().ReplicaSets(s.namespace).List(s.ctx, metav1.ListOptions{})
	require.NoError(s.t, err)
	return sets.Items
}

// awaitPods waits until there are no pods, also none on their way out, but those of a revision.
func (s *shop) awaitPods(revision string) {
	s.t.Helper()
	require.NoError(s.t, poll(s.ctx, "the pods of other revisions to be gone", func(ctx context.Context) error {
		// Clients may be pods, too, of no revision.
		pods, err := s.kube.CoreV1().Pods(s.namespace).List(ctx, metav1.ListOptions{LabelSelector: v1alpha1.PodTemplateHashLabel})
		if err != nil {
			return err
		}
		for _, pod := range pods.Items {
			if has := pod.Labels[v1alpha1.PodTemplateHashLabel]; has != revision {
				return fmt.Errorf("pod %s of revision %s is still there", pod.Name, has)
			}
		}
		if len(pods.Items) != s.replicas {
			return fmt.Errorf("%d pods of revision %s, want %d", len(pods.Items), revision, s.replicas)
		}
		return nil
	}))
}

// events are what was told about everything in the namespace.
func (s *shop) events(ctx context.Context) []corev1.Event {
	list, err := s.kube.CoreV1().Events(s.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		s.t.Logf("no events of namespace %s: %v", s.namespace, err)
		return nil
	}
	return list.Items
}
