package patch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Rule is an entry of a list of rules.
type Rule struct {
	Name string
	JSON json.RawMessage
	// Managed: it belongs to the engine.
	Managed bool
}

// List is where the rules are.
type List struct {
	// Path of the list, for example "/spec/http".
	Path  string
	Rules []Rule
}

// field of an entry, for people.
func (l List) field(index int) string {
	return fmt.Sprintf("%s[%d]", strings.ReplaceAll(strings.TrimPrefix(l.Path, "/"), "/", "."), index)
}

// Rearrange makes the operations after which exactly the wanted rules stand in front of the owner's, by the index of the
// latter, and says what is to be changed first. The owner's rules are neither moved nor written.
func (l List) Rearrange(wanted map[int][]Rule) (changes []Operation, astray string) {
	at, first := 0, 0
	for i := range len(l.Rules) + 1 {
		if i < len(l.Rules) && l.Rules[i].Managed {
			continue
		}
		there := l.Rules[first:i]
		if !slices.EqualFunc(there, wanted[i], func(a, b Rule) bool { return Same(a.JSON, b.JSON) }) {
			changes = append(changes, l.replace(at, there, wanted[i])...)
			if astray == "" {
				astray = l.difference(first, there, wanted[i])
			}
		}
		at += len(wanted[i]) + 1
		first = i + 1
	}
	return changes, astray
}

func (l List) replace(at int, there, wanted []Rule) []Operation {
	var changes []Operation
	path := func(index int) string { return fmt.Sprintf("%s/%d", l.Path, index) }
	for _, r := range there {
		changes = append(changes, Test(path(at)+"/name", r.Name), Remove(path(at)))
	}
	for i, w := range wanted {
		changes = append(changes, Set(path(at+i), w.JSON))
	}
	return changes
}

// difference says in words what is to be done to the managed rules from an index on.
func (l List) difference(first int, there, wanted []Rule) string {
	named := func(name string) func(Rule) bool { return func(r Rule) bool { return r.Name == name } }
	for _, w := range wanted {
		if !slices.ContainsFunc(there, named(w.Name)) {
			return fmt.Sprintf("managed route %q is to be added in front of %s", w.Name, l.field(first+len(there)))
		}
	}
	for i, r := range there {
		if !slices.ContainsFunc(wanted, named(r.Name)) {
			return fmt.Sprintf("managed route %q is to be removed from %s", r.Name, l.field(first+i))
		}
	}
	for i, r := range there {
		if i >= len(wanted) || !Same(r.JSON, wanted[i].JSON) {
			return fmt.Sprintf("managed route %q at %s is to be made anew", r.Name, l.field(first+i))
		}
	}
	return fmt.Sprintf("managed route %q is to be there once more", wanted[len(there)].Name)
}
