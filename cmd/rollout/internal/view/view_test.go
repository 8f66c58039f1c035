package view

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// now is the time at which every golden picture is taken.
func now() time.Time { return time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC) }

// load reads a Rollout and, after it, its ReplicaSets.
func load(t *testing.T, path string) Picture {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var p Picture
	for i, document := range bytes.Split(text, []byte("\n---\n")) {
		if i == 0 {
			p.Rollout = &v1alpha1.Rollout{}
			require.NoError(t, yaml.UnmarshalStrict(document, p.Rollout))
			continue
		}
		var set appsv1.ReplicaSet
		require.NoError(t, yaml.UnmarshalStrict(document, &set))
		p.ReplicaSets = append(p.ReplicaSets, set)
	}
	return p
}

func golden(t *testing.T, path, text string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run the test with -update to write it")
	require.Equal(t, string(want), text)
}

func scenes(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	return paths
}

func TestTreeShowsWhatARolloutDoesAndWhy(t *testing.T) {
	for _, path := range scenes(t) {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			golden(t, filepath.Join("testdata", name+".txt"), Tree(load(t, path), Style{}, now()))
		})
	}
}

func TestTreeInColorSaysTheSameAsWithout(t *testing.T) {
	for _, path := range scenes(t) {
		picture := load(t, path)
		colored := Tree(picture, Style{Color: true}, now())
		require.NotContains(t, Tree(picture, Style{}, now()), "\x1b")
		require.Contains(t, colored, "\x1b[")
		for _, p := range []paint{bold, dim, red, green, yellow, blue, "0"} {
			colored = strings.ReplaceAll(colored, "\x1b["+string(p)+"m", "")
		}
		require.Equal(t, Tree(picture, Style{}, now()), colored, path)
	}
}

func TestTreeSaysWhyAPartOfItIsMissing(t *testing.T) {
	picture := load(t, "testdata/stepping.yaml")
	picture.Note = "Ages and images are missing: list ReplicaSets: forbidden"
	require.True(t, strings.HasSuffix(Tree(picture, Style{}, now()), "\n\n"+picture.Note+"\n"))
}

func TestTableIsSortedAndLinesUp(t *testing.T) {
	var rollouts []*v1alpha1.Rollout
	for _, path := range scenes(t) {
		r := load(t, path).Rollout
		r.Name = strings.TrimSuffix(filepath.Base(path), ".yaml")
		// Backwards, so that the order of the rows is the table's own.
		rollouts = append([]*v1alpha1.Rollout{r}, rollouts...)
	}
	Sort(rollouts)
	table := Table{Namespaces: true}
	golden(t, "testdata/table.golden", table.Render(rollouts, now()))
}

func TestTableCutsMessagesWhereTheTerminalEnds(t *testing.T) {
	table := Table{Width: 100}
	rendered := table.Render([]*v1alpha1.Rollout{load(t, "testdata/aborted.yaml").Rollout}, now())
	for line := range strings.Lines(rendered) {
		require.LessOrEqual(t, width(strings.TrimSuffix(line, "\n")), 100)
	}
	require.Contains(t, rendered, "…\n")
}

func TestRowsThatComeLaterLineUpWithTheTable(t *testing.T) {
	r := load(t, "testdata/stepping.yaml").Rollout
	table := Table{}
	first := table.Render([]*v1alpha1.Rollout{r}, now())
	require.True(t, strings.HasSuffix(first, table.Row(r, now())))

	short := r.DeepCopy()
	short.Name = "a"
	require.Equal(t, strings.Index(first, "PHASE"), strings.Index(table.Row(short, now()), "Progressing"))
}

func TestLineSaysTheWordsOfTheStatus(t *testing.T) {
	r := load(t, "testdata/stepping.yaml").Rollout
	require.Equal(t, fmt.Sprintf("Progressing 2/5: %s", r.Status.Message), Line(r, Style{}))

	r.Generation++
	require.Equal(t, "Waiting: the controller has not seen the last change yet: generation 5, it is at 4", Line(r, Style{}))

	r.Status = v1alpha1.RolloutStatus{}
	require.Equal(t, "Waiting: the controller has not looked at it yet", Line(r, Style{}))
}

func TestLineSaysWhatHoldsOrMovesARolloutBesides(t *testing.T) {
	r := load(t, "testdata/stepping.yaml").Rollout
	r.Status.Message = "step 1 of 5"
	r.Status.Paused = true
	require.Equal(t, "Progressing 2/5: step 1 of 5; paused until rollout resume checkout", Line(r, Style{}))
	r.Status.Restart = &v1alpha1.RestartStatus{}
	require.Equal(t, "Progressing 2/5: step 1 of 5; paused until rollout resume checkout; a restart was asked for", Line(r, Style{}))

	r.Status.Restart.Done = true
	r.Status.Message = "paused by request, until rollout resume: the release stays at step 1 of 5"
	require.Equal(t, "Progressing 2/5: "+r.Status.Message, Line(r, Style{}))
}

