//go:build integration

package crash

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// settle and drain are those of every strategy in these plays.
const settle, drain = 2 * time.Second, time.Second

// safety looks at the API server right before and right after every write of a controller, and notes what must never be. One
// write is looked at at a time, whoever makes it. It sees each route when a controller writes anything, so a share that
// somebody else gives and takes away again between two writes of controllers escapes it.
type safety struct {
	namespace string

	mu    sync.Mutex
	past  []world  // follows mu; oldest first
	found []string // follows mu
}

// oversee lets one write happen. Its error is that of the write.
func (s *safety) oversee(c call, write func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	before := s.last()
	// A status decides nothing by itself, and only controllers write it.
	if c.subresource != "status" || len(s.past) == 0 {
		var err error
		if before, err = before.read(ctx, s.namespace, allKinds...); err != nil {
			return s.blind(err)
		}
		s.past = append(s.past, before)
	}
	if err := write(); err != nil {
		return err
	}
	after, err := before.read(ctx, s.namespace, c.resource)
	if err != nil {
		return s.blind(err)
	}
	if wrong := judge(s.past, after); wrong != "" {
		s.found = append(s.found, fmt.Sprintf("%s: %s", c, wrong))
	}
	s.past = append(s.past, after)
	return nil
}

// blind notes that safety could not look, which must not pass for safe.
func (s *safety) blind(err error) error {
	s.found = append(s.found, fmt.Sprintf("nobody could look: %v", err))
	return err
}

func (s *safety) last() world {
	if len(s.past) == 0 {
		return world{}
	}
	return s.past[len(s.past)-1]
}

// verdict is nil if everything was safe.
func (s *safety) verdict() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.found) == 0 {
		return nil
	}
	return fmt.Errorf("not safe:\n%s", strings.Join(s.found, "\n"))
}

// judge says what is wrong with a write that made the world what it is after the past; empty for nothing.
func judge(past []world, after world) string {
	before, window := past[len(past)-1], recent(past, after.at.Add(-settle-drain))
	for _, rule := range []func(l lately, before, after world) string{
		trafficNeedsPods, pointersMoveWithoutTraffic, podsOutliveTraffic, podsStayAvailable, stableIsEarned,
	} {
		if wrong := rule(window, before, after); wrong != "" {
			return wrong
		}
	}
	return ""
}

// lately is what has been within the settle and the drain time.
type lately struct {
	// shares are the largest of each Service, reached those of each revision, through whatever Service.
	shares, reached map[string]int
	// fewest and most are the numbers of replicas that people asked for.
	fewest, most int
	// pointed is since when each Service has pointed where it does.
	pointed map[string]time.Time
}

// recent gathers what has been since a time. The last world before that time lasted into it.
func recent(past []world, since time.Time) lately {
	newest := past[len(past)-1]
	l := lately{shares: map[string]int{}, reached: map[string]int{}, fewest: newest.replicas, most: newest.replicas, pointed: map[string]time.Time{}}
	for service := range newest.points {
		l.pointed[service] = newest.at
	}
	moved := map[string]bool{}
	for _, w := range slices.Backward(past) {
		l.fewest, l.most = min(l.fewest, w.replicas), max(l.most, w.replicas)
		for service, share := range w.shares {
			l.shares[service] = max(l.shares[service], share)
			l.reached[w.points[service]] = max(l.reached[w.points[service]], share)
		}
		for service, revision := range newest.points {
			if moved[service] = moved[service] || w.points[service] != revision; !moved[service] {
				l.pointed[service] = w.at
			}
		}
		if w.at.Before(since) {
			break
		}
	}
	return l
}

// trafficNeedsPods: no route gives a Service more than its ready endpoints can carry, and none before the data plane can know
// them.
func trafficNeedsPods(l lately, before, after world) string {
	for service, share := range after.shares {
		revision := after.points[service]
		if share <= before.shares[service] || l.fewest == 0 || !before.othersServe(service) {
			continue
		}
		if have, need := before.endpoints[service][revision], before.needed(revision, share, l.fewest); have < need {
			return fmt.Sprintf("Service %s gets %d%% with %d of %d ready endpoints of revision %s", service, share, have, need, revision)
		}
		if known := after.at.Sub(l.pointed[service]); revision != before.stable && known < settle {
			return fmt.Sprintf("Service %s gets %d%% %s after it was pointed at revision %s", service, share, known, revision)
		}
	}
	return ""
}

