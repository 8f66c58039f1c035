package analysis

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Expand replaces the variables of a query: {{service}}, also written {{ service }}. Single braces belong to the query's
// own language and stay. An unknown variable or one that is not closed is an error that lists the known ones: a query
// with a hole in it could match the series of every revision.
func Expand(query string, vars map[string]string) (string, error) {
	var out strings.Builder
	rest := query
	for {
		before, after, found := strings.Cut(rest, "{{")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		end := strings.IndexFunc(after, func(r rune) bool { return !isNameRune(r) })
		if end < 0 {
			end = len(after)
		}
		name := strings.TrimSpace(after[:end])
		if !strings.HasPrefix(after[end:], "}}") {
			return "", fmt.Errorf("query: {{%s is not closed by }}; %s", name, known(vars))
		}
		value, there := vars[name]
		if !there {
			return "", fmt.Errorf("query: there is no variable {{%s}}; %s", name, known(vars))
		}
		out.WriteString(value)
		rest = after[end+len("}}"):]
	}
}

func isNameRune(r rune) bool {
	return r == ' ' || r == '_' || r == '-' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

func known(vars map[string]string) string {
	names := slices.Sorted(maps.Keys(vars))
	if len(names) == 0 {
		return "no variable can be used here"
	}
	return "known are {{" + strings.Join(names, "}}, {{") + "}}"
}
