package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/rollout-dev/rollout/rollout"
)

// Bounds on how long it takes to come to rest once the faults have stopped.
const (
	roundsToRest = 4000
	timeToRest   = 2 * time.Hour
	// quiet is how long nothing must change.
	quiet = 30 * time.Minute
)

// rest stops all faults and waits until nothing moves any more. Controllers then act only when something changed or when
// they said that they would, so a wait without an end, or a wake-up that was forgotten, shows.
func (h *history) rest() {
	h.say("history", "the faults stop")
	h.repair()
	p := h.processes[0]
	h.restart(p)
	if h.store.rollouts.last().deleted {
		return
	}
	h.analysts.ordeal(h)
	if err := h.Settle(timeToRest); err != nil {
		h.violate("Liveness", err)
		return
	}
	if len(h.violations) > 0 {
		return
	}
	if err := h.atRest(p); err != nil {
		h.violate("Liveness", fmt.Errorf("at rest, but %w; it reports %s %s: %s", err, p.report.State, p.report.Reason, p.report.Message))
	}
}

// repair undoes what would keep the engine from its work for good.
func (h *history) repair() {
	h.outage, h.replies = "", nil
	for _, p := range h.processes {
		p.offset, p.frozen, p.running, p.pass = 0, time.Time{}, false, nil
	}
	for i, r := range h.store.routes.last() {
		if r.missing {
			h.EditRoute(i, 0)
		}
	}
	for b, s := range h.store.services.last() {
		if s.missing {
			h.pointService(b, "")
		}
	}
}

// Settle runs everything without faults until nothing moves any more. It returns an error if that takes longer than
// limit.
func (c *Cluster) Settle(limit time.Duration) error {
	p := c.processes[0]
	end, moved := c.now.Add(limit), c.now
	for range roundsToRest {
		if c.Round() {
			moved = c.now
		}
		if len(c.violations) > 0 {
			return nil
		}
		next, there := c.nextEvent(p)
		if !there || c.now.Sub(moved) > quiet {
			return nil
		}
		if next.After(end) {
			return fmt.Errorf("still busy after %s: %s", limit, p.report.Message)
		}
		c.now = next
	}
	return errors.New("busy without end: " + p.report.Message)
}

// Run runs everything without faults for some time, or until a condition holds; it says whether it does.
func (c *Cluster) Run(limit time.Duration, until func() bool) bool {
	end := c.now.Add(limit)
	for {
		c.Round()
		if until() {
			return true
		}
		next, there := c.nextEvent(c.processes[0])
		if len(c.violations) > 0 || !c.now.Before(end) {
			return false
		}
		if !there || next.After(end) {
			next = end
		}
		c.now = next
	}
}

// Round lets everybody do what they have to do at this moment. It says whether any of it mattered: that the engine
// wrote something, other than what it has measured.
func (c *Cluster) Round() bool {
	p, mattered := c.processes[0], false
	for range roundsToRest {
		changed := c.Environment()
		changed = c.measureDue(p) || changed
		if head := c.store.head(); p.view != head {
			p.view, p.fresh = head, false
		}
		woken := !p.wake.IsZero() && !p.wake.After(p.now(c))
		if p.fresh && !woken {
			if !changed {
				return mattered
			}
			continue
		}
		mattered = c.Pass() || mattered
		if len(c.violations) > 0 {
			return mattered
		}
	}
	c.violate("Liveness", fmt.Errorf("the controller spins: %s", p.report.Message))
	return mattered
}

// Pass lets the controller do a whole pass. It says whether that changed anything but the measurements in the status.
func (c *Cluster) Pass() bool {
	p := c.processes[0]
	mattered := false
	p.wake = time.Time{}
	c.now = c.now.Add(time.Microsecond)
	if !c.begin(p) {
		return false
	}
	if p.pass != nil {
		mattered = len(p.pass.plan.Actions) > 0 || position(p.pass.seen.Status) != position(p.pass.plan.Status)
	}
	for p.pass != nil {
		c.carryOn(p, applied)
	}
	return mattered
}

