package rollout

import (
	"math"
	"time"
)

// Received is which part of the requests the canary really got, in percent.
type Received struct {
	Percent float64
	// Since is when the split was accepted that it was measured of, as the ledger has it.
	Since time.Time
}

// received says whether the canary gets what its weight says, if the plan wants to know. It is asked once, at the end of the step: what is
// measured of few requests varies, and a release that goes back and forth with it would never end. A person may go on without.
func (d *decision) received(weight int) bool {
	tolerance := d.o.Spec.Tolerance
	if tolerance == 0 || weight == 0 || d.o.mode() != ByRoutes || d.next.Release.Approved {
		return true
	}
	r := d.o.Received
	if r == nil || !r.Since.Equal(d.next.Ledger.Since) {
		d.report(Progressing, "Settling", "%s: the router follows canary weight %d%s; waiting until it is measured how many requests the canary receives",
			d.position(), weight, d.withRules())
		return false
	}
	if math.Abs(r.Percent-float64(weight)) <= float64(tolerance) {
		return true
	}
	d.report(Progressing, "Settling", "%s: the canary receives %.1f%% of the requests at canary weight %d%s; waiting until the two differ by no more than %d",
		d.position(), r.Percent, weight, d.withRules(), tolerance)
	return false
}
