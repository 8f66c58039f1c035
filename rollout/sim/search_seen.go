package sim

import "sync"

// budget is what may still happen to a state besides what goes on by itself; at most three of each.
type budget struct{ deeds, faults int8 }

// after is what is left of a budget, and whether it was enough.
func (b budget) after(c cost) (budget, bool) {
	switch c {
	case deed:
		b.deeds--
	case fault:
		b.faults--
	case free, script:
	}
	return b, b.deeds >= 0 && b.faults >= 0
}

// budgets is a set of budgets.
type budgets uint16

func (b budget) bit() budgets { return 1 << (4*b.deeds + b.faults) }

// cover says whether everything that may follow with a budget may follow with one in the set.
func (s budgets) cover(b budget) bool {
	for deeds := b.deeds; deeds < 4; deeds++ {
		for faults := b.faults; faults < 4; faults++ {
			if s&(budget{deeds, faults}).bit() != 0 {
				return true
			}
		}
	}
	return false
}

// seen is what is kept of all states that were reached, by their hashes. It has shards, so that workers seldom wait for each
// other.
//
// A state is looked at again only if more may still happen to it than before. So what breaks and leaves no mark costs
// little: it leads back to states that were looked at with a larger budget.
type seen [64]shard

type shard struct {
	sync.Mutex
	marks map[uint64]mark
}

// mark is what is kept of a state.
type mark struct {
	// next is what follows if nobody interferes, zero if nothing does.
	next uint64
	// at is a step that leads there.
	at int32
	// budgets that it was reached with.
	budgets budgets
	// pausing: nothing moves but time. resting: and all is as it should be once nobody interferes.
	pausing, resting bool
	// walked: it is known whether it comes to rest.
	walked bool
}

func newSeen() *seen {
	s := &seen{}
	for i := range s {
		s[i].marks = map[uint64]mark{}
	}
	return s
}

// reach notes that a state was reached, and says whether anything new may follow.
func (s *seen) reach(hash uint64, left budget) bool {
	fresh := false
	s.edit(hash, func(m *mark) {
		if fresh = !m.budgets.cover(left); fresh {
			m.budgets |= left.bit()
		}
	})
	return fresh
}

func (s *seen) get(hash uint64) mark {
	shard := &s[hash%uint64(len(s))]
	shard.Lock()
	defer shard.Unlock()
	return shard.marks[hash]
}

// edit changes what is kept of a state.
func (s *seen) edit(hash uint64, change func(*mark)) {
	shard := &s[hash%uint64(len(s))]
	shard.Lock()
	defer shard.Unlock()
	m := shard.marks[hash]
	change(&m)
	shard.marks[hash] = m
}

func (s *seen) count() int {
	n := 0
	for i := range s {
		n += len(s[i].marks)
	}
	return n
}
