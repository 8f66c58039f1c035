package gatewayapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollout-dev/rollout/traffic"
	"github.com/rollout-dev/rollout/traffic/patch"
)

// match is an HTTPRouteMatch with the fields that it may have besides.
type match struct {
	fields  map[string]json.RawMessage
	path    criterion
	method  string
	headers []criterion
	queries int
	// session is that of the managed rule whose conditions are in it, if there is one.
	session string
}

// criterion is one on a path or a header.
type criterion struct {
	Type  string `json:"type"`
	Name  string `json:"name,omitempty"`
	Value string `json:"value"`
}

// The types of conditions.
const (
	exactly = "Exact"
	below   = "PathPrefix" // a path or a part of it, in whole elements
	regular = "RegularExpression"
)

// everyPath is what the API takes for a match without a path.
var everyPath = criterion{Type: below, Value: "/"}

// matchesOf reads the matches of a rule. A rule without any takes every request.
func matchesOf(list json.RawMessage) ([]match, error) {
	entries, err := patch.Entries(list)
	if err != nil {
		return nil, fmt.Errorf("read matches: %w", err)
	}
	if len(entries) == 0 {
		entries = []json.RawMessage{nil}
	}
	var all []match
	for _, entry := range entries {
		m, err := readMatch(entry)
		if err != nil {
			return nil, fmt.Errorf("read matches: %w", err)
		}
		all = append(all, m)
	}
	return all, nil
}

func readMatch(entry json.RawMessage) (m match, err error) {
	m.path = everyPath
	if m.fields, err = patch.Fields(entry); err != nil {
		return m, err
	}
	var queries []json.RawMessage
	for field, into := range map[string]any{"path": &m.path, "method": &m.method, "headers": &m.headers, "queryParams": &queries} {
		if value := m.fields[field]; value != nil {
			if err := json.Unmarshal(value, into); err != nil {
				return m, err
			}
		}
	}
	m.queries = len(queries)
	return m, nil
}

// narrow makes the matches of a rule for the requests that an owner's matches mean and those of the first wanted rule too.
//
// In this API not the first rule wins but the one with the most specific match: longer paths before methods before the number of
// headers. So the match of a rule that is to win over another one has to be at least as specific wherever a request may be meant by
// both; for that every match is there once more for each combination with matches of the wanted rules behind it.
func narrow(owner json.RawMessage, wanted []traffic.ManagedRule) ([]match, error) {
	base, err := matchesOf(owner)
	if err != nil {
		return nil, err
	}
	for _, m := range base {
		if err := m.known(); err != nil {
			return nil, fmt.Errorf("read matches: %w", err)
		}
	}
	all, err := both(base, wanted[0])
	if err != nil {
		return nil, err
	}
	for _, behind := range wanted[1:] {
		more, err := both(all, behind)
		if err != nil {
			return nil, fmt.Errorf("requests that managed route %q describes too: %w", behind.Name, err)
		}
		all = append(all, more...)
	}
	var matches []match
	for _, m := range all {
		raw := m.json()
		if !slices.ContainsFunc(matches, func(other match) bool { return patch.Same(raw, other.json()) }) {
			matches = append(matches, m)
		}
	}
	return matches, nil
}

// known fails on a field of a path or a header that is newer than this program: it would get lost in a copy.
func (m match) known() error {
	for field, into := range map[string]any{"path": &criterion{}, "headers": &[]criterion{}} {
		if patch.IsNull(m.fields[field]) {
			continue
		}
		decoder := json.NewDecoder(bytes.NewReader(m.fields[field]))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(into); err != nil {
			return err
		}
	}
	return nil
}

func jsonOf(matches []match) []json.RawMessage {
	var all []json.RawMessage
	for _, m := range matches {
		all = append(all, m.json())
	}
	return all
}