// pointersMoveWithoutTraffic: a Service is pointed elsewhere only when it has had no traffic for the settle and the drain time.
// One that names no revision yet may be pointed at one that can carry what it has, and one that names the only revision with
// pods may name none. The active Service of a blue-green release always has all traffic: it is switched, to a revision that can
// carry it.
func pointersMoveWithoutTraffic(l lately, before, after world) string {
	for service, to := range after.points {
		from, existed := before.points[service]
		alone := to == "" && before.asked() == before.sets[from].asked
		if !existed || from == to || alone || before.ready(service) == 0 {
			continue
		}
		if from != "" && service != after.active && l.shares[service] > 0 {
			return fmt.Sprintf("Service %s is pointed from revision %s to %s; it has had %d%% within %s", service, from, to, l.shares[service], settle+drain)
		}
		share := before.shares[service]
		if have, need := before.sets[to].available, before.needed(to, share, l.fewest); have < need {
			return fmt.Sprintf("Service %s with %d%% is pointed at revision %s, of which %d of %d pods are available", service, share, to, have, need)
		}
	}
	return ""
}

// podsOutliveTraffic: a revision keeps the pods for all the traffic that it has had within the settle and the drain time. Where
// the number of pods is the share they go as those of a Deployment do.
func podsOutliveTraffic(l lately, before, after world) string {
	if !before.routed {
		return ""
	}
	for revision, set := range before.sets {
		need := min(podsFor(l.reached[revision], l.fewest), set.asked)
		if left := after.sets[revision].asked; left < need {
			return fmt.Sprintf("revision %s goes from %d to %d pods; it has had %d%% within %s", revision, set.asked, left, l.reached[revision], settle+drain)
		}
	}
	return ""
}

// podsStayAvailable: where the number of pods is the share, at most a quarter of them may be missing, and a quarter too many.
func podsStayAvailable(l lately, before, after world) string {
	if before.routed {
		return ""
	}
	had, has, asked := 0, 0, 0
	for revision, set := range after.sets {
		had += min(before.sets[revision].available, before.sets[revision].asked)
		has += min(set.available, set.asked)
		asked += set.asked
	}
	if least := l.fewest - l.fewest/4; has < min(had, least) {
		return fmt.Sprintf("%d of %d available pods remain, less than %d", has, had, least)
	}
	if most := l.most + (l.most+3)/4; asked > most && asked > before.asked() {
		return fmt.Sprintf("%d pods are asked for, more than %d", asked, most)
	}
	return ""
}

// stableIsEarned: a revision takes another one's place as stable at the end of a release of its own, and runs are never taken back.
func stableIsEarned(_ lately, before, after world) string {
	if after.runs < before.runs {
		return fmt.Sprintf("run %d becomes run %d", before.runs, after.runs)
	}
	if after.stable == before.stable || before.stable == "" {
		return ""
	}
	r := before.release
	if r == nil || r.Revision != after.stable || r.Phase != "Promoting" && r.Phase != "Installing" {
		return fmt.Sprintf("revision %s becomes stable from %s", after.stable, tell(r))
	}
	return ""
}

func tell(r *v1alpha1.Release) string {
	if r == nil {
		return "no release"
	}
	return fmt.Sprintf("a release of revision %s in phase %s", r.Revision, r.Phase)
}

// podsFor is how many of so many replicas it takes to carry a share.
func podsFor(share, replicas int) int { return (share*replicas + 99) / 100 }

// needed is how many pods a revision must have for a share. For the way back to stable one is enough: it beats a revision that is
// known to be bad.
func (w world) needed(revision string, share, replicas int) int {
	if revision == w.stable {
		return min(podsFor(share, replicas), 1)
	}
	return podsFor(share, replicas)
}

// ready counts the ready endpoints of a Service.
func (w world) ready(service string) int {
	n := 0
	for _, ready := range w.endpoints[service] {
		n += ready
	}
	return n
}

// othersServe says whether all traffic of other Services than this one reaches ready endpoints; if not there is nothing to lose.
func (w world) othersServe(service string) bool {
	for other, share := range w.shares {
		if other != service && share > 0 && w.ready(other) == 0 {
			return false
		}
	}
	return true
}

func (w world) asked() int {
	n := 0
	for set := range maps.Values(w.sets) {
		n += set.asked
	}
	return n
}
