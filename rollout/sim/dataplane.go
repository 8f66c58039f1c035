package sim

import (
	"time"

	"github.com/rollout-dev/rollout/rollout"
)

// dataPlane is what gateways may be doing by now. They have the settle time to follow, so for a while both the old and
// the new are possible.
type dataPlane struct {
	shares   [][]possibleShare
	pointers [backends][]possiblePointer
}

// possibleShare is a share of Service app-canary that a gateway may give from when it was written until the settle time after
// the router accepted another one.
type possibleShare struct {
	share int
	// ruled is the Service that managed rules lead to, negative without any.
	ruled int
	until time.Time
	// gone: the route was deleted, so no request takes it any more.
	gone bool
}

type possiblePointer struct {
	revision rollout.Revision
	until    time.Time
}

func newDataPlane(services [backends]service, routes int) dataPlane {
	var d dataPlane
	d.shares = make([][]possibleShare, routes)
	for i := range d.shares {
		d.shares[i] = []possibleShare{{ruled: -1}}
	}
	for b := range backends {
		d.pointers[b] = []possiblePointer{{revision: services[b].revision}}
	}
	return d
}

// lag is how long the data plane may take.
func (s Settings) lag() time.Duration {
	if s.Instant {
		return 0
	}
	return s.Spec.Settle
}

// drain is how long requests may take once the data plane sends no new ones.
func (s Settings) drain() time.Duration {
	if s.Instant {
		return 0
	}
	return s.Spec.Drain
}

// write notes that a route was written. Nothing before it ends yet, unless the route is gone.
func (d *dataPlane) write(i int, r route, now time.Time, s Settings) {
	p := possibleShare{share: r.share, ruled: -1, gone: r.missing}
	if r.rules != "" {
		p.ruled = r.ruled
	}
	d.shares[i] = append(d.shares[i], p)
	if r.missing {
		d.accept(i, now, s)
	}
}

// accept ends everything but the last write.
func (d *dataPlane) accept(i int, now time.Time, s Settings) {
	kept := d.shares[i][:0]
	for j, p := range d.shares[i] {
		if j < len(d.shares[i])-1 && p.until.IsZero() {
			p.until = now.Add(s.lag())
		}
		if p.until.IsZero() || p.until.Add(s.drain()).After(now) {
			kept = append(kept, p)
		}
	}
	d.shares[i] = kept
}

// point notes that a backend was pointed somewhere else.
func (d *dataPlane) point(b int, revision rollout.Revision, now time.Time, s Settings) {
	kept := d.pointers[b][:0]
	for _, p := range d.pointers[b] {
		if p.until.IsZero() {
			p.until = now.Add(s.lag())
		}
		if p.until.Add(s.drain()).After(now) {
			kept = append(kept, p)
		}
	}
	d.pointers[b] = append(kept, possiblePointer{revision: revision})
}

// byRule is the share that a managed rule counts as. Nobody knows how many requests it describes, but there are some.
const byRule = 1

// largest are the largest shares that app-stable and app-canary may have had since some time ago.
func (d *dataPlane) largest(now time.Time, ago time.Duration) [2]int {
	var share [2]int
	for _, shares := range d.shares {
		for _, p := range shares {
			if !p.gone && (p.until.IsZero() || p.until.Add(ago).After(now)) {
				share[stable] = max(share[stable], 100-p.share)
				share[canary] = max(share[canary], p.share)
				if p.ruled >= 0 {
					share[p.ruled] = max(share[p.ruled], byRule)
				}
			}
		}
	}
	return share
}

// reaches are the revisions that a Service may have sent requests to since some time ago.
func (d *dataPlane) reaches(b int, now time.Time, ago time.Duration) []rollout.Revision {
	var revisions []rollout.Revision
	for _, p := range d.pointers[b] {
		if p.until.IsZero() || p.until.Add(ago).After(now) {
			revisions = append(revisions, p.revision)
		}
	}
	return revisions
}
