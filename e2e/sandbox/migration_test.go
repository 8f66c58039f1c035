//go:build integration

package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// TestTheExamplesForThoseWhoComeFromElsewhereWork applies every example of docs/migration.md as it stands there, but for the
// addresses of others and the length of its waits, and plays releases through it.
func TestTheExamplesForThoseWhoComeFromElsewhereWork(t *testing.T) {
	t.Parallel()
	page, stories := readExamples(t, filepath.Join("..", "..", "docs", "migration.md")), migrationStories()
	require.Equal(t, slices.Sorted(maps.Keys(page)), slices.Sorted(maps.Keys(stories)), "every example has a story, and every story an example")
	for section, text := range page {
		t.Run(section, func(t *testing.T) {
			t.Parallel()
			m := newMigrant(t, text)
			stories[section](m)
		})
	}
}

// readExamples reads the example of each section of a page. Every block of YAML is one of ours: what isn't couldn't be tried.
func readExamples(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	examples, section := map[string]string{}, ""
	var block *strings.Builder
	for line := range strings.SplitSeq(string(text), "\n") {
		switch {
		case block == nil && strings.HasPrefix(line, "#"):
			section = strings.TrimSpace(strings.TrimLeft(line, "#"))
		case block == nil && strings.HasPrefix(line, "```"):
			require.Equal(t, "```yaml", line, "section %q", section)
			require.NotContains(t, examples, section, "a section has one example")
			block = &strings.Builder{}
		case block != nil && line == "```":
			examples[section], block = block.String(), nil
		case block != nil:
			block.WriteString(line + "\n")
		}
	}
	require.Nil(t, block, "the last block is closed")
	require.NotEmpty(t, examples)
	return examples
}

// migrant is an app that follows an example of the page.
type migrant struct {
	*app
	*double
	objects  []*unstructured.Unstructured
	versions int
}

// newMigrant reads an example.
func newMigrant(t *testing.T, text string) *migrant {
	t.Helper()
	m := &migrant{app: newApp(t), double: newDouble(t)}
	m.replicas = 2
	text = strings.NewReplacer("https://checks.example.com", m.address, "https://gates.example.com", m.address,
		"http://prometheus.example.com:9090", m.address).Replace(text)
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewBufferString(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return m
		}
		require.NoError(t, err)
		require.Equal(t, v1alpha1.GroupVersion.String(), object.GetAPIVersion(), "an example of ours")
		m.hurry(object.Object)
		m.objects = append(m.objects, object)
	}
}

// waits are the lengths of time that are shortened, each with what it is at most.
var waits = map[string]time.Duration{"interval": time.Second, "duration": 100 * time.Millisecond, "initialDelay": time.Second, "window": 5 * time.Second} // Never written to.

// counts are the numbers that are lowered, each with what it is at most.
var counts = map[string]int64{"count": 2, "ttlSecondsAfterFinished": 1} // Never written to.

// hurry shortens everything that an example waits for, and gives what is for the whole cluster a name of its own.
func (m *migrant) hurry(fields map[string]any) {
	m.t.Helper()
	if fields["kind"] == "ClusterAnalysisTemplate" {
		m.rename(fields["metadata"].(map[string]any))
	}
	if fields["clusterScope"] == true {
		m.rename(fields)
	}
	for name, value := range fields {
		switch v := value.(type) {
		case map[string]any:
			m.hurry(v)
		case []any:
			m.hurryAll(name, v)
		default:
			fields[name] = shortened(name, v)
		}
	}
}

func (m *migrant) hurryAll(name string, entries []any) {
	m.t.Helper()
	for _, one := range entries {
		entry, ok := one.(map[string]any)
		if !ok {
			continue
		}
		if name == "metrics" || name == "gates" {
			entry["interval"] = waits["interval"].String()
		}
		m.hurry(entry)
	}
}

// shortened is the value of a field that says how long or how often, and any other as it is.
func shortened(name string, value any) any {
	switch v := value.(type) {
	case string:
		if long, err := time.ParseDuration(v); err == nil && waits[name] > 0 {
			return min(long, waits[name]).String()
		}
	case int64:
		if counts[name] > 0 {
			return min(v, counts[name])
		}
	}
	return value
}

func (m *migrant) rename(named map[string]any) {
	named["name"] = fmt.Sprintf("%s-%s", named["name"], m.namespace)
}

// strategyOf is the strategy of a Rollout, by its kind.
func (m *migrant) strategyOf(r *unstructured.Unstructured) (kind string, fields map[string]any) {
	m.t.Helper()
	strategy, _, err := unstructured.NestedMap(r.Object, "spec", "strategy")
	require.NoError(m.t, err)
	require.Len(m.t, strategy, 1)
	kind = slices.Collect(maps.Keys(strategy))[0]
	return kind, strategy[kind].(map[string]any)
}

