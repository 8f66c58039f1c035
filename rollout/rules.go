package rollout

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollout-dev/rollout/traffic"
)

// Rules are the managed rules that the routes are to have now, besides their owner's. They follow from the revision under test and its
// step, and from nothing else: those that the steps so far have set hold, whatever was restarted meanwhile. Once a release is over, is
// taken back, or gives everybody the revision anyway, there are none.
func (o Observed) Rules() []traffic.ManagedRule {
	release := o.Status.Release
	if release == nil || release.Phase != Stepping || o.mode() != ByRoutes {
		return nil
	}
	return append(rulesAt(o.Spec.Steps, release.Step), o.affinity(release)...)
}

// affinity are the rules that keep clients on the version that served them first, as long as the canary is to have a share of them.
//
// A cookie is good for one run, or an old one would keep people on a canary that was taken back, and only as long as the plan doesn't
// lower the weight: those who are to leave the canary then are all who are on it, and everybody is drawn again.
func (o Observed) affinity(release *Release) []traffic.ManagedRule {
	if o.Spec.Affinity == nil || weightAt(o.Spec.Steps, release.Step) == 0 {
		return nil
	}
	return o.Spec.Affinity.Rules(fmt.Sprintf("%s-%d-%d", release.Revision, release.Run, lastLowered(o.Spec.Steps, release.Step)))
}

// lastLowered is the last step up to one that lowers the weight, counting from 1; 0 if none does.
func lastLowered(steps []Step, index int) int {
	last := 0
	for i := range min(index+1, len(steps)) {
		if weightAt(steps, i) < weightAt(steps, i-1) {
			last = i + 1
		}
	}
	return last
}

// rulesAt are the rules that the steps up to one have set and not removed again.
func rulesAt(steps []Step, index int) []traffic.ManagedRule {
	var rules []traffic.ManagedRule
	for _, s := range steps[:min(index+1, len(steps))] {
		if s.Kind != SetRule {
			continue
		}
		rules = slices.DeleteFunc(rules, func(r traffic.ManagedRule) bool { return r.Name == s.Rule.Name })
		if !s.Remove {
			rules = append(rules, s.Rule)
		}
	}
	return rules
}

// rulesThere are the names of the managed rules that any route has, sorted.
func (o Observed) rulesThere() []string {
	var names []string
	for _, route := range o.Routes.Routes {
		names = append(names, route.Managed...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ruleSeparator stands between the names of rules in a ledger.
const ruleSeparator = ", "

// RuleNames are names of rules as a Ledger has them.
func RuleNames(names []string) string { return strings.Join(names, ruleSeparator) }

// RuleList is the reverse.
func (l Ledger) RuleList() []string {
	if l.Rules == "" {
		return nil
	}
	return strings.Split(l.Rules, ruleSeparator)
}

// exposedByRule says whether a header route sends users to the canary, whatever its share. A mirror route doesn't: nobody meets the
// answers to what is mirrored. What a rule that the plan doesn't know does nobody knows, so it counts.
func (o Observed) exposedByRule() bool {
	wanted := o.Rules()
	return slices.ContainsFunc(o.rulesThere(), func(name string) bool {
		return !slices.ContainsFunc(wanted, func(r traffic.ManagedRule) bool { return r.Name == name && r.Mirror > 0 })
	})
}

// clear says whether no rule and no share sends anything to the canary backend.
func (l Ledger) clear() bool { return l.exactly(0) && l.Rules == "" }

// there says whether routes have a share, and the managed rules that they are to have.
func (l Ledger) there(percent int) bool { return l.exactly(percent) && !l.Astray }

// rulesDone goes on after a step that sets or removes a rule.
func (d *decision) rulesDone(step Step) {
	if step.Remove {
		d.stepDone("managed route %s is gone", step.Rule.Name)
		return
	}
	d.stepDone("managed route %s is settled", step.Rule.Name)
}

// withRules is the end of a sentence that says which rules there are to be besides a weight.
func (d *decision) withRules() string {
	var names []string
	for _, r := range d.o.Rules() {
		names = append(names, r.Name)
	}
	if len(names) == 0 {
		return ""
	}
	return " with " + managedRoutes(RuleNames(names))
}

// managedRoutes names some of them within a sentence.
func managedRoutes(names string) string {
	if strings.Contains(names, ruleSeparator) {
		return "managed routes " + names
	}
	return "managed route " + names
}
