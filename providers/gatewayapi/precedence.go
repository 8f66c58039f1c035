package gatewayapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// ownerRule is a rule of the owner's with its matches, as far as it says which requests reach it.
type ownerRule struct {
	index   int
	matches []match
	// carries: it carries the split, and gets copies of the managed rules of its own.
	carries bool
}

// takesFromNobody checks that the matches of a copy of a rule win no request that another rule of the owner would get without it.
// That can happen because of the order of precedence: a copy of the rule for "/" with a method wins over a rule for "/" with a header,
// which its original doesn't. What other routes of the same gateway get nobody can tell from this one.
func takesFromNobody(copies []match, of ownerRule, owners []ownerRule) error {
	for _, other := range owners {
		if other.index == of.index || other.carries {
			continue
		}
		before := of.index < other.index
		for _, theirs := range other.matches {
			if slices.ContainsFunc(copies, func(ours match) bool {
				return ours.meets(theirs) && ours.beats(theirs, before) && !of.owns(theirs, ours, before)
			}) {
				return fmt.Errorf("it could also win requests that are for spec.rules[%d]; put that rule in front of this one if it describes its requests by headers, "+
					"or describe those of the managed route by headers alone", other.index)
			}
		}
	}
	return nil
}

// owns says whether the rule itself wins what a copy of it would win over a match of another rule.
func (o ownerRule) owns(theirs, copied match, before bool) bool {
	return slices.ContainsFunc(o.matches, func(m match) bool {
		if !copied.narrows(m) {
			return false
		}
		if copied.path.unranked(theirs.path) {
			return m.path == copied.path
		}
		return m.beats(theirs, before)
	})
}

// narrows is true if the match can have been made of another one by adding conditions.
func (m match) narrows(base match) bool {
	names := func(c criterion) bool {
		return slices.ContainsFunc(m.headers, func(mine criterion) bool { return strings.EqualFold(mine.Name, c.Name) })
	}
	return (m.path == base.path || base.path.typed() == below && m.path.within(base.path)) &&
		(base.method == "" || base.method == m.method) && m.queries == base.queries &&
		!slices.ContainsFunc(base.headers, func(c criterion) bool { return !names(c) })
}

// meets says whether a request may be meant by both.
func (m match) meets(other match) bool {
	if m.method != "" && other.method != "" && m.method != other.method || !m.path.meets(other.path) {
		return false
	}
	for _, mine := range m.headers {
		for _, theirs := range other.headers {
			if strings.EqualFold(mine.Name, theirs.Name) && mine.typed() == exactly && theirs.typed() == exactly && mine.Value != theirs.Value {
				return false
			}
		}
	}
	return true
}

// meets says whether a path may be described by both.
func (c criterion) meets(other criterion) bool {
	switch {
	case c.typed() == regular || other.typed() == regular:
		return true
	case c.typed() == exactly && other.typed() == exactly:
		return c.Value == other.Value
	case c.typed() == exactly:
		return c.within(other)
	case other.typed() == exactly:
		return other.within(c)
	default:
		return c.within(other) || other.within(c)
	}
}

// beats says whether the match wins, or may win, where both mean a request. Of two equal ones the one that is before the other in the
// list does.
func (m match) beats(other match, before bool) bool {
	if m.path.unranked(other.path) {
		return true
	}
	method := func(m match) int { return min(len(m.method), 1) }
	order := cmp.Or(
		cmp.Compare(m.path.rank(), other.path.rank()),
		cmp.Compare(method(m), method(other)),
		cmp.Compare(len(m.headers), len(other.headers)),
		cmp.Compare(m.queries, other.queries),
	)
	return order > 0 || order == 0 && before
}

// unranked says whether it is up to the implementation which of two paths is more specific, as it is with regular expressions.
func (c criterion) unranked(other criterion) bool {
	return (c.typed() == regular || other.typed() == regular) && c != other
}

// rank is greater for a path that is more specific.
func (c criterion) rank() int {
	if c.typed() == exactly {
		return 1 << 20
	}
	return len(strings.TrimSuffix(c.Value, "/"))
}
