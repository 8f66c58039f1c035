package picture

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run the test with -update to write it")
	require.Equal(t, string(want), text)
}

func start() time.Time { return time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC) }

// stepping is a good release in the middle of its plan.
func stepping() Scene {
	return Scene{
		Now: start().Add(72 * time.Second), Started: start(), Place: "sandbox cluster demo-1f", Rate: 100, Replicas: 10,
		Releases: []Release{
			{"v2", "a good version", Running}, {"v3", "answers 30% with errors", Waiting}, {"v4", "takes 800ms to answer", Waiting},
		},
		Phase: "Progressing", Message: "step 4 of 6: pausing for 4s, until 12:01:15, at canary weight 25",
		Revisions: []Revision{
			{"v2", "6f9c4d7b58", "canary", 3, 3, 25, 0.247},
			{"v1", "58d7bc9f44", "stable", 10, 10, 75, 0.753},
		},
		Metrics: []Metric{{"success-rate", "100%", ">= 99%", "pass"}, {"latency", "", "<= 500ms", "no data"}},
		Plan: []Step{
			{"weight 5", StepDone}, {"pause 4s", StepDone}, {"weight 25", StepDone}, {"pause 4s", StepNow},
			{"weight 50", StepNext}, {"pause 4s", StepNext}, {"promote", StepNext},
		},
		Requests: Requests{Sent: 4321},
		History:  []float64{0, 0, 0.05, 0.05, 0.05, 0.12, 0.25, 0.25, 0.4, 0.5, 0.7, 1},
		Events: []Event{
			{start().Add(60 * time.Second), "v2 is released: a good version"},
			{start().Add(62 * time.Second), "traffic given: v2 5%, v1 95%"},
			{start().Add(70 * time.Second), "traffic given: v2 25%, v1 75%"},
		},
	}
}

// takenBack is a bad release that was ended.
func takenBack() Scene {
	s := stepping()
	s.Current = 1
	s.Releases = []Release{
		{"v2", "a good version", Promoted}, {"v3", "answers 30% with errors", TakenBack}, {"v4", "takes 800ms to answer", Waiting},
	}
	s.Phase = "Degraded"
	s.Message = "revision v3 was taken back: success-rate was 72%, wanted >= 99%; stable revision v2 serves everything"
	s.Revisions = []Revision{{"v3", "7c44d9f6b5", "canary", 0, 1, 0, 0}, {"v2", "6f9c4d7b58", "stable", 10, 10, 100, 1}}
	s.Metrics = []Metric{{"success-rate", "72%", ">= 99%", "fail"}, {"latency", "99ms", "<= 500ms", "pass"}}
	s.Plan = []Step{{"weight 5", StepDone}, {"pause 4s", StepStopped}, {"promote", StepNext}}
	s.Requests = Requests{Sent: 9876, Lost: 2, Errors: []VersionErrors{{"v3", 7}}}
	s.History = []float64{0, 0.05, 0.05, 0}
	return s
}

func TestThePictureShowsTheReleaseAndWhatClientsReceive(t *testing.T) {
	for name, c := range map[string]struct {
		scene Scene
		style Style
	}{
		"stepping":   {stepping(), Style{Width: 100}},
		"taken-back": {takenBack(), Style{Width: 100}},
		"colored":    {takenBack(), Style{Width: 100, Color: true}},
		"low":        {stepping(), Style{Width: 80, Height: 24}},
		"nothing":    {Scene{Now: start(), Started: start(), Current: -1, Replicas: 10}, Style{Width: 100}},
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, Render(c.scene, c.style)) })
	}
}

func TestThePictureNeverLeavesItsRoom(t *testing.T) {
	for _, scene := range []Scene{stepping(), takenBack()} {
		for columns := 1; columns < 160; columns++ {
			for rows := 1; rows < 45; rows++ {
				lines := strings.SplitAfter(Render(scene, Style{Width: columns, Height: rows}), "\n")
				require.LessOrEqual(t, len(lines)-1, rows)
				for _, l := range lines {
					require.LessOrEqual(t, width(strings.TrimSuffix(l, "\n")), columns, l)
				}
			}
		}
	}
}

func TestASmallShareIsNeverDrawnAsNone(t *testing.T) {
	draw := func(share float64) string { return bar(share, 10, plain).render(Style{Width: 10}) }
	require.Equal(t, "▏░░░░░░░░░", draw(0.001))
	require.Equal(t, "░░░░░░░░░░", draw(0))
	require.Equal(t, "█████░░░░░", draw(0.5))
	require.Equal(t, "██████████", draw(1.01))
	require.Equal(t, '▁', block(0.001, 0))
}

func TestChangesTellWhatIsNewAndNothingElse(t *testing.T) {
	before := stepping()
	require.Empty(t, Changes(before, before))

	counted := stepping()
	counted.Requests.Sent, counted.Revisions[0].Received = 9999, 0.26
	require.Empty(t, Changes(before, counted))

	after := takenBack()
	require.Equal(t, []string{
		"success-rate: fail (72%, threshold >= 99%)",
		"latency: pass (99ms, threshold <= 500ms)",
		"Degraded: revision v3 was taken back: success-rate was 72%, wanted >= 99%; stable revision v2 serves everything",
		"traffic given: v2 100%",
		"2 requests lost, 2 so far",
		"v2 is promoted; clients receive v2 100%",
		"v3 is taken back; clients receive v2 100%",
	}, Changes(before, after))
}

func TestCountingPodsIsNoNews(t *testing.T) {
	before, after := stepping(), stepping()
	before.Message = "step 3 of 6: 1 of 3 endpoints of revision v2 are ready for canary weight 25"
	after.Message = "step 3 of 6: 2 of 3 endpoints of revision v2 are ready for canary weight 25"
	require.Empty(t, Changes(before, after))
}
