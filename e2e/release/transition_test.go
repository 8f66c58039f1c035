//go:build e2e

package release

import (
	"cmp"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

const (
	// transitionRate is how many requests per second a transition goes through. Many run at the same time.
	transitionRate = 50
	// transitionTime bounds one transition, everything before and after it included.
	transitionTime = 3 * time.Minute
)

// transition is something that happens to a Rollout and that no client may notice.
type transition struct {
	name   string
	family family
	// strategy is spec.strategy, as YAML.
	strategy string
	// replicas and deadline replace those of the family and the default, unless they are zero.
	replicas int
	deadline time.Duration
	// begin brings the shop to where the transition starts; nil stands for version v1 that serves.
	begin func(*stage)
	// play is the transition.
	play func(*stage)
	// end waits for the end and returns the revision of the version that serves then; nil stands for awaitEnd.
	end func(s *stage, last string) (revision string)
	// tried are the versions that are released but don't get to serve everything, and served those that do, the last of them
	// in the end.
	tried, served []string
	// phase of the Rollout in the end; Healthy if empty.
	phase v1alpha1.Phase
	// brief: it takes seconds only.
	brief bool
}

// stage is a shop in which a transition is played.
type stage struct {
	*shop
	clients *clients
	journal *journal
	// versions are those of the revisions seen so far.
	versions map[string]string
}

// killedWithin is when a controller is killed at the latest, counted from the beginning of a transition, as long as it hasn't
// been measured how long the transition takes.
func (row transition) killedWithin() time.Duration {
	if row.brief {
		return 3 * time.Second
	}
	return 12 * time.Second
}

// playAllOfIt is the variable of the environment that, if it isn't empty, asks for everything that there is to play.
const playAllOfIt = "ROLLOUT_E2E_ALL"

// TestNoTransitionLosesARequest plays transitions with a controller that is killed at a random moment: those that differ most,
// or with ROLLOUT_E2E_ALL every one of them, and before that with a controller that works all the time. Both have to end the same
// then.
func TestNoTransitionLosesARequest(t *testing.T) {
	chance := seededChance(t)
	compare := os.Getenv(playAllOfIt) != ""
	ownControllers(t, func(t *testing.T) {
		for _, row := range transitions() {
			if !compare && !row.typical() {
				continue
			}
			chance := rand.New(rand.NewPCG(chance.Uint64(), 0))
			t.Run(row.family.name+"/"+row.name, func(t *testing.T) {
				t.Parallel()
				var calm, killed performance
				defer func() { shared.transitions.add(row, calm, killed) }()
				if compare && !t.Run("calm", func(t *testing.T) { row.perform(t, &calm) }) {
					return
				}
				killed.killed = 1 + time.Duration(chance.Int64N(int64(cmp.Or(calm.took, row.killedWithin()))))
				t.Run("killed", func(t *testing.T) {
					row.perform(t, &killed)
					if compare {
						require.Equal(t, calm.ending, killed.ending)
					}
				})
			})
		}
	})
}

// typical says whether a transition is among those that differ most from one another.
func (row transition) typical() bool {
	return slices.Contains([]string{
		"good release", "aborted by request", "new push in the middle of the steps", "undone to the revision before",
		"restarted with one replica", "pingPong, aborted", "dynamicStableScale, aborted",
		"aborted by request after the switch", "undone while the old pods still run", "Deployment taken over", "Deployment handed back",
		"gateway to blue-green in the middle",
	}, row.name)
}

// seededChance decides when controllers are killed. ROLLOUT_E2E_SEED repeats what an earlier run printed.
func seededChance(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	if text := os.Getenv("ROLLOUT_E2E_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "ROLLOUT_E2E_SEED")
	}
	t.Logf("ROLLOUT_E2E_SEED=%d", seed)
	shared.transitions.seed = seed
	return rand.New(rand.NewPCG(seed, 0))
}

// performance is what one performance of a transition showed.
type performance struct {
	requests, failed int
	// took is how long it was until no pod of another version was wanted any more.
	took time.Duration
	// killed is when the controller is killed, counted from the beginning; zero if it isn't.
	killed time.Duration
	ending ending
}

// perform plays the transition once, in a shop of its own, and requires that no client noticed.
func (row transition) perform(t *testing.T, shown *performance) {
	s := row.open(t)
	defer func() {
		s.clients.Stop()
		shown.requests, shown.failed = len(s.clients.Answers()), len(s.clients.Answers().Failures())
	}()
	began := time.Now()
	s.journal.note("the transition begins")
	var killed <-chan error
	if shown.killed > 0 {
		killed = s.killAfter(shown.killed)
	}
	row.play(s)
	revision := row.awaitEnd(s)
	shown.took = time.Since(began)
	s.journal.note("the transition is at its end")
	if killed != nil {
		require.NoError(t, <-killed)
	}
	s.awaitPods(revision)
	ended := time.Now()
	s.clients.awaitRequests(transitionRate, ended)
	s.clients.Stop()

	answers := s.clients.Answers()
	s.clients.requireNoFailure()
	require.Equal(t, 1.0, answers.Since(ended).Share(row.last()))
	met := answers.Counts()
	for _, version := range row.met() {
		require.NotZero(t, met[version], "nobody met %s: %s", version, answers)
		delete(met, version)
	}
	require.Empty(t, met, "versions that nobody should have met: %s", answers)
	shown.ending = s.ending()
}

// open makes the shop, with a controller and clients.
func (row transition) open(t *testing.T) *stage {
	p := row.family.plan
	p.strategy, p.progressDeadline, p.limit = row.strategy, row.deadline, transitionTime
	if row.replicas > 0 {
		p.replicas = row.replicas
	}
	s := &stage{shop: openNamespace(t, p), versions: map[string]string{}}
	s.journal = s.keepJournal()
	s.startController()
	s.applyManifest(p.manifest, map[string]any{"Host": s.host()})
	if row.begin != nil {
		row.begin(s)
	} else {
		s.push("v1")
		s.untilServed("v1")
	}
	s.clients = row.family.enter(s.shop)
	s.awaitController()
	return s
}

// last is the version that serves in the end.
func (row transition) last() string { return row.served[len(row.served)-1] }

// met are the versions that clients meet.
func (row transition) met() []string {
	met := slices.Clone(row.served)
	if !row.family.hidden {
		met = append(met, row.tried...)
	}
	slices.Sort(met)
	return slices.Compact(met)
}

// awaitEnd waits until the Rollout has reached its end and wants no pods but those of the version that serves in the end. It
// returns that version's revision.
func (row transition) awaitEnd(s *stage) (revision string) {
	s.t.Helper()
	if row.end != nil {
		return row.end(s, row.last())
	}
	phase := row.phase
	if phase == "" {
		phase = v1alpha1.PhaseHealthy
	}
	revision = s.awaitStable(row.last(), phase).Status.StableRevision
	s.until("the pods of other revisions to be unwanted", func() bool {
		return !slices.ContainsFunc(s.replicaSets(), func(set appsv1.ReplicaSet) bool {
			return set.Labels[v1alpha1.PodTemplateHashLabel] != revision && *set.Spec.Replicas > 0
		})
	})
	return revision
}

// versionOf is the version of the application that a ReplicaSet runs.
func versionOf(set appsv1.ReplicaSet) string {
	for _, variable := range set.Spec.Template.Spec.Containers[0].Env {
		if variable.Name == "VERSION" {
			return variable.Value
		}
	}
	return ""
}