// both are the matches for what one of a list and a wanted rule mean; none if nothing can be meant by both.
func both(base []match, wanted traffic.ManagedRule) (all []match, err error) {
	if len(wanted.Matches) == 0 {
		return base, nil
	}
	for _, m := range base {
		if wanted.Session != "" && m.session == wanted.Session {
			continue
		}
		for _, w := range wanted.Matches {
			combined, can, err := m.and(w)
			if err != nil {
				return nil, err
			}
			if combined.session = cmp.Or(m.session, wanted.Session); can {
				all = append(all, combined)
			}
		}
	}
	return all, nil
}

// and adds the conditions of a wanted match; it is false if they contradict each other.
func (m match) and(wanted traffic.RequestMatch) (out match, can bool, err error) {
	out = m
	if out.method, can, err = andMethod(m.method, wanted.Method); err != nil || !can {
		return out, false, err
	}
	if wanted.Path != (traffic.StringMatch{}) {
		if out.path, can, err = m.path.and(criterionOf("", wanted.Path)); err != nil || !can {
			return out, false, err
		}
	}
	out.headers = slices.Clone(m.headers)
	for _, h := range wanted.Headers {
		c := criterionOf(h.Header, h.Value)
		if c.Type == below {
			return out, false, fmt.Errorf("the Gateway API can't match header %s by the prefix %q; use exact or regex", h.Header, c.Value)
		}
		at := slices.IndexFunc(out.headers, func(there criterion) bool { return strings.EqualFold(there.Name, c.Name) })
		if at < 0 {
			out.headers = append(out.headers, c)
			continue
		}
		if out.headers[at], can, err = out.headers[at].and(c); err != nil || !can {
			return out, false, err
		}
	}
	return out, true, nil
}

func andMethod(there string, wanted traffic.StringMatch) (both string, can bool, err error) {
	switch {
	case wanted == traffic.StringMatch{}:
		return there, true, nil
	case wanted.Exact == "":
		return "", false, errors.New("the Gateway API matches methods as a whole only; use exact")
	default:
		return wanted.Exact, there == "" || there == wanted.Exact, nil
	}
}

func criterionOf(name string, m traffic.StringMatch) criterion {
	switch {
	case m.Exact != "":
		return criterion{exactly, name, m.Exact}
	case m.Prefix != "":
		return criterion{below, name, m.Prefix}
	default:
		return criterion{regular, name, m.Regex}
	}
}

// and is the criterion that says what both say; it is false if they contradict each other.
func (c criterion) and(other criterion) (both criterion, can bool, err error) {
	switch {
	case c.typed() == other.typed() && c.Value == other.Value, c.all():
		other.Name = c.Name
		return other, true, nil
	case other.all():
		return c, true, nil
	case c.typed() == regular || other.typed() == regular:
		return c, false, fmt.Errorf("its match says %s, and no match of the Gateway API says that together with %s; make the two the same, or leave one out",
			patch.JSON(c), patch.JSON(other))
	case other.typed() == below:
		if c.within(other) {
			return c, true, nil
		}
		return other, c.typed() == below && other.within(c), nil
	default:
		return other, c.typed() == below && other.within(c), nil
	}
}

// typed is the type, which is Exact if it isn't spelled out.
func (c criterion) typed() string {
	if c.Type == "" {
		return exactly
	}
	return c.Type
}

// all says whether the criterion holds for every path.
func (c criterion) all() bool { return c.typed() == below && c.Value == "/" }

// within says whether a path, or all below it, is below a prefix, which stands for whole elements: "/cart" is no prefix of "/carts".
func (c criterion) within(prefix criterion) bool {
	elements := strings.TrimSuffix(prefix.Value, "/")
	return c.Value == elements || strings.HasPrefix(c.Value, elements+"/")
}

// json is the match with its conditions.
func (m match) json() json.RawMessage {
	fields := maps.Clone(m.fields)
	fields["path"] = patch.JSON(m.path)
	if m.method != "" {
		fields["method"] = patch.JSON(m.method)
	}
	if len(m.headers) > 0 {
		fields["headers"] = patch.JSON(m.headers)
	}
	return patch.JSON(fields)
}
