package rollout_test

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
)

// place is where analysis can stand.
type place struct {
	name string
	// begin makes a Rollout with a metric there, and done is part of the event that says that the release went on.
	begin, done string
	// share is what the revision under test has while the metric decides.
	share int
	// own are answers that there are only here.
	own []answer
}

// effect is what becomes of a release.
type effect string

const (
	goesOn    effect = "goes on"
	waits     effect = "waits"
	takenBack effect = "is taken back"
)

// answer is what a source says all the time, and what a release makes of it at every place.
type answer struct {
	name string
	// metrics is the command that makes the source say so, of a revision whose value is this; 1 if it is zero.
	metrics string
	value   float64
	// policy is what the user wrote beside the metric, as in docs/analysis.md, and options the same as in a script.
	policy, options string

	verdict analysis.Verdict
	effect  effect
	// worse is what becomes of a release that waits once the value is bad; taken back if it is empty.
	worse effect
}

func answers() []answer {
	const between = "bad-below:0.6"
	return []answer{
		{name: "good", verdict: analysis.Pass, effect: goesOn},
		{name: "bad", value: 0.5, verdict: analysis.Fail, effect: takenBack},
		{name: "bad", value: 0.5, policy: "failureLimit: -1", options: "failures:-1", verdict: analysis.Fail, effect: waits, worse: waits},
		{name: "bad", value: 0.5, policy: "consecutiveFailureLimit: 1", options: "failures:-1;failing:1", verdict: analysis.Fail, effect: takenBack},
		{name: "bad", value: 0.5, policy: "dryRun: true", options: "dry", verdict: analysis.Fail, effect: goesOn},
		{name: "infinite", metrics: "infinite", verdict: analysis.Fail, effect: takenBack},
		{name: "neither condition holds", value: 0.8, options: between, verdict: analysis.Inconclusive, effect: waits},
		{name: "neither condition holds", value: 0.8, policy: "inconclusiveLimit: 1", options: between + ";inconclusive:1",
			verdict: analysis.Inconclusive, effect: takenBack},
		{name: "about too few requests", metrics: "few", policy: "minRequests: 50", options: "requests:50", verdict: analysis.Inconclusive, effect: waits},
		{name: "bad, about too few requests", metrics: "few", value: 0.5, policy: "minRequests: 50", options: "requests:50",
			verdict: analysis.Inconclusive, effect: waits},
		{name: "no series", metrics: "no data", verdict: analysis.NoData, effect: waits},
		{name: "no series", metrics: "no data", policy: "noData: Fail", options: "no-data:fail", verdict: analysis.NoData, effect: takenBack},
		{name: "no series", metrics: "no data", policy: "noData: Pass", options: "no-data:pass", verdict: analysis.NoData, effect: goesOn},
		{name: "NaN", metrics: "NaN", verdict: analysis.NoData, effect: waits},
		{name: "several series", metrics: "several", verdict: analysis.Error, effect: waits},
		{name: "the source can't be asked", metrics: "error", verdict: analysis.Error, effect: waits},
		{name: "the source can't be asked", metrics: "error", policy: "consecutiveErrorLimit: 1", options: "errors:1", verdict: analysis.Error, effect: takenBack},
	}
}

func places() []place {
	aboutStable := []answer{
		{name: "stable has no series", metrics: "stable no data", verdict: analysis.NoData, effect: waits},
		{name: "stable has NaN", metrics: "stable NaN", verdict: analysis.NoData, effect: waits},
		{name: "stable is infinite", metrics: "stable infinite", verdict: analysis.Error, effect: waits},
		{name: "stable can't be asked about", metrics: "stable error", verdict: analysis.Error, effect: waits},
	}
	const promoted, passed = "revision v2 is stable", "the analysis has passed"
	return []place{
		{name: "In the background", begin: "steps=20%,50% metric=probe>99%", done: promoted, share: 20},
		{name: "In the background, by replica count", begin: "wiring=pods steps=25%,50% metric=probe>99%", done: promoted, share: 25},
		{name: "In the background, relative to stable", begin: "steps=20%,50% metric=probe>99%;against:ratio", done: promoted,
			share: 20, own: aboutStable},
		{name: "At a step", begin: "steps=20%,judge:probe>99%,50%", done: passed, share: 20},
		{name: "While it bakes", begin: "steps=20% bake=1m post-metric=probe>99%", done: promoted, share: 100},
		{name: "Before a blue-green promotion", begin: "wiring=preview steps=judge:probe>99%", done: passed, share: 0},
		{name: "After a blue-green promotion", begin: "wiring=preview post-metric=probe>99%", done: promoted, share: 100},
	}
}

// cell is an answer at a place.
type cell struct {
	place
	answer
	// says is the sentence that people read.
	says string
}

// patience is how long a release that waits is looked at before a person is called.
const patience = 100 * time.Second

// TestEveryOutcomeAtEveryPlace gives every answer at every place of a release where analysis can stand.
func TestEveryOutcomeAtEveryPlace(t *testing.T) {
	var cells []cell
	for _, p := range places() {
		for _, a := range slices.Concat(answers(), p.own) {
			c := cell{place: p, answer: a}
			t.Run(strings.Join([]string{p.name, a.name, a.policy}, "/"), func(t *testing.T) {
				c.says = c.play(t, "")
				if a.effect == waits {
					c.play(t, goesOn)
					c.play(t, cmp.Or(a.worse, takenBack))
				}
			})
			cells = append(cells, c)
		}
	}
	keepPage(t, "../docs/outcomes.md", everything(cells))
}

