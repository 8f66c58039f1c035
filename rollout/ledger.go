package rollout

import (
	"time"

	"github.com/rollout-dev/rollout/traffic"
)

// observe compares the ledger with what is read back now. Whatever differs has been so since now.
func (l Ledger) observe(o Observed) Ledger {
	share, accepted := o.share(), o.mode() != ByRoutes || o.Routes.Waiting() == ""
	rules, astray := RuleNames(o.rulesThere()), o.Routes.Astray() != ""
	same := l.Low == share.Low && l.High == share.High && l.Accepted == accepted && l.Rules == rules
	if rules != "" && l.Astray != astray {
		// What a rule says has changed. Without any rule it is only the plan that has.
		same = false
	}
	l.Low, l.High, l.Accepted, l.Rules, l.Astray = share.Low, share.High, accepted, rules, astray
	if !same || l.Since.IsZero() || l.Since.After(o.Now) {
		l.Since = o.Now
	}
	l.Stable = l.Stable.observe(o.Stable.Revision, o.Now)
	l.Canary = l.Canary.observe(o.Canary.Revision, o.Now)
	return l
}

// share is what the revision under test gets, read back from whatever carries the traffic.
func (o Observed) share() traffic.Range {
	share := 0
	switch o.mode() {
	case ByRoutes:
		return o.Routes.Share()
	case ByPods:
		share = o.shareByPods()
	case BySelector:
		if release := o.Status.Release; release != nil && o.Stable.Revision == release.Revision && release.Revision != o.Status.Stable {
			share = 100
		}
	}
	return traffic.Range{Low: share, High: share}
}

// swapped is the same truth after the backends have changed their roles.
func (l Ledger) swapped() Ledger {
	l.Low, l.High = 100-l.High, 100-l.Low
	l.Stable, l.Canary = l.Canary, l.Stable
	return l
}

// sees says whether two ledgers tell of the same split and the same pointers, whatever the times.
func (l Ledger) sees(other Ledger) bool {
	return l.Low == other.Low && l.High == other.High && l.Rules == other.Rules && l.Astray == other.Astray &&
		l.Stable.Revision == other.Stable.Revision && l.Canary.Revision == other.Canary.Revision
}

// observe keeps since when a backend points where it points. A time in the future, from a clock that was wrong, counts
// as now: waiting again is safe, waiting for ever is not.
func (p Pointer) observe(revision Revision, now time.Time) Pointer {
	if p.Revision != revision || p.Since.IsZero() || p.Since.After(now) {
		return Pointer{Revision: revision, Since: now}
	}
	return p
}

// settledAt is when the split will be, or was, settled at a share; false if the split is another one or not accepted.
func (d *decision) settledAt(percent int) (time.Time, bool) {
	l := d.next.Ledger
	if !l.exactly(percent) || !l.Accepted {
		return time.Time{}, false
	}
	return l.Since.Add(d.o.Spec.Settle), true
}

// settled says whether the data plane follows a share by now, with the rules that are wanted, and else wakes up when it should.
func (d *decision) settled(percent int) bool {
	at, there := d.settledAt(percent)
	return there && !d.next.Ledger.Astray && d.reached(at)
}

// drained says whether the backend that has nothing at this share (canary at 0, stable at 100) has finished its last
// requests, and else wakes up when it should have. A canary that a rule sends requests to never has.
func (d *decision) drained(percent int) bool {
	at, there := d.settledAt(percent)
	return there && (percent > 0 || d.next.Ledger.Rules == "") && d.reached(at.Add(d.o.Spec.Drain))
}

// rested says whether the split of a step has been settled for so long that all requests are finished that came by another one.
func (d *decision) rested(percent int) bool {
	at, there := d.settledAt(percent)
	return there && !d.next.Ledger.Astray && d.reached(at.Add(d.o.Spec.Drain))
}

// pointsTo says whether a backend has pointed at a revision for long enough that the data plane knows.
func (d *decision) pointsTo(p Pointer, revision Revision) bool {
	return p.Revision == revision && d.reached(p.Since.Add(d.o.Spec.Settle))
}

// reached says whether a time has come, and else makes sure that someone looks when it does.
func (d *decision) reached(at time.Time) bool {
	if !at.After(d.o.Now) {
		return true
	}
	d.wakeAt(at)
	return false
}

func (d *decision) wakeAt(at time.Time) {
	if d.plan.Wake.IsZero() || at.Before(d.plan.Wake) {
		d.plan.Wake = at
	}
}
