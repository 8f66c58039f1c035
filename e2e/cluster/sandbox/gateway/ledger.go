package gateway

import (
	"cmp"
	"slices"
	"time"
)

// Report is what the clients of all routes received.
type Report struct {
	// Since is when counting began.
	Since time.Time `json:"since"`
	// RequestsPerSecond is the rate at which each route gets requests.
	RequestsPerSecond float64 `json:"requestsPerSecond"`
	// Routes are the routes that got any request, sorted by kind, namespace and name.
	Routes []RouteReport `json:"routes"`
}

// RouteReport is what the clients of one route received.
type RouteReport struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Total counts every request.
	Total Tally `json:"total"`
	// Revisions counts those that were sent to a pod, by the hash of its template, sorted by the first request.
	Revisions []RevisionReport `json:"revisions"`
	// Versions counts the same by the version that the pods report, sorted by the first request.
	Versions []VersionReport `json:"versions"`
}

// RevisionReport is what was received from the pods of one revision.
type RevisionReport struct {
	// Revision is the hash of the pod template.
	Revision string `json:"revision"`
	// Version is what its pods report as their version.
	Version string `json:"version"`
	Tally
}

// VersionReport is what was received from the pods of one version.
type VersionReport struct {
	Version string `json:"version"`
	Tally
}

// Tally counts requests.
type Tally struct {
	Counts
	// First and Last are when the first and the last request were sent; nil when there was none.
	First *time.Time `json:"first,omitempty"`
	Last  *time.Time `json:"last,omitempty"`
	// Last1s and Last5s count what was received in the last one and five seconds.
	Last1s Window `json:"last1s"`
	Last5s Window `json:"last5s"`
}

// Counts counts requests by how they ended.
type Counts struct {
	// Requests is all of them.
	Requests int `json:"requests"`
	// Failed is those that the client saw fail, for whatever reason.
	Failed int `json:"failed"`
	// Dropped is those of Failed that no pod answered: it was gone, or there was none.
	Dropped int `json:"dropped"`
}

// Window counts the requests of a span of time that ends now, or up to 100 ms ago.
type Window struct {
	Counts
	// Share is the part of the route's requests, from 0 to 1.
	Share float64 `json:"share"`
}

// slot is the resolution of the sliding windows, slots how many of them are kept: the one that is being filled, and
// those of the longest window.
const (
	slot  = 100 * time.Millisecond
	slots = 1 + int(5*time.Second/slot)
)

// tally is a Tally in the making: ring holds the counts of the last slots, each at its number modulo the length.
type tally struct {
	total       Counts
	first, last time.Time
	ring        [slots]struct {
		number int64
		Counts
	}
}

func (t *tally) add(start, end time.Time, c Counts) {
	t.total.add(c)
	if t.first.IsZero() || start.Before(t.first) {
		t.first = start
	}
	if start.After(t.last) {
		t.last = start
	}
	number := end.UnixNano() / int64(slot)
	entry := &t.ring[number%int64(slots)]
	if entry.number != number {
		entry.number, entry.Counts = number, Counts{}
	}
	entry.add(c)
}

func (c *Counts) add(other Counts) {
	c.Requests += other.Requests
	c.Failed += other.Failed
	c.Dropped += other.Dropped
}

// window leaves out the slot that is being filled: with it, a window would be short by up to its length.
func (t *tally) window(now time.Time, span time.Duration) Counts {
	newest := now.UnixNano()/int64(slot) - 1
	oldest := newest - int64(span/slot) + 1
	var sum Counts
	for _, entry := range t.ring {
		if entry.number >= oldest && entry.number <= newest {
			sum.add(entry.Counts)
		}
	}
	return sum
}

// report completes the tally; whole is that of the route it is part of.
func (t *tally) report(now time.Time, whole *tally) Tally {
	window := func(span time.Duration) Window {
		w := Window{Counts: t.window(now, span)}
		if all := whole.window(now, span).Requests; all > 0 {
			w.Share = float64(w.Requests) / float64(all)
		}
		return w
	}
	first, last := t.first, t.last
	return Tally{Counts: t.total, First: &first, Last: &last, Last1s: window(time.Second), Last5s: window(5 * time.Second)}
}

// ledger keeps the tallies of every route.
type ledger struct {
	since  time.Time
	routes map[routeKey]*routeLedger
}

type routeLedger struct {
	total     tally
	revisions map[revisionKey]*tally
	versions  map[string]*tally
}

type revisionKey struct{ revision, version string }

func newLedger(since time.Time) *ledger {
	return &ledger{since: since, routes: map[routeKey]*routeLedger{}}
}

func (l *ledger) record(r request, o outcome) {
	route, ok := l.routes[r.route]
	if !ok {
		route = &routeLedger{revisions: map[revisionKey]*tally{}, versions: map[string]*tally{}}
		l.routes[r.route] = route
	}
	counts := Counts{Requests: 1}
	if o != answered {
		counts.Failed = 1
	}
	if o != answered && o != failedByPod {
		counts.Dropped = 1
	}
	route.total.add(r.start, r.end, counts)
	if r.pod != nil {
		entry(route.revisions, revisionKey{r.pod.revision, r.pod.version}).add(r.start, r.end, counts)
		entry(route.versions, r.pod.version).add(r.start, r.end, counts)
	}
}

func entry[K comparable](tallies map[K]*tally, key K) *tally {
	t, ok := tallies[key]
	if !ok {
		t = &tally{}
		tallies[key] = t
	}
	return t
}

func (l *ledger) report(now time.Time) Report {
	report := Report{Since: l.since, Routes: []RouteReport{}}
	for key, route := range l.routes {
		r := RouteReport{
			Kind: key.Kind, Namespace: key.Namespace, Name: key.Name, Total: route.total.report(now, &route.total),
			Revisions: []RevisionReport{}, Versions: []VersionReport{},
		}
		for k, t := range route.revisions {
			r.Revisions = append(r.Revisions, RevisionReport{Revision: k.revision, Version: k.version, Tally: t.report(now, &route.total)})
		}
		for version, t := range route.versions {
			r.Versions = append(r.Versions, VersionReport{Version: version, Tally: t.report(now, &route.total)})
		}
		slices.SortFunc(r.Revisions, func(a, b RevisionReport) int {
			return cmp.Or(a.First.Compare(*b.First), cmp.Compare(a.Revision, b.Revision))
		})
		slices.SortFunc(r.Versions, func(a, b VersionReport) int {
			return cmp.Or(a.First.Compare(*b.First), cmp.Compare(a.Version, b.Version))
		})
		report.Routes = append(report.Routes, r)
	}
	slices.SortFunc(report.Routes, func(a, b RouteReport) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return report
}
