package gateway

import (
	"container/heap"
	"math/rand/v2"
	"sync"
	"time"
)

// jitter is how far a request's duration may be from the pod's mean, in both directions, as a part of it.
const jitter = 0.2

// maxPause is the longest time without a call of advance that is made up for. After a longer one, such as a laptop
// that slept, a burst of requests would be a load that no client sends.
const maxPause = time.Second

// outcome is what a client got for one request.
type outcome int

const (
	// answered is a good answer.
	answered outcome = iota
	// failedByPod is an error that the application itself answered with.
	failedByPod
	// lostPod means that the pod the request was sent to was or went away.
	lostPod
	// noEndpoint means that there was no pod to send it to.
	noEndpoint
	// brokenBackend means that the route names something that doesn't exist.
	brokenBackend
)

// request is one that was sent and not answered yet.
type request struct {
	route      routeKey
	service    string
	pod        *pod
	start, end time.Time
}

// simulator sends requests at a constant rate to every route of the current table and records what comes back. Time
// is handed in, so that it can be tested without any passing.
type simulator struct {
	mu       sync.Mutex
	table    table
	rate     float64
	last     time.Time
	owed     map[routeKey]float64
	rules    map[ruleKey]*balancer
	turns    map[routeKey]int
	inFlight inFlight
	random   *rand.Rand
	ledger   *ledger
	metrics  *metrics
}

// ruleKey names one rule of a route by its position.
type ruleKey struct {
	routeKey
	index int
}

func newSimulator(rate float64, now time.Time, seed uint64) *simulator {
	return &simulator{
		rate: rate, last: now, random: rand.New(rand.NewPCG(seed, seed)),
		owed: map[routeKey]float64{}, rules: map[ruleKey]*balancer{}, turns: map[routeKey]int{},
		ledger: newLedger(now), metrics: newMetrics(),
	}
}

// adopt makes all further requests follow the table.
func (s *simulator) adopt(next table) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table = next
	rules := map[ruleKey]*balancer{}
	owed, turns := map[routeKey]float64{}, map[routeKey]int{}
	for _, r := range next {
		owed[r.key], turns[r.key] = s.owed[r.key], s.turns[r.key]
		for i, rule := range r.rules {
			key := ruleKey{r.key, i}
			weights := rule.weights()
			if old, ok := s.rules[key]; ok && old.fits(weights) {
				rules[key] = old
			} else {
				rules[key] = newBalancer(weights)
			}
		}
	}
	s.rules, s.owed, s.turns = rules, owed, turns
}

// setRate changes the number of requests per second that each route gets.
func (s *simulator) setRate(rate float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate = rate
}

// advance sends the requests that became due since the last call and finishes those that got their answer.
func (s *simulator) advance(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	elapsed := min(now.Sub(s.last), maxPause)
	s.last = now
	for _, r := range s.table {
		s.owed[r.key] += elapsed.Seconds() * s.rate
		for ; s.owed[r.key] >= 1; s.owed[r.key]-- {
			s.send(r, now)
		}
	}
	for len(s.inFlight) > 0 && !s.inFlight[0].end.After(now) {
		s.finish(heap.Pop(&s.inFlight).(request))
	}
}

// send takes the route's rules in turn, so that each of them is used.
func (s *simulator) send(r route, now time.Time) {
	if len(r.rules) == 0 {
		return
	}
	index := s.turns[r.key] % len(r.rules)
	s.turns[r.key] = index + 1
	balance := s.rules[ruleKey{r.key, index}]
	sent := request{route: r.key, start: now, end: now}
	choice := balance.pick()
	if choice < 0 {
		s.record(sent, noEndpoint)
		return
	}
	backend := r.rules[index].backends[choice]
	sent.service = backend.label
	switch {
	case backend.broken:
		s.record(sent, brokenBackend)
	case len(backend.pods) == 0:
		s.record(sent, noEndpoint)
	default:
		sent.pod = backend.pods[balance.next(choice, len(backend.pods))]
		if sent.pod.gone.Load() {
			s.record(sent, lostPod)
			return
		}
		spread := 1 + jitter*(2*s.random.Float64()-1)
		sent.end = now.Add(time.Duration(float64(sent.pod.latency) * spread))
		heap.Push(&s.inFlight, sent)
	}
}

func (s *simulator) finish(r request) {
	switch {
	case r.pod.gone.Load():
		s.record(r, lostPod)
	case s.random.Float64() < r.pod.errorRate:
		s.record(r, failedByPod)
	default:
		s.record(r, answered)
	}
}

func (s *simulator) record(r request, o outcome) {
	s.ledger.record(r, o)
	s.metrics.record(r, o)
}

// report tells what clients received until now.
func (s *simulator) report(now time.Time) Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	report := s.ledger.report(now)
	report.RequestsPerSecond = s.rate
	return report
}

// inFlight is a heap of requests, the one that ends first on top.
type inFlight []request

func (h inFlight) Len() int           { return len(h) }
func (h inFlight) Less(i, j int) bool { return h[i].end.Before(h[j].end) }
func (h inFlight) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push is called by package heap.
func (h *inFlight) Push(x any) { *h = append(*h, x.(request)) }

// Pop is called by package heap.
func (h *inFlight) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
