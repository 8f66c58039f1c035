// Package budget bounds what is asked of metric sources and gates: how much at once, how much a second, and in which order.
package budget

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollout-dev/rollout/analysis"
)

// Kind is a kind of those who are asked. What one of them keeps busy, the others don't miss.
type Kind string

// The kinds.
const (
	// Own is the engine's own Prometheus.
	Own Kind = "prometheus"
	// Providers are those whom metrics name.
	Providers Kind = "providers"
	// Gates are those who are asked for permission.
	Gates Kind = "gates"
)

// part is the part of its kind's budget that one server may have: a slow one leaves most of it to the others.
const part = 4

// Server is who is asked.
type Server struct {
	Kind Kind
	// Name tells it from others of its kind, such as its host and port.
	Name string
}

// Question is what is to be asked, for whom and how often.
type Question struct {
	// Asker is who waits for the answer; comparable. The more of its questions wait, the further back stands the next.
	Asker any
	Of    Server
	// Interval is how often the same is asked. Who asks more often has less time to wait.
	Interval time.Duration
	// Same is equal for questions to one server that have the same answer; comparable. Nil: nobody shares the answer.
	Same any
}

// Answer is what came of a question, and when it was asked.
type Answer struct {
	At       time.Time
	Evidence analysis.Evidence
}

// Budget is what all who ask in a process have together. It lets through at once what a few of them ask, and spreads what a
// crowd asks, such as everybody after a restart, over as long as their intervals.
type Budget struct {
	metrics metrics

	mu       sync.Mutex
	lanes    map[Kind]*lane           // follows mu
	expected map[any]map[Server]int64 // follows mu; questions a day by asker
	waiting  map[shared]*inquiry      // follows mu
}

// shared is what questions have in common that are asked once.
type shared struct {
	of   Server
	same any
}

// inquiry is a question, and everybody who waits for its answer.
type inquiry struct {
	// turns are those who wait. begun is closed when it is the turn of one of them, which is by.
	turns       map[*turn]bool
	begun, done chan struct{}
	by          *turn
	answer      Answer
}

// New makes a budget of so many questions at once to each kind. Metrics, if there are any, are registered under names that
// begin with "queries_".
func New(concurrency int, register prometheus.Registerer) *Budget {
	b := &Budget{metrics: newMetrics(register), lanes: map[Kind]*lane{}, expected: map[any]map[Server]int64{},
		waiting: map[shared]*inquiry{}}
	for _, kind := range []Kind{Own, Providers, Gates} {
		each := concurrency
		if kind != Own {
			each = max(1, concurrency/part)
		}
		b.lanes[kind] = &lane{most: concurrency, each: each, servers: map[string]*server{}}
	}
	return b
}

// Expected is a question that will come again and again.
type Expected struct {
	Of       Server
	Interval time.Duration
}

// Expect says what an asker will ask from now on, instead of what it said before; nil for nothing.
func (b *Budget) Expect(asker any, questions []Expected) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// First what is new: a server that nobody asks in between would be forgotten, and how much it was asked lately with it.
	before, after := b.expected[asker], map[Server]int64{}
	for _, q := range questions {
		perDay := int64(day / max(q.Interval, time.Second))
		after[q.Of] += perDay
		b.lanes[q.Of.Kind].expect(q.Of.Name, perDay)
	}
	for of, perDay := range before {
		b.lanes[of.Kind].expect(of.Name, -perDay)
	}
	if delete(b.expected, asker); len(after) > 0 {
		b.expected[asker] = after
	}
}

// Ask waits for the question's turn and asks, unless somebody asks the same whose turn comes sooner. It is false if ctx ended
// before there was an answer. A question that others share is asked on behalf of them too, and must not end with ctx.
func (b *Budget) Ask(ctx context.Context, q Question, ask func() Answer) (Answer, bool) {
	t := b.enter(q)
	select {
	case <-t.of.begun:
	case <-ctx.Done():
		if b.leave(t) {
			return Answer{}, false
		}
		<-t.of.begun
	}
	if t.of.by == t {
		t.of.answer = ask()
		close(t.of.done)
		b.end(t)
	}
	select {
	case <-t.of.done:
		return t.of.answer, true
	case <-ctx.Done():
		return Answer{}, false
	}
}

// enter joins those who wait for their turn with the same question, or is the first of them. A question that was asked already
// is joined by nobody: its answer would be older than who joins takes it for.
func (b *Budget) enter(q Question) *turn {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := shared{q.Of, q.Same}
	i := b.waiting[key]
	if i == nil || q.Same == nil {
		i = &inquiry{turns: map[*turn]bool{}, begun: make(chan struct{}), done: make(chan struct{})}
	} else {
		b.metrics.coalesced.WithLabelValues(string(q.Of.Kind)).Inc()
	}
	if q.Same != nil {
		b.waiting[key] = i
	}
	t := &turn{Question: q, of: i, since: time.Now()}
	i.turns[t] = true
	b.lanes[q.Of.Kind].server(q.Of.Name).add(t)
	b.proceed(q.Of.Kind)
	return t
}

// leave gives up a turn, and says whether that was in time.
func (b *Budget) leave(t *turn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.of.by == t {
		return false
	}
	l := b.lanes[t.Of.Kind]
	if t.of.by == nil {
		s := l.servers[t.Of.Name]
		s.remove(t)
		l.tidy(s)
		if delete(t.of.turns, t); len(t.of.turns) == 0 && t.Same != nil {
			delete(b.waiting, shared{t.Of, t.Same})
		}
	}
	b.observe(t.Of.Kind)
	return true
}

// end makes room for the next.
func (b *Budget) end(t *turn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.lanes[t.Of.Kind]
	s := l.servers[t.Of.Name]
	l.busy--
	s.busy--
	l.tidy(s)
	b.proceed(t.Of.Kind)
}

// proceed lets everybody begin who may.
func (b *Budget) proceed(kind Kind) {
	l, now := b.lanes[kind], time.Now()
	for l.busy < l.most {
		s, at := l.next(now)
		if s == nil {
			break
		}
		if at.After(now) {
			l.wait(at.Sub(now), func() {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.proceed(kind)
			})
			break
		}
		l.busy++
		b.begin(s, s.take(now), now)
	}
	b.observe(kind)
}

// begin makes it somebody's turn. Who waits with the same question needs none any more.
func (b *Budget) begin(s *server, t *turn, now time.Time) {
	if t.Same != nil {
		delete(b.waiting, shared{t.Of, t.Same})
	}
	for other := range t.of.turns {
		s.remove(other)
	}
	t.of.by = t
	close(t.of.begun)
	b.metrics.waited.WithLabelValues(string(t.Of.Kind)).Observe(now.Sub(t.since).Seconds())
}

func (b *Budget) observe(kind Kind) {
	b.metrics.inFlight.WithLabelValues(string(kind)).Set(float64(b.lanes[kind].busy))
	b.metrics.waiting.WithLabelValues(string(kind)).Set(float64(b.lanes[kind].waiting))
}
