package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// noon is when every test takes place.
func noon() time.Time { return time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC) }

func noTerminal() (int, int, bool) { return 0, 0, false }

func testEnvironment(out, errOut io.Writer, args ...string) environment {
	return environment{
		args:    append([]string{"rollout"}, args...),
		streams: genericiooptions.IOStreams{In: strings.NewReader(""), Out: out, ErrOut: errOut},
		now:     noon,
		getenv:  func(string) string { return "" },
		size:    noTerminal,
		retry:   time.Millisecond,
	}
}

// kubeconfig writes one for alice, whose context is in namespace shop.
func kubeconfig(t *testing.T, url string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: %s}}]
users: [{name: alice, user: {}}]
contexts: [{name: test, context: {cluster: test, user: alice, namespace: shop}}]
`, url), 0o600))
	return path
}

type result struct {
	code        int
	out, errOut string
}

// invoke runs the program against a server to its end.
func invoke(t *testing.T, s *apiServer, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	code := run(t.Context(), testEnvironment(&out, &errOut, append(args, "--kubeconfig", kubeconfig(t, s.url))...))
	return result{code, out.String(), errOut.String()}
}

// invocation is the program while it runs.
type invocation struct {
	t    *testing.T
	out  *bufio.Reader
	err  bytes.Buffer
	stop context.CancelFunc
	code chan int
}

// start runs the program while the test goes on. Whatever it prints must be read, or it waits.
func start(t *testing.T, s *apiServer, change func(*environment), args ...string) *invocation {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	i := &invocation{t: t, out: bufio.NewReader(reader), stop: stop, code: make(chan int, 1)}
	env := testEnvironment(writer, &i.err, append(args, "--kubeconfig", kubeconfig(t, s.url))...)
	if change != nil {
		change(&env)
	}
	go func() {
		code := run(ctx, env)
		_ = writer.Close()
		i.code <- code
	}()
	t.Cleanup(func() {
		stop()
		_ = reader.Close()
	})
	return i
}

// line is the next line of the output, empty at its end.
func (i *invocation) line() string {
	i.t.Helper()
	text, err := i.out.ReadString('\n')
	if err != nil {
		require.ErrorIs(i.t, err, io.EOF)
	}
	return strings.TrimSuffix(text, "\n")
}

// end reads the rest of the output and returns it with the exit code.
func (i *invocation) end() result {
	i.t.Helper()
	rest, err := io.ReadAll(i.out)
	require.NoError(i.t, err)
	return result{<-i.code, string(rest), i.err.String()}
}

// stepping is a Rollout whose release is at the second of its three steps, which waits for a person.
func stepping() *v1alpha1.Rollout {
	weight := int32(25)
	r := &v1alpha1.Rollout{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout", UID: "u-1", Generation: 4,
			CreationTimestamp: metav1.NewTime(noon().Add(-time.Hour))},
		Spec: v1alpha1.RolloutSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "checkout"}},
			Strategy: v1alpha1.Strategy{Canary: &v1alpha1.Canary{Steps: []v1alpha1.Step{
				{SetWeight: &weight}, {Pause: &v1alpha1.Pause{}}, {SetWeight: &weight},
			}}},
		},
	}
	r.Status = v1alpha1.RolloutStatus{
		ObservedGeneration: 4, Phase: v1alpha1.PhasePaused, Message: "step 2 of 3: waiting for rollout promote at canary weight 25", Step: "1/3",
		StableRevision: "aaa", FormerRevisions: []string{"old", "mid"},
		Release: &v1alpha1.Release{Run: 2, Revision: "bbb", Phase: "Stepping", StepIndex: 1},
		Revisions: []v1alpha1.RevisionStatus{
			{Hash: "bbb", Number: 2, Role: "canary", Replicas: 1, Ready: 1},
			{Hash: "aaa", Number: 1, Role: "stable", Replicas: 1, Ready: 1},
		},
	}
	return r
}

func healthy() *v1alpha1.Rollout {
	r := stepping()
	r.Status.Phase, r.Status.Message, r.Status.Step = v1alpha1.PhaseHealthy, "revision aaa is stable", ""
	r.Status.Release = nil
	return r
}

func takenBackRollout() *v1alpha1.Rollout {
	r := stepping()
	r.Status.Phase, r.Status.Message = v1alpha1.PhaseDegraded, "revision bbb was taken back"
	r.Status.Release.Phase, r.Status.Release.CauseMessage = "Aborted", "success-rate was 0.5"
	return r
}

func pausedByRequest() *v1alpha1.Rollout {
	r := stepping()
	r.Status.Paused = true
	return r
}

// blueGreen is a Rollout whose release waits for a person before the switch.
func blueGreen() *v1alpha1.Rollout {
	r := stepping()
	automatic := false
	r.Spec.Strategy = v1alpha1.Strategy{BlueGreen: &v1alpha1.BlueGreen{ActiveService: "checkout", AutoPromotionEnabled: &automatic,
		PrePromotionAnalysis: &v1alpha1.Analysis{Metrics: []v1alpha1.Metric{{Name: "smoke-test"}}}}}
	return r
}