func TestWhatPausesARolloutIsToldWithItsEnd(t *testing.T) {
	r := load(t, "testdata/stepping.yaml").Rollout
	require.Empty(t, Paused(r))
	r.Spec.Paused = true
	require.Equal(t, "by spec.paused: set it to false", Paused(r))
	r.Status.Paused = true
	require.Equal(t, "by spec.paused and by request: set the one to false and end the other with rollout resume checkout", Paused(r))
	r.Spec.Paused = false
	require.Equal(t, "by request: rollout resume checkout ends it", Paused(r))
}

func TestBlueGreenReleaseIsAtTheLineOfThePlanThatItsStatusSays(t *testing.T) {
	preview, judged, pause, toSwitch, after := 0, 1, 2, 3, 4
	for name, c := range map[string]struct {
		change func(*v1alpha1.RolloutStatus)
		line   int
	}{
		"pods start":             {func(s *v1alpha1.RolloutStatus) { s.Release.StepIndex, s.Release.ReadyHighWater = 0, 0 }, preview},
		"analysis":               {func(s *v1alpha1.RolloutStatus) { s.Release.StepIndex = 0 }, judged},
		"pause":                  {func(*v1alpha1.RolloutStatus) {}, pause},
		"pause, after a restart": {func(s *v1alpha1.RolloutStatus) { s.Release.ReadyHighWater = 0 }, pause},
		"before the switch":      {func(s *v1alpha1.RolloutStatus) { s.Release.StepIndex, s.Release.Phase = 2, promoting }, toSwitch},
		"promoted in full": {func(s *v1alpha1.RolloutStatus) {
			s.Release.StepIndex, s.Release.Phase, s.Release.ReadyHighWater = 2, promoting, 0
		}, preview},
		"after the switch": {func(s *v1alpha1.RolloutStatus) {
			s.Release.StepIndex, s.Release.Phase, s.Traffic.StableBackend = 2, promoting, "6f9c4"
		}, after},
		"taken back at the pause": {func(s *v1alpha1.RolloutStatus) { s.Release.Phase = aborted }, pause},
		"taken back at the switch": {func(s *v1alpha1.RolloutStatus) {
			s.Release.StepIndex, s.Release.Phase, s.Release.Cause = 2, aborting, "Deadline"
		}, toSwitch},
		"taken back afterwards": {func(s *v1alpha1.RolloutStatus) {
			s.Release.StepIndex, s.Release.Phase, s.Release.Cause = 2, aborted, "Analysis"
		}, after},
		"taken back before": {func(s *v1alpha1.RolloutStatus) {
			s.Release.StepIndex, s.Release.Phase, s.Release.Cause = 0, aborted, "Analysis"
		}, judged},
	} {
		r := load(t, "testdata/bluegreen-waiting.yaml").Rollout
		c.change(&r.Status)
		require.Equal(t, c.line, currentLine(r, r.Status.Release, planOf(r)), name)
	}
}

func TestBlueGreenPlanHasOnlyTheLinesThatThereAre(t *testing.T) {
	r := load(t, "testdata/restart-planned.yaml").Rollout
	r.Spec.Replicas, r.Spec.WorkloadRef = nil, &v1alpha1.WorkloadRef{Name: "web"}
	require.Equal(t, plan{{words: "preview: all pods ready"}, {words: "switch: Service web reaches the new revision"}}, planOf(r))

	two, ten := int32(2), int32(10)
	r.Spec.Strategy.BlueGreen.PreviewReplicaCount = &two
	require.Equal(t, "preview: 2 pods ready", planOf(r)[0].words)
	r.Spec.Replicas = &two
	r.Spec.Strategy.BlueGreen.PreviewReplicaCount = &ten
	require.Equal(t, "preview: 2 pods ready", planOf(r)[0].words)
}

func TestDurationsAreWrittenAsPeopleDo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		2 * time.Minute:         "2m",
		90 * time.Second:        "1m30s",
		time.Hour:               "1h",
		time.Hour + time.Minute: "1h1m",
		20 * time.Minute:        "20m",
		500 * time.Millisecond:  "500ms",
		0:                       "0s",
	} {
		require.Equal(t, want, exactly(d))
	}
}
