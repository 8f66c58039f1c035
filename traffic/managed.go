package traffic

import (
	"fmt"
	"slices"
	"strings"
)

// Managed are the rules that the engine adds to routes besides the split, and takes out again.
//
// A managed rule stands for one rule of the owner that names the pair: it has the same filters, timeouts and conditions, and
// conditions of its own besides. So it only ever takes requests that would have reached the pair anyway, as that rule would have
// treated them, and requests that an earlier rule of the owner takes are none of its business.
type Managed struct {
	// Names of all rules that may ever be added, the one that a request meets first in front. Rules with these names belong to
	// the engine, whoever wrote them, all others to the routes' owner. Where names have to be unique in a route, so do rules with a
	// number behind such a name, as in "testers-2".
	Names []string
	// Rules that are wanted now, in any order. All that are there and aren't wanted are removed.
	Rules []ManagedRule
}

// ManagedRule is a header route or a mirror route; HeaderRoute and MirrorRoute make one.
type ManagedRule struct {
	Name string
	// Matches: a request is meant if one of them describes it. None stands for every request.
	Matches []RequestMatch
	// Mirror is the percentage of the requests that the canary gets a copy of while the split serves them. It is 0 for a
	// header route, where the canary serves the requests itself.
	Mirror int
	// ToStable: stable serves the requests itself.
	ToStable bool
	// Cookies, unless it is zero, are set by the answers of the two versions while the split serves the requests.
	Cookies Cookies
	// Session names a cookie by whose value the rule chooses requests, empty for none. No request is meant by two rules of one.
	Session string
}

// ServedByCanary says whether the canary serves all requests that the rule takes.
func (r ManagedRule) ServedByCanary() bool {
	return r.Mirror == 0 && !r.ToStable && r.Cookies == (Cookies{})
}

// HeaderRoute makes the canary serve all requests whose headers are as described, all of them.
func HeaderRoute(name string, headers ...HeaderMatch) ManagedRule {
	return ManagedRule{Name: name, Matches: []RequestMatch{{Headers: headers}}}
}

// MirrorRoute gives the canary a copy of a percentage of the requests that one of the matches describes, or of all requests if
// there are none. Nobody waits for the canary's answers.
func MirrorRoute(name string, percent int, matches ...RequestMatch) ManagedRule {
	return ManagedRule{Name: name, Matches: matches, Mirror: percent}
}

// RequestMatch describes requests. All of its fields have to hold; a zero field always does.
type RequestMatch struct {
	Method, Path StringMatch
	Headers      []HeaderMatch
}

// HeaderMatch describes the value of a header. Case doesn't matter in its name.
type HeaderMatch struct {
	Header string
	Value  StringMatch
}

// StringMatch describes a text by one of its fields.
type StringMatch struct {
	Exact, Prefix string
	// Regex has to match the whole text. Its syntax is the data plane's, mostly RE2.
	Regex string
}

// Wanted are the wanted rules in the order in which a request meets them.
func (m Managed) Wanted() []ManagedRule {
	return slices.SortedStableFunc(slices.Values(m.Rules), func(a, b ManagedRule) int {
		return slices.Index(m.Names, a.Name) - slices.Index(m.Names, b.Name)
	})
}

// Problem says what is wrong with the rules themselves, naming the value and the way out; empty if nothing is.
func (m Managed) Problem() string {
	for i, name := range m.Names {
		switch {
		case name == "":
			return "a managed route has no name; give it one"
		case slices.Contains(m.Names[:i], name):
			return fmt.Sprintf("managed route %q is declared twice; remove one of the two", name)
		}
	}
	for i, rule := range m.Rules {
		switch {
		case !slices.Contains(m.Names, rule.Name):
			return fmt.Sprintf("route %q is not among the managed routes (%s); declare it there", rule.Name, strings.Join(m.Names, ", "))
		case slices.ContainsFunc(m.Rules[:i], func(other ManagedRule) bool { return other.Name == rule.Name }):
			return fmt.Sprintf("managed route %q is wanted twice; give one of the two another name", rule.Name)
		}
		if problem := rule.problem(); problem != "" {
			return fmt.Sprintf("managed route %q %s", rule.Name, problem)
		}
	}
	return ""
}

func (r ManagedRule) problem() string {
	if r.Mirror < 0 || r.Mirror > 100 {
		return fmt.Sprintf("mirrors %d%% of the requests; choose a percentage from 1 to 100", r.Mirror)
	}
	for _, match := range r.Matches {
		if problem := match.problem(); problem != "" {
			return problem
		}
	}
	if r.ServedByCanary() && (len(r.Matches) == 0 || slices.ContainsFunc(r.Matches, RequestMatch.everything)) {
		return "matches no header, so the canary would serve every request; name a header and its value"
	}
	return ""
}

func (m RequestMatch) everything() bool {
	return m.Method.fields() == 0 && m.Path.fields() == 0 && len(m.Headers) == 0
}

func (m RequestMatch) problem() string {
	switch {
	case m.Method.fields() > 1:
		return "describes the method in more than one way; keep one of exact, prefix and regex"
	case m.Path.fields() > 1:
		return "describes the path in more than one way; keep one of exact, prefix and regex"
	}
	seen := map[string]bool{}
	for _, h := range m.Headers {
		name := strings.ToLower(h.Header)
		switch {
		case name == "":
			return "matches a header without a name; name it"
		case seen[name]:
			return fmt.Sprintf("matches header %s twice; keep one of the two", h.Header)
		case h.Value.fields() != 1:
			return fmt.Sprintf("describes header %s in no way, or in more than one; keep one of exact, prefix and regex", h.Header)
		}
		seen[name] = true
	}
	return ""
}

// fields counts those that are set.
func (m StringMatch) fields() int {
	set := 0
	for _, text := range []string{m.Exact, m.Prefix, m.Regex} {
		if text != "" {
			set++
		}
	}
	return set
}
