//go:build e2e

package release

import (
	"math"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/e2e/load"
)

const (
	// mostRequests is how many requests a share is measured with at most. Where chance decides about each of them and the share is
	// right, that many are off by shareTolerance in two of a million measurements; there are some dozens in a run.
	mostRequests = 6000
	// sureness is how many standard deviations to either side a measurement has to be away from the limits of what is tolerated to
	// need no more requests.
	sureness = 1.645
	// step is how many more requests there are between two looks at a share, and as many are enough where no chance is involved.
	step = 500
)

// crowd are clients of a kind.
type crowd struct {
	*clients
	// who they are, in the words "share of v2 ...".
	who string
	// share of the new version that they should receive at a stop, in percent.
	share func(stop) float64
	// least is how many requests every share is measured with.
	least int
	// version is the one whose cookies they keep; empty for clients that keep none.
	version string
}

// audience are the clients of a shop.
type audience []crowd

// everybody is a crowd of clients that nothing distinguishes.
func everybody(who string, c *clients) crowd {
	return crowd{clients: c, who: who, least: shareRequests, share: func(at stop) float64 { return at.share }}
}

// testers send a header that says so.
func testers(c *clients) crowd {
	return crowd{clients: c, who: "of testers", least: step, share: func(at stop) float64 { return at.testers }}
}

// certain says whether no chance is involved.
func (at stop) certain() bool { return at == nothing || at == everything }

// measure requires that clients receive what they should of a version from now on.
func (s *scene) measure(version string, at stop, r *planeRow) {
	s.t.Helper()
	if s.sticky && !at.certain() {
		s.followCookies(version)
	}
	from := time.Now()
	for _, c := range slices.Concat(s.audience, s.keepers) {
		if c.version == "" || c.version == version || at.certain() {
			s.compare(version, c.share(at), c, from, r)
		}
	}
}

// compare measures a share with as few requests as it takes to be sure of it, or with as many as it takes to blame nobody for bad luck.
func (s *scene) compare(version string, want float64, c crowd, from time.Time, r *planeRow) {
	s.t.Helper()
	for n := c.least; ; n += step {
		c.awaitRequests(n, from)
		c.requireNoFailure()
		received := c.Answers().Since(from)
		share := 100 * received.Share(version)
		if n < mostRequests && tolerance(want) > 0 && !isSure(want, share, len(received)) {
			continue
		}
		r.shares = append(r.shares, receivedShare{want, share})
		s.journal.note("%s gets %.1f %% %s, %g %% are wanted: %s", version, share, c.who, want, received)
		require.InDelta(s.t, want, share, tolerance(want), "share of %s %s: %s", version, c.who, received)
		return
	}
}

// tolerance is how far from what is wanted a share may be, in percent. All or nothing is no matter of chance.
func tolerance(want float64) float64 {
	if want == 0 || want == 100 {
		return 0
	}
	return shareTolerance
}

// isSure says whether the share that n requests showed is 95 % certain to be a right one.
func isSure(want, share float64, n int) bool {
	deviation := math.Sqrt(want * (100 - want) / float64(n))
	return math.Abs(share-want)+sureness*deviation <= tolerance(want)
}

// throughGatewayAs sends requests to the gateway with a header.
func (s *shop) throughGatewayAs(rate int, header map[string][]string) *clients {
	return s.send(load.Options{URL: s.gatewayURL(), Host: s.host(), Rate: rate, Timeout: patience, Header: header})
}
