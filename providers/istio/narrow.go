package istio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/rollout-dev/rollout/traffic"
	"github.com/rollout-dev/rollout/traffic/patch"
)

// narrow makes the match of a rule that means the requests that an owner's match means and a wanted one too: in both one entry of
// the list has to hold, so in both together one pair of entries. It is nil if every request is meant, and some is false if none is.
func narrow(owner json.RawMessage, wanted []traffic.RequestMatch) (match json.RawMessage, some bool, err error) {
	entries, err := patch.Entries(owner)
	switch {
	case err != nil:
		return nil, false, fmt.Errorf("read match: %w", err)
	case len(wanted) == 0:
		return owner, true, nil
	case len(entries) == 0:
		entries = []json.RawMessage{json.RawMessage("{}")}
	}
	var both []json.RawMessage
	for _, entry := range entries {
		for _, w := range wanted {
			combined, can, err := combine(entry, w)
			if err != nil {
				return nil, false, err
			}
			if can {
				both = append(both, combined)
			}
		}
	}
	return patch.JSON(both), len(both) > 0, nil
}

// combine adds the conditions of a wanted match to an entry of an owner's. It is false if they contradict each other.
func combine(entry json.RawMessage, wanted traffic.RequestMatch) (both json.RawMessage, can bool, err error) {
	fields, err := patch.Fields(entry)
	if err != nil {
		return nil, false, err
	}
	headers, err := patch.Fields(fields["headers"])
	if err != nil {
		return nil, false, err
	}
	if insensitive := fields["ignoreUriCase"]; string(insensitive) == "true" && fields["uri"] != nil && wanted.Path != (traffic.StringMatch{}) {
		return nil, false, errors.New("its match describes the path with ignoreUriCase, which can't be combined with another description of the path; leave one of the two out")
	}
	conditions := []condition{{fields, "method", wanted.Method}, {fields, "uri", wanted.Path}}
	for _, h := range wanted.Headers {
		// Istio wants the names of headers in lower case.
		conditions = append(conditions, condition{headers, strings.ToLower(h.Header), h.Value})
	}
	for _, c := range conditions {
		if can, err := c.add(); err != nil || !can {
			return nil, false, err
		}
	}
	if len(headers) > 0 {
		fields["headers"] = patch.JSON(headers)
	}
	return patch.JSON(fields), true, nil
}

// condition is one on a text that is to be added to those in fields.
type condition struct {
	fields map[string]json.RawMessage
	name   string
	value  traffic.StringMatch
}

// text is a StringMatch of Istio's.
type text struct {
	Exact  string `json:"exact,omitempty"`
	Prefix string `json:"prefix,omitempty"`
	Regex  string `json:"regex,omitempty"`
}

// readText fails on a way to describe a text that is newer than this program: it would get lost in a copy.
func readText(raw json.RawMessage) (t text, err error) {
	if patch.IsNull(raw) {
		return t, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(&t)
	return t, err
}

// add adds the condition; it is false if it contradicts one that is there.
func (c condition) add() (bool, error) {
	wanted := text(c.value)
	if wanted == (text{}) {
		return true, nil
	}
	raw := c.fields[c.name]
	there, err := readText(raw)
	if err != nil {
		return false, fmt.Errorf("read match of %s: %w", c.name, err)
	}
	both, can, known := there.and(wanted)
	if !known {
		return false, fmt.Errorf("its match describes %s by %s, and no match of Istio's says that together with %s; make the two the same, or leave one out",
			c.name, raw, patch.JSON(wanted))
	}
	c.fields[c.name] = patch.JSON(both)
	return can, nil
}

// and is what holds for the texts that both describe; can is false if there are none, known is false if no description says it.
func (t text) and(other text) (both text, can, known bool) {
	switch {
	case t == text{} || t == other:
		return other, true, true
	case t.Regex != "" || other.Regex != "":
		return text{}, false, false
	case t.Exact != "" && other.Exact != "":
		return text{}, false, true
	case t.Exact != "":
		return t, strings.HasPrefix(t.Exact, other.Prefix), true
	case other.Exact != "":
		return other, strings.HasPrefix(other.Exact, t.Prefix), true
	case strings.HasPrefix(t.Prefix, other.Prefix):
		return t, true, true
	default:
		return other, strings.HasPrefix(other.Prefix, t.Prefix), true
	}
}
