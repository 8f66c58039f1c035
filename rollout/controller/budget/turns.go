package budget

import (
	"container/heap"
	"time"
)

const day = 24 * time.Hour

// headroom is by how much a server may be asked more often than is expected, so that what had to wait once doesn't wait for ever.
const headroom = 1.1

// turn is one place among those who wait.
type turn struct {
	Question
	of    *inquiry
	since time.Time
	// due is when it should be its turn; the earliest goes first.
	due   time.Time
	index int
}

// lane is what one kind has.
type lane struct {
	// most is how many may be asked at once, and each how many of a single server.
	most, each int
	// busy are the questions under way, and waiting the turns of all servers.
	busy, waiting int
	servers       map[string]*server
	timer         *time.Timer
}

// server has those who wait for it. How often it is asked follows from how often everybody wants to ask it.
type server struct {
	name   string
	lane   *lane
	busy   int
	perDay int64
	turns  byDue
	// ahead counts the turns of each asker.
	ahead map[any]int
	// paid is until when what has been asked lasts at the present pace.
	paid time.Time
}

func (l *lane) server(name string) *server {
	if l.servers[name] == nil {
		l.servers[name] = &server{name: name, lane: l, ahead: map[any]int{}}
	}
	return l.servers[name]
}

func (l *lane) expect(name string, perDay int64) {
	s := l.server(name)
	s.perDay += perDay
	l.tidy(s)
}

// tidy forgets a server that nobody asks any more.
func (l *lane) tidy(s *server) {
	if s.busy == 0 && s.perDay == 0 && len(s.turns) == 0 {
		delete(l.servers, s.name)
	}
}

// wait looks once more after a while, and not at another time before.
func (l *lane) wait(d time.Duration, then func()) {
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timer = time.AfterFunc(d, then)
}

// next is the server with the most urgent turn of those that may be asked, and when; nil if there is none.
func (l *lane) next(now time.Time) (*server, time.Time) {
	var first *server
	var at time.Time
	for _, s := range l.servers {
		if len(s.turns) == 0 || s.busy >= l.each {
			continue
		}
		from := s.from()
		if from.Before(now) {
			from = now
		}
		if first == nil || from.Before(at) || from.Equal(at) && s.turns[0].due.Before(first.turns[0].due) {
			first, at = s, from
		}
	}
	return first, at
}

// gap is the time between two questions at the present pace.
func (s *server) gap() time.Duration {
	perSecond := max(float64(s.lane.each), headroom*float64(s.perDay)/day.Seconds())
	return time.Duration(float64(time.Second) / perSecond)
}

// from is when the next may be asked: as many as there may be at once need no gaps between them.
func (s *server) from() time.Time { return s.paid.Add(-s.gap() * time.Duration(s.lane.each-1)) }

// add takes a turn in. Who has many waiting stands behind who has few, and who asks seldom behind who asks often.
func (s *server) add(t *turn) {
	s.ahead[t.Asker]++
	t.due = t.since.Add(t.Interval * time.Duration(s.ahead[t.Asker]))
	heap.Push(&s.turns, t)
	s.lane.waiting++
}

// take gives the first turn.
func (s *server) take(now time.Time) *turn {
	t := s.turns[0]
	s.remove(t)
	s.busy++
	if s.paid.Before(now) {
		s.paid = now
	}
	s.paid = s.paid.Add(s.gap())
	return t
}

func (s *server) remove(t *turn) {
	if t.index < 0 {
		return
	}
	heap.Remove(&s.turns, t.index)
	s.lane.waiting--
	if s.ahead[t.Asker]--; s.ahead[t.Asker] == 0 {
		delete(s.ahead, t.Asker)
	}
}

// byDue is a heap.
type byDue []*turn

func (b byDue) Len() int           { return len(b) }
func (b byDue) Less(i, j int) bool { return b[i].due.Before(b[j].due) }
func (b byDue) Swap(i, j int) {
	b[i], b[j] = b[j], b[i]
	b[i].index, b[j].index = i, j
}

// Push adds a turn.
func (b *byDue) Push(x any) {
	t := x.(*turn)
	t.index = len(*b)
	*b = append(*b, t)
}

// Pop takes the last one.
func (b *byDue) Pop() any {
	last := len(*b) - 1
	t := (*b)[last]
	(*b)[last] = nil
	*b = (*b)[:last]
	t.index = -1
	return t
}