// play releases under the answer, and says what people read then. After a release has waited
// for longer than its deadline the source says something that makes it do what comes after.
func (c cell) play(t *testing.T, after effect) (says string) {
	t.Helper()
	s := &script{t: t}
	defer func() { s.take() }()
	name, options, _ := strings.Cut(c.begin, "probe>99%")
	first := "probe>99%;" + c.options
	s.do("rollout stable=v1 replicas=4 " + name + strings.TrimSuffix(first, ";") + options)
	if c.value != 0 {
		s.do(fmt.Sprintf("revision v2 probe=%g", c.value))
	}
	if c.metrics != "" {
		s.do("metrics " + c.metrics)
	}
	s.do("push v2")
	s.cluster.Run(patience, func() bool { return false })
	says = c.requireEffect(s, c.effect)
	if release := s.cluster.Status().Release; release != nil {
		require.Equal(t, c.verdict, release.Metrics[0].Verdict)
	}
	if c.effect != waits {
		return says
	}
	s.do("run 20m")
	require.Equal(t, rollout.Waiting, s.cluster.Report().State)
	require.Equal(t, "Held", s.cluster.Report().Reason, "a release that waits for a verdict says after a while that it waits for a person")
	require.True(t, s.cluster.Report().Stalled)
	c.requireEffect(s, waits)
	if after != "" {
		better := map[effect]string{goesOn: "1", takenBack: "0.5", waits: "0.5"}[after]
		s.do("metrics ok")
		s.do("revision v2 probe=" + better)
		s.do("run 5m")
		c.requireEffect(s, after)
	}
	return says
}

// requireEffect requires that this is what became of the release, and returns what it says.
func (c cell) requireEffect(s *script, want effect) string {
	s.t.Helper()
	status, report := s.cluster.Status(), s.cluster.Report()
	release := status.Release
	switch want {
	case goesOn:
		require.Nil(s.t, release, report.Message)
		require.Equal(s.t, "v2", status.Stable)
		return s.lastLine(c.done)
	case takenBack:
		require.NotNil(s.t, release, report.Message)
		require.Equal(s.t, rollout.Aborted, release.Phase, report.Message)
		require.Equal(s.t, rollout.ByAnalysis, release.Cause)
		require.Equal(s.t, "v1", status.Stable)
		require.Zero(s.t, status.Ledger.High)
	case waits:
		require.NotNil(s.t, release, report.Message)
		require.Contains(s.t, []rollout.Phase{rollout.Stepping, rollout.Promoting}, release.Phase, report.Message)
		require.Equal(s.t, "v1", status.Stable)
		require.Equal(s.t, c.share, status.Ledger.High, "a release that waits changes no share")
	}
	return report.Message
}

// lastLine is the last event that says something.
func (s *script) lastLine(says string) string {
	s.t.Helper()
	for _, line := range slices.Backward(s.lines) {
		if _, event, is := strings.Cut(line, "event"); is && strings.Contains(event, says) {
			_, message, _ := strings.Cut(event, ": ")
			return message
		}
	}
	require.Fail(s.t, "no event says "+says, strings.Join(s.lines, "\n"))
	return ""
}

// everything is the page of all cells.
func everything(cells []cell) string {
	var page strings.Builder
	page.WriteString("# Every outcome at every place\n\nWhat a release does, and what it says, when the metric `probe` answers so at every measurement; " +
		"its threshold is `{min: \"99%\"}`.\nA release that waits goes on by itself when the answers are good, and is taken back when they are bad. " +
		"[Analysis](analysis.md) has the rules.\n\n`go test ./rollout -run EveryOutcome -update` writes this page: every line of it was played.\n")
	for i, c := range cells {
		if i == 0 || cells[i-1].place.name != c.place.name {
			fmt.Fprintf(&page, "\n## %s\n\n| answer | with | outcome | the release | it says |\n|---|---|---|---|---|\n", c.place.name)
		}
		policy := ""
		if c.policy != "" {
			policy = "`" + c.policy + "`"
		}
		fmt.Fprintf(&page, "| %s | %s | %s | %s | %s |\n", c.answer.name, policy, c.verdict, c.effect, c.says)
	}
	return page.String()
}

// keepPage compares a page with what it has to be, or writes it.
func keepPage(t *testing.T, file, want string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	have, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, want, string(have), "go test ./rollout -run %s -update writes it anew", t.Name())
}

// atLeast and below are conditions on a number that know nothing of NaN, as users write them.
type (
	atLeast float64
	below   float64
)

func (c atLeast) Holds(a analysis.Answer) (bool, error) {
	return a.Result.(float64) >= float64(c), nil
}
func (c atLeast) Heeds(analysis.Oddity) bool { return false }
func (c atLeast) String() string             { return fmt.Sprintf("result >= %g", float64(c)) }

func (c below) Holds(a analysis.Answer) (bool, error) { return a.Result.(float64) < float64(c), nil }
func (c below) Heeds(analysis.Oddity) bool            { return false }
func (c below) String() string                        { return fmt.Sprintf("result < %g", float64(c)) }
