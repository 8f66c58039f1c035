package gatewayapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

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
	if len(l.managed) == 0 && len(managed.Rules) == 0 {
		return nil, "", nil
	}
	wanted, err := l.copies(managed, weights)
	if err != nil {
		return nil, "", err
	}
	list := patch.List{Path: "/spec/rules"}
	for i, of := range l.rules {
		known := patch.Rule{Name: of.name, Managed: l.managed[i] != ""}
		if known.Managed && of.whole != nil {
			known.JSON = of.whole()
		}
		list.Rules = append(list.Rules, known)
	}
	changes, astray = list.Rearrange(wanted)
	return changes, astray, nil
}

// copies are the rules that are to stand in front of each rule that carries the split, by its index.
func (l *layout) copies(managed traffic.Managed, weights func(place) traffic.RuleWeights) (map[int][]patch.Rule, error) {
	if len(managed.Rules) == 0 {
		// Whatever is wrong with the declaration, what is there can be taken away.
		return nil, nil
	}
	if problem := managed.Problem(); problem != "" {
		return nil, errors.New(problem)
	}
	all, owners := map[int][]patch.Rule{}, l.ownerRules()
	wanted := managed.Wanted()
	for i, want := range wanted {
		found := 0
		for _, p := range l.places {
			raw, err := l.copyFor(p, wanted[i:], owners, weights(p), copyName(want.Name, found+1))
			if err != nil {
				return nil, fmt.Errorf("managed route %q can't be added in front of spec.rules[%d]: %w", want.Name, p.rule, err)
			}
			if raw != nil {
				found++
				all[p.rule] = append(all[p.rule], patch.Rule{Name: copyName(want.Name, found), JSON: raw})
			}
		}
		if found == 0 {
			return nil, fmt.Errorf("managed route %q can't be added: no rule of spec.rules that names the pair serves requests that it describes; "+
				"let its match agree with that of such a rule", want.Name)
		}
	}
	return all, nil
}

// copyFor makes the managed rule that stands for the owner's: the same rule, but under another name, for fewer requests, and with
// the canary as its only backend or as a mirror. It is nil if no request can be meant by both. Of the wanted rules the first is the one to
// be made.
func (l *layout) copyFor(p place, wanted []traffic.ManagedRule, owners []ownerRule, weights traffic.RuleWeights, name string) (json.RawMessage, error) {
	whole := l.rules[p.rule].whole
	if whole == nil {
		return nil, errors.New("only an HTTPRoute can have header and mirror routes; leave them out, or use an HTTPRoute")
	}
	fields, err := patch.Fields(whole())
	if err != nil {
		return nil, err
	}
	matches, err := narrow(fields["matches"], wanted)
	if err != nil || len(matches) == 0 {
		return nil, err
	}
	of := slices.IndexFunc(owners, func(o ownerRule) bool { return o.index == p.rule })
	if err := takesFromNobody(matches, owners[of], owners); err != nil {
		return nil, err
	}
	backends, err := p.served(fields, wanted[0], weights)
	if err != nil {
		return nil, err
	}
	fields["name"], fields["matches"], fields["backendRefs"] = patch.JSON(name), patch.JSON(jsonOf(matches)), patch.JSON(backends)
	return patch.JSON(fields), nil
}

// served are the backendRefs of the managed rule for a place, whose fields it may change.
func (p place) served(fields map[string]json.RawMessage, want traffic.ManagedRule, weights traffic.RuleWeights) ([]map[string]json.RawMessage, error) {
	var backends []map[string]json.RawMessage
	if err := json.Unmarshal(fields["backendRefs"], &backends); err != nil {
		return nil, err
	}
	stable, canary := backends[p.stable.index], backends[p.canary.index]
	if want.Session != "" || want.Cookies != (traffic.Cookies{}) {
		if err := p.canStick(fields); err != nil {
			return nil, err
		}
	}
	switch {
	case want.ServedByCanary():
		canary["weight"] = patch.JSON(1)
		return []map[string]json.RawMessage{canary}, nil
	case want.ToStable:
		stable["weight"] = patch.JSON(1)
		return []map[string]json.RawMessage{stable}, nil
	}
	stable["weight"], canary["weight"] = patch.JSON(weights.Stable), patch.JSON(weights.Canary)
	if want.Mirror > 0 {
		filters, err := patch.Entries(fields["filters"])
		if err != nil {
			return nil, err
		}
		fields["filters"] = patch.JSON(append(filters, mirror(canary, want.Mirror)))
		return backends, nil
	}
	return backends, errors.Join(setCookie(stable, p.stable.index, want.Cookies.Stable), setCookie(canary, p.canary.index, want.Cookies.Canary))
}

// mirror is the filter that copies requests to a backend.
func mirror(backend map[string]json.RawMessage, percent int) json.RawMessage {
	target := map[string]json.RawMessage{}
	for _, field := range []string{"group", "kind", "name", "namespace", "port"} {
		if value := backend[field]; !patch.IsNull(value) {
			target[field] = value
		}
	}
	return patch.JSON(map[string]any{"type": "RequestMirror", "requestMirror": map[string]any{"backendRef": target, "percent": percent}})
}

// ownerRules are the rules of the owner that can be read.
func (l *layout) ownerRules() []ownerRule {
	var owners []ownerRule
	for i, of := range l.rules {
		if l.managed[i] != "" || of.whole == nil {
			continue
		}
		fields, err := patch.Fields(of.whole())
		if err != nil {
			continue
		}
		matches, err := matchesOf(fields["matches"])
		if err != nil {
			continue
		}
		carries := slices.ContainsFunc(l.places, func(p place) bool { return p.rule == i })
		owners = append(owners, ownerRule{index: i, matches: matches, carries: carries})
	}
	return owners
}