// install makes what the example stands on, and applies it.
func (m *migrant) install(flags ...string) {
	m.t.Helper()
	m.engine(append([]string{"--allow-metric-address", "127.0.0.1"}, flags...)...)
	for _, object := range m.objects {
		if object.GetKind() == "Rollout" {
			m.stand(object)
		}
		text, err := json.Marshal(object)
		require.NoError(m.t, err)
		namespace := m.namespace
		if object.GetKind() == "ClusterAnalysisTemplate" {
			namespace = metav1.NamespaceNone
		}
		require.NoError(m.t, apply(namespace, string(text)))
	}
}

// stand makes the Deployment, the Services and the route that a Rollout needs.
func (m *migrant) stand(r *unstructured.Unstructured) {
	m.t.Helper()
	kind, fields := m.strategyOf(r)
	settle := []string{"spec", "strategy", kind}
	if kind == "canary" {
		settle = append(settle, "trafficRouting")
		m.services()
		m.route()
	} else {
		m.service(fields["activeService"].(string))
		m.service(fields["previewService"].(string))
		m.routeTo(fmt.Sprintf("{name: %s, port: 80}", fields["activeService"]))
	}
	for delay, seconds := range map[string]int64{"settleSeconds": 1, "drainSeconds": 0} {
		require.NoError(m.t, unstructured.SetNestedField(r.Object, seconds, append(settle, delay)...))
	}
	require.NoError(m.t, unstructured.SetNestedField(r.Object, int64(0), "spec", "strategy", kind, "abortScaleDownDelaySeconds"))
	m.deploy()
}

// deploy applies the Deployment with the next version of the application.
func (m *migrant) deploy(env ...string) {
	m.t.Helper()
	m.versions++
	variables := fmt.Sprintf("{name: VERSION, value: v%d}", m.versions)
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		variables += fmt.Sprintf(", {name: %s, value: %q}", name, value)
	}
	m.apply(fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout}
spec:
  replicas: %d
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec:
      containers:
      - {name: app, image: checkout, env: [%s]}
`, m.replicas, variables))
}

// installed is a migrant whose Rollout has taken the Deployment's pods over, and finds nothing wrong with the example.
func (m *migrant) installed(flags ...string) *migrant {
	m.t.Helper()
	m.install(flags...)
	m.waitFor("the Rollout to have taken over and to find nothing wrong", func(r *v1alpha1.Rollout) bool {
		reason, _ := stalled(r)
		return r.Status.ObservedGeneration == r.Generation && r.Status.Phase == v1alpha1.PhaseHealthy && reason == ""
	})
	return m
}

// good plays a release that gets to its end.
func (m *migrant) good(env ...string) {
	m.t.Helper()
	before := m.rollout().Status
	m.deploy(env...)
	m.promoted(before)
}

// over waits until the release after an earlier status has come to its end, and says which.
func (m *migrant) over(before v1alpha1.RolloutStatus) *v1alpha1.Rollout {
	m.t.Helper()
	return m.waitFor("the release to be over", func(r *v1alpha1.Rollout) bool {
		promoted := r.Status.Phase == v1alpha1.PhaseHealthy && r.Status.StableRevision != before.StableRevision
		takenBack := r.Status.Phase == v1alpha1.PhaseDegraded && r.Status.Release != nil && r.Status.Release.Phase == "Aborted"
		return r.Status.Runs > before.Runs && (promoted || takenBack)
	})
}

func (m *migrant) promoted(before v1alpha1.RolloutStatus) {
	m.t.Helper()
	r := m.over(before)
	require.Equal(m.t, v1alpha1.PhaseHealthy, r.Status.Phase, r.Status.Message)
}

// bad plays a release that its analysis takes back for a reason.
func (m *migrant) bad(reason string, env ...string) {
	m.t.Helper()
	before := m.rollout().Status
	m.deploy(env...)
	r := m.over(before)
	require.Equal(m.t, v1alpha1.PhaseDegraded, r.Status.Phase, r.Status.Message)
	require.Equal(m.t, before.StableRevision, r.Status.StableRevision)
	require.Equal(m.t, "Analysis", r.Status.Release.Cause)
	require.Contains(m.t, r.Status.Release.CauseMessage, reason)
}

// held plays a release that waits for a reason, until something is done. Then it gets to its end.
func (m *migrant) held(reason string, then func()) {
	m.t.Helper()
	before := m.rollout().Status
	m.deploy()
	r := m.waitFor("the release to wait: "+reason, func(r *v1alpha1.Rollout) bool {
		return r.Status.Runs > before.Runs && strings.Contains(r.Status.Message, reason)
	})
	require.Equal(m.t, before.StableRevision, r.Status.StableRevision)
	then()
	m.promoted(before)
}
