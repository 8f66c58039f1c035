package sim

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout"
)

var (
	deep  = flag.Bool("deep", false, "search larger scopes, which takes some twenty minutes")
	scope = flag.String("scope", "", "search only the scope of this name")
)

// searched are the scopes in which nothing may be found.
func searched() []Scope {
	each := []Scope{
		canaryScope(), pingPongScope(), dynamicScope(), measuredScope(), podsScope(), blueGreenScope(), installScope(), operatedScope(),
		rewiredScope(), clockScope(), ruledScope(), gatedScope(),
	}
	var all []Scope
	for _, s := range each {
		if *scope != "" && s.Name != *scope {
			continue
		}
		if *deep {
			all = append(all, s.with(2, 0), s.with(1, 1))
			continue
		}
		all = append(all, s.with(1, 0))
		// The faults of a canary don't depend on who operates it.
		if s.Name != operatedScope().Name {
			all = append(all, s.with(0, 1))
		}
	}
	if *scope == "" || *scope == frozenScope().Name {
		all = append(all, frozenScope())
	}
	return all
}

func TestExhaustiveSearchFindsNoViolation(t *testing.T) {
	var all Found
	began := time.Now()
	for _, s := range searched() {
		t.Run(fmt.Sprintf("%s, %d deeds, %d faults", s.Name, s.Deeds, s.Faults), func(t *testing.T) {
			s.Progress = progress(t)
			a := audited(s, 500)
			found := a.search.run()
			t.Logf("%8d states, %8d transitions, %3d moves deep, %5d at rest, %5d compared",
				found.States, found.Transitions, found.Moves, found.Rests, a.compared)
			all.States, all.Transitions = all.States+found.States, all.Transitions+found.Transitions
			for _, c := range found.Broken {
				t.Error(c)
			}
			require.Empty(t, a.confused)
		})
	}
	t.Logf("%8d states, %8d transitions in %s", all.States, all.Transitions, time.Since(began).Round(time.Second))
}

// progress tells every ten seconds how far a search is.
func progress(t *testing.T) func(moves, states, next int) {
	told := time.Now()
	return func(moves, states, next int) {
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			t.Logf("after %d moves: %d states, %d to look at next", moves, states, next)
		}
	}
}

// mistake is one that a search must find.
type mistake struct {
	name, violates string
	scope          Scope
}

// mistakes are some of the engine's, see mutants, and some of its controller's, see Guards.
func mistakes() []mistake {
	within := map[string]Scope{
		"takes the pods away as soon as the routes say zero":                 canaryScope().with(1, 0),
		"leaves a bad revision its traffic while its pods are ready":         canaryScope().with(1, 0),
		"gives everything back at once to a stable that has given pods back": dynamicScope().with(1, 0),
		"does not wait for a verdict":                                        measuredScope(),
		"asks no gate":                                                       gatedScope(),
		"doesn't say when to look again":                                     canaryScope(),
	}
	var all []mistake
	for _, m := range mutants() {
		if s, there := within[m.name]; there {
			s.Settings.Decide = m.decide
			all = append(all, mistake{m.name, m.violates, s})
		}
	}
	content := canaryScope()
	content.Settings.Decide = planning(contentWithLess)
	unconditional, unconfirmed := canaryScope().with(0, 1), canaryScope().with(1, 1)
	unconditional.Breaks, unconditional.Settings.Guards.Preconditions = []string{"frozen leader"}, false
	unconfirmed.People, unconfirmed.Breaks = []string{"delete"}, []string{"stalled watch"}
	unconfirmed.Settings.Guards.LiveConfirm = false
	return append(all,
		mistake{"keeps the pods of other revisions", "Liveness", content},
		mistake{"writes without preconditions", "StatusGoesForward", unconditional},
		mistake{"doesn't confirm on live reads", "DeletionMovesNothing", unconfirmed})
}

// contentWithLess is an engine that never removes all pods of a revision, and says that all is well.
func contentWithLess(_ rollout.Observed, p *rollout.Plan) {
	all := len(p.Actions)
	p.Actions = slices.DeleteFunc(p.Actions, func(a rollout.Action) bool {
		scale, ok := a.(rollout.Scale)
		return ok && scale.Replicas == 0
	})
	if len(p.Actions) < all {
		p.Report.State = rollout.Healthy
	}
}

func TestExhaustiveSearchFindsMistakes(t *testing.T) {
	for _, m := range mistakes() {
		t.Run(m.name, func(t *testing.T) {
			found := Search(m.scope)
			i := slices.IndexFunc(found.Broken, func(c Counterexample) bool { return c.Invariant == m.violates })
			require.GreaterOrEqual(t, i, 0, "of %v", found.Broken)
			c := found.Broken[i]
			t.Log(c)
			if c.Invariant != "Liveness" {
				require.Contains(t, strings.Join(c.Trace, "\n"), "VIOLATED "+m.violates)
			}
		})
	}
}
