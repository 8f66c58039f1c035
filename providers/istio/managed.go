package istio

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollout-dev/rollout/traffic"
	"github.com/rollout-dev/rollout/traffic/patch"
)

// astray says what is to be changed for our rules to be those that are wanted, with the split as it is.
func (l *layout) astray(managed traffic.Managed) string {
	_, astray, err := l.rearrange(managed, place.weights)
	if err != nil {
		return err.Error()
	}
	return astray
}

// rearrange makes the operations that turn our rules into those that are wanted, and says what the first one is about. It is given
// the weights that the owner's rules will have.
func (l *layout) rearrange(managed traffic.Managed, weights func(place) traffic.RuleWeights) (changes []patch.Operation, astray string, err error) {
	if len(managed.Names) == 0 && len(managed.Rules) == 0 {
		return nil, "", nil
	}
	wanted, err := l.copies(managed, weights)
	if err != nil {
		return nil, "", err
	}
	list := patch.List{Path: "/spec/" + httpList}
	for _, r := range l.rules {
		if r.list == httpList {
			ours := slices.ContainsFunc(l.managed, func(m rule) bool { return m.index == r.index })
			list.Rules = append(list.Rules, patch.Rule{Name: r.Name, JSON: r.raw, Managed: ours})
		}
	}
	changes, astray = list.Rearrange(wanted)
	return changes, astray, nil
}

// copies are the rules that are to stand in front of each http rule that carries the split, by its index.
func (l *layout) copies(managed traffic.Managed, weights func(place) traffic.RuleWeights) (map[int][]patch.Rule, error) {
	if len(managed.Rules) == 0 {
		// Whatever is wrong with the declaration, what is there can be taken away.
		return nil, nil
	}
	if problem := managed.Problem(); problem != "" {
		return nil, errors.New(problem)
	}
	all := map[int][]patch.Rule{}
	for _, want := range managed.Wanted() {
		if err := l.possible(want); err != nil {
			return nil, fmt.Errorf("managed route %q can't be added: %w", want.Name, err)
		}
		found := false
		for _, p := range l.places {
			if p.list != httpList {
				continue
			}
			raw, err := p.copyFor(want, weights(p))
			if err != nil {
				return nil, fmt.Errorf("managed route %q can't be added in front of %s: %w", want.Name, p.field(), err)
			}
			if raw != nil {
				found = true
				all[p.index] = append(all[p.index], patch.Rule{Name: want.Name, JSON: raw})
			}
		}
		if !found {
			return nil, fmt.Errorf("managed route %q can't be added: no rule of spec.http that names the pair serves requests that it describes; "+
				"let its match agree with that of such a rule", want.Name)
		}
	}
	return all, nil
}

// possible says what Istio can't do at all.
func (l *layout) possible(want traffic.ManagedRule) error {
	for _, m := range want.Matches {
		regex := m.Method.Regex != "" || m.Path.Regex != ""
		for _, h := range m.Headers {
			if slices.Contains([]string{"uri", "scheme", "method", "authority"}, strings.ToLower(h.Header)) {
				return fmt.Errorf("a match of header %s is one that Istio ignores; match another one", h.Header)
			}
			regex = regex || h.Value.Regex != ""
		}
		if l.delegate && regex {
			return errors.New("the VirtualService has no spec.hosts, so another one delegates to it, and Istio takes no regex in matches there; use exact or prefix")
		}
	}
	return nil
}

// copyFor makes the managed rule that stands for the owner's: the same rule, but under another name, for fewer requests, and with
// the canary as its only destination or as a mirror. It is nil if no request can be meant by both.
func (p place) copyFor(want traffic.ManagedRule, weights traffic.RuleWeights) (json.RawMessage, error) {
	fields, err := patch.Fields(p.raw)
	if err != nil {
		return nil, err
	}
	matches, some, err := narrow(fields["match"], want.Matches)
	if err != nil || !some {
		return nil, err
	}
	if fields["match"] = matches; matches == nil {
		delete(fields, "match")
	}
	routes, err := p.served(fields, want, weights)
	if err != nil {
		return nil, err
	}
	fields["name"], fields["route"] = patch.JSON(want.Name), patch.JSON(routes)
	return patch.JSON(fields), nil
}

// served are the destinations of the managed rule for a place, whose fields it may change.
func (p place) served(fields map[string]json.RawMessage, want traffic.ManagedRule, weights traffic.RuleWeights) ([]map[string]json.RawMessage, error) {
	var routes []map[string]json.RawMessage
	if err := json.Unmarshal(fields["route"], &routes); err != nil {
		return nil, err
	}
	stable, canary := routes[p.stable.index], routes[p.canary.index]
	if p.shared && (want.Session != "" || want.Cookies != traffic.Cookies{}) {
		return nil, errOthers
	}
	switch {
	case want.ServedByCanary():
		canary["weight"] = patch.JSON(100)
		return []map[string]json.RawMessage{canary}, nil
	case want.ToStable:
		stable["weight"] = patch.JSON(100)
		return []map[string]json.RawMessage{stable}, nil
	}
	stable["weight"], canary["weight"] = patch.JSON(weights.Stable), patch.JSON(weights.Canary)
	if want.Mirror > 0 {
		return routes, mirror(fields, canary["destination"], want.Mirror)
	}
	return routes, errors.Join(setCookie(stable, p.stable.index, want.Cookies.Stable), setCookie(canary, p.canary.index, want.Cookies.Canary))
}

// mirror adds a mirror to a rule. One that the owner has in the older form, which knows only one, moves to the newer one, because
// Istio takes no rule that has both.
func mirror(fields map[string]json.RawMessage, canary json.RawMessage, percent int) error {
	type policy struct {
		Destination json.RawMessage `json:"destination"`
		Percentage  json.RawMessage `json:"percentage,omitempty"`
	}
	mirrors, err := patch.Entries(fields["mirrors"])
	if err != nil {
		return fmt.Errorf("read mirrors: %w", err)
	}
	if old := fields["mirror"]; old != nil {
		p := policy{Destination: old, Percentage: fields["mirrorPercentage"]}
		for _, deprecated := range []string{"mirrorPercent", "mirror_percent"} {
			if n := fields[deprecated]; n != nil && p.Percentage == nil {
				p.Percentage = patch.JSON(map[string]json.RawMessage{"value": n})
			}
		}
		mirrors = append(mirrors, patch.JSON(p))
	}
	for _, field := range []string{"mirror", "mirrorPercentage", "mirrorPercent", "mirror_percent"} {
		delete(fields, field)
	}
	ours := policy{Destination: canary, Percentage: patch.JSON(map[string]int{"value": percent})}
	fields["mirrors"] = patch.JSON(append(mirrors, patch.JSON(ours)))
	return nil
}
