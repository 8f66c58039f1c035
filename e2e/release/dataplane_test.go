//go:build e2e

package release

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

const (
	// planeTime bounds everything that is played on one data plane. It takes a fifth of that where nothing else runs.
	planeTime = 15 * time.Minute
	// lostCalls is the percentage of the controller's calls to the API server that fail in the last play.
	lostCalls = 20
)

// plane is a data plane, and how a release uses it.
type plane struct {
	router string
	plan
	// enter sends the clients.
	enter func(*shop) audience
	// stops are where a release waits for a person, and what clients receive there.
	stops []stop
	// sticky: there are clients that keep the cookies of a release, as soon as there are any.
	sticky bool
	// connected: clients keep connections to pods, and leave them when these go.
	connected bool
	// abort plays the first release instead of (*scene).abortRelease, unless it is nil.
	abort func(*scene, *planeRow)
}

// stop is the share in percent that the new version gets, of all clients and of those that are testers.
type stop struct{ share, testers float64 }

// What clients receive of a new version before and after its release.
var nothing, everything = stop{0, 0}, stop{100, 100}

// scene is a shop on a data plane.
type scene struct {
	*stage
	plane
	audience
	// keepers keep the cookies of the release that is under way.
	keepers audience
}

// TestEveryDataPlaneFollowsTheSteps plays a release that is aborted, and one that is superseded by another one, which ends well while calls
// to the API server fail, and measures at every step what clients receive. With ROLLOUT_E2E_ALL the latter two are also played with an API
// server that always answers.
func TestEveryDataPlaneFollowsTheSteps(t *testing.T) {
	shared.addMesh(t)
	ownControllers(t, func(t *testing.T) {
		// All at once would be more than a small machine can serve.
		t.Run("mesh", func(t *testing.T) { playAll(t, meshes()) })
		t.Run("gateway", func(t *testing.T) { playAll(t, gateways()) })
	})
}

func playAll(t *testing.T, planes []plane) {
	for _, p := range planes {
		t.Run(p.router, func(t *testing.T) {
			t.Parallel()
			p.play(t)
		})
	}
}

func (p plane) play(t *testing.T) {
	s := p.open(t)
	abort := p.abort
	if abort == nil {
		abort = (*scene).abortRelease
	}
	s.transition("abort", func(r *planeRow) { abort(s, r) })
	if os.Getenv(playAllOfIt) != "" {
		s.transition("supersede and release", func(r *planeRow) { s.supersede("v4", "v5", r) })
	}
	s.loseCalls(lostCalls)
	s.transition(fmt.Sprintf("supersede and release, %d %% of API calls fail", lostCalls), func(r *planeRow) { s.supersede("v6", "v7", r) })
	ended := time.Now()
	for _, c := range s.audience {
		c.awaitRequests(transitionRate, ended)
		c.Stop()
		c.requireNoFailure()
		require.Equal(t, 1.0, c.Answers().Since(ended).Share("v7"))
	}
}

// supersede releases a version until it has a share, and then another one to the end.
func (s *scene) supersede(first, second string, r *planeRow) {
	s.push(first)
	s.hold(first, -1)
	s.measure(first, s.stops[0], r)
	s.release(second, r)
}

// abortRelease takes a release back by request.
func (s *scene) abortRelease(r *planeRow) {
	s.push("v3")
	s.hold("v3", -1)
	s.measure("v3", s.stops[0], r)
	s.ask("abort")
	s.untilTakenBack("Request")
	s.measure("v3", nothing, r)
}

// open makes the shop with version v1, and sends its clients.
func (p plane) open(t *testing.T) *scene {
	p.limit, p.replicas = planeTime, 2
	s := &scene{plane: p, stage: &stage{shop: openNamespace(t, p.plan), versions: map[string]string{}}}
	s.journal = s.keepJournal()
	s.startController()
	s.applyRoutes()
	s.push("v1")
	s.untilServed("v1")
	s.audience = p.enter(s.shop)
	s.clients = s.audience[0].clients
	return s
}

// applyRoutes applies the plane's objects, as before the first release.
func (s *scene) applyRoutes() {
	s.t.Helper()
	public, private, err := certificate(s.host())
	require.NoError(s.t, err)
	s.applyManifest(s.manifest, map[string]any{"Host": s.host(), "Certificate": public, "Key": private})
}

// transition plays something and writes down what clients noticed of it.
func (s *scene) transition(name string, play func(*planeRow)) {
	s.t.Helper()
	began := time.Now()
	row := &planeRow{router: s.router, transition: name}
	s.journal.note("%s", name)
	defer func() {
		row.took = time.Since(began)
		for _, c := range slices.Concat(s.audience, s.keepers) {
			answers := c.Answers().Since(began)
			row.requests += len(answers)
			row.failures += len(answers.Failures())
		}
		s.dataPlanes.add(*row)
	}()
	play(row)
	s.dismissKeepers()
}

// release releases a version to the end, with a look at what clients receive at every stop.
func (s *scene) release(version string, r *planeRow) {
	s.t.Helper()
	s.push(version)
	step := int32(-1)
	for _, stop := range s.stops {
		step = s.hold(version, step)
		s.measure(version, stop, r)
		s.ask("promote")
	}
	s.untilServed(version)
	stable := s.rollout().Status.StableRevision
	if s.connected {
		s.awaitPods(stable)
	}
	s.measure(version, everything, r)
	s.awaitPods(stable)
}

// hold waits until the release of a version waits for a person beyond a step, and returns at which.
func (s *scene) hold(version string, beyond int32) int32 {
	s.t.Helper()
	held := s.await(fmt.Sprintf("%s held beyond step %d", version, beyond), func(r *v1alpha1.Rollout) bool {
		release := r.Status.Release
		return r.Status.Phase == v1alpha1.PhasePaused && release != nil && release.StepIndex > beyond && s.runs(release.Revision, version)
	})
	return held.Status.Release.StepIndex
}
