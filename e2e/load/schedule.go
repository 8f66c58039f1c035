package load

import "time"

// longestBurst is how far a load may be behind its schedule and still catch up with it.
const longestBurst = time.Second

// schedule says when requests are due: the n-th, counted from 0, n/rate seconds after the start.
type schedule struct {
	rate  int // per second
	start time.Time
	sent  int
}

// due is how many requests have become due since it was asked last: several, if that is long ago. Only if this process hasn't been run
// for very long, the schedule is put off. Thousands of requests at once would be an attack, and what fails by that nobody's fault.
func (s *schedule) due(now time.Time) int {
	late := now.Sub(s.start) - time.Duration(s.sent)*time.Second/time.Duration(s.rate)
	if late > longestBurst {
		s.start = s.start.Add(late - longestBurst)
	}
	n := int(now.Sub(s.start)*time.Duration(s.rate)/time.Second) + 1 - s.sent
	s.sent += max(0, n)
	return max(0, n)
}