// place is where a Rollout stands.
type place struct {
	stable   rollout.Revision
	run      int64
	revision rollout.Revision
	phase    rollout.Phase
	step     int
}

func position(s rollout.Status) place {
	p := place{stable: s.Stable}
	if r := s.Release; r != nil {
		p.run, p.revision, p.phase, p.step = r.Run, r.Revision, r.Phase, r.Step
	}
	return p
}

// nextEvent is when something happens next; false if nothing ever will.
func (c *Cluster) nextEvent(p *process) (time.Time, bool) {
	var next time.Time
	consider := func(t time.Time) {
		if t.After(c.now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if !p.wake.IsZero() {
		consider(p.wake.Add(-p.offset))
	}
	for _, set := range c.pods {
		for _, pod := range set.pods {
			if pod.ready.Sub(c.now) < never/2 {
				consider(pod.ready)
				consider(pod.ready.Add(c.settings.MinReady))
			}
		}
	}
	if p.measure != nil {
		for _, metric := range p.measure.Metrics {
			consider(p.due(metric).Add(-p.offset))
		}
	}
	return next, !next.IsZero()
}

// hopeless says whether pods of a revision never start.
func (h *history) hopeless(r rollout.Revision) bool { return h.quality[r].Startup < 0 }

// atRest says what is not as it should be when nothing moves any more.
func (h *history) atRest(p *process) error {
	status, spec := h.Status(), h.store.rollouts.last().spec
	release := status.Release
	switch {
	case release == nil && status.Stable == "":
		if spec.Paused || status.Held || h.store.rollouts.last().invalid {
			return nil
		}
		return errors.New("nothing was ever installed")
	case release == nil, release.Phase == rollout.Aborted:
		return h.converged()
	case release.Phase == rollout.Installing:
		if hopeless := h.hopeless(release.Revision) || h.store.rollouts.last().invalid; hopeless && p.report.Stalled {
			return nil
		}
		return errors.New("the first revision is not installed")
	case p.report.State == rollout.Waiting:
		return nil
	}
	return fmt.Errorf("the release is in phase %s", release.Phase)
}

// converged says what keeps stable from being all there is.
func (h *history) converged() error {
	status, spec := h.Status(), h.store.rollouts.last().spec
	object := h.store.rollouts.last()
	if status.Wiring != spec.Wiring && !object.invalid {
		return fmt.Errorf("%v is in force, not %v", status.Wiring, spec.Wiring)
	}
	for i, r := range h.store.routes.last() {
		if share := object.share(r.share); status.Wiring.Mode == rollout.ByRoutes && share != 0 {
			return fmt.Errorf("route %d gives the canary %d%%", i+1, share)
		}
		if status.Wiring.Mode == rollout.ByRoutes && r.rules != "" {
			return fmt.Errorf("route %d still has the managed routes %s", i+1, r.rules)
		}
	}
	if err := h.pointed(); err != nil {
		return err
	}
	return h.sized()
}

// sized says what keeps every revision from having the pods it should have, none of them too old.
func (h *history) sized() error {
	status, spec := h.Status(), h.store.rollouts.last().spec
	if r := status.Restart; !r.At.IsZero() && !r.Done && !h.hopeless(status.Stable) {
		return fmt.Errorf("%d pods are older than the restart", r.Left)
	}
	for _, set := range h.store.sets.last() {
		want := 0
		if set.Revision == status.Stable {
			want = spec.Replicas
		}
		if set.Replicas != want {
			return fmt.Errorf("revision %s has %d pods, not %d", set.Revision, set.Replicas, want)
		}
	}
	return nil
}

// pointed says which Service that is in force does not reach stable.
func (h *history) pointed() error {
	object := h.store.rollouts.last()
	for _, role := range roles {
		b := object.service(role)
		if b < 0 {
			continue
		}
		if s := h.store.services.last()[b]; s.revision != object.status.Stable {
			return fmt.Errorf("the %s Service points at %q, not at stable revision %s", role, s.revision, object.status.Stable)
		}
	}
	return nil
}
