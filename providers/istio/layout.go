package istio

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rollout-dev/rollout/traffic"
)

// layout is what a VirtualService has to do with the pair.
type layout struct {
	virtualService
	backends backends
	// places are the owner's rules that carry the split.
	places []place
	// managed are our own rules.
	managed []rule
	// problem is the first reason why the VirtualService can't carry the split.
	problem string
}

// place is a rule that names the pair.
type place struct {
	rule
	stable, canary ref
	shared         bool
}

// ref is a destination, by its index in the rule.
type ref struct {
	route
	index int
}

func (r ref) weight() int {
	if r.Weight == nil {
		return 0
	}
	return *r.Weight
}

func (p place) weights() traffic.RuleWeights {
	return traffic.RuleWeights{Stable: p.stable.weight(), Canary: p.canary.weight(), Shared: p.shared}
}

// lay finds the rules that carry the split, and ours.
func lay(v virtualService, b backends, only *traffic.Selection, managed []string) layout {
	l := layout{virtualService: v, backends: b}
	var owners []rule
	for _, r := range v.rules {
		if r.list == httpList && r.Name != "" && slices.Contains(managed, r.Name) {
			l.managed = append(l.managed, r)
			continue
		}
		owners = append(owners, r)
	}
	if only != nil {
		l.unknown(owners, *only)
		owners = slices.DeleteFunc(owners, func(r rule) bool { return !r.selected(*only) })
	}
	for _, r := range owners {
		l.look(r, only != nil)
	}
	if len(l.places) == 0 {
		l.release()
		l.note(l.nowhere())
	}
	return l
}

func (l *layout) note(problem string) {
	if l.problem == "" {
		l.problem = problem
	}
}

// unknown notes the first entry of a selection that describes no rule.
func (l *layout) unknown(owners []rule, only traffic.Selection) {
	missing := func(one traffic.Selection) bool {
		return !slices.ContainsFunc(owners, func(r rule) bool { return r.selected(one) })
	}
	for _, name := range only.HTTP {
		if missing(traffic.Selection{HTTP: []string{name}}) {
			l.note(fmt.Sprintf("spec.http has no route named %q; name the one that serves the application so, or correct the name", name))
		}
	}
	for _, t := range only.TLS {
		if missing(traffic.Selection{TLS: []traffic.TLSMatch{t}}) {
			l.note(fmt.Sprintf("spec.tls has no route that matches %s; correct the port or the hosts, which have to be all of one match", describe(t)))
		}
	}
	for _, port := range only.TCP {
		if missing(traffic.Selection{TCP: []int{port}}) {
			l.note(fmt.Sprintf("spec.tcp has no route that matches port %d; correct the port", port))
		}
	}
}

func describe(t traffic.TLSMatch) string {
	var parts []string
	if t.Port != 0 {
		parts = append(parts, "port "+strconv.Itoa(t.Port))
	}
	if len(t.SNIHosts) > 0 {
		parts = append(parts, "sniHosts "+strings.Join(t.SNIHosts, ", "))
	}
	return strings.Join(parts, " and ")
}

// look adds a rule of the owner to the places if it names the pair, and notes what is wrong with it. A rule that was selected has
// to name the pair, any other may well have nothing to do with it.
func (l *layout) look(r rule, selected bool) {
	stable, canary := l.find(r, l.backends.stable), l.find(r, l.backends.canary)
	switch {
	case len(stable) == 0 && len(canary) == 0:
		if selected {
			l.note(fmt.Sprintf("%s is to carry the split, but names neither %s nor %s; add the two with the weights 100 and 0",
				r.field(), l.backends.stable, l.backends.canary))
		}
	case len(stable) > 1:
		l.note(twice(r, l.backends.stable))
	case len(canary) > 1:
		l.note(twice(r, l.backends.canary))
	case len(canary) == 0:
		l.note(l.lone(r, l.backends.stable, l.backends.canary, 0))
	case len(stable) == 0:
		l.note(l.lone(r, l.backends.canary, l.backends.stable, 100))
	default:
		l.add(place{rule: r, stable: stable[0], canary: canary[0], shared: len(r.Route) > 2})
	}
}

// add takes a rule that names both.
func (l *layout) add(p place) {
	for _, d := range []ref{p.stable, p.canary} {
		if d.weight() < 0 {
			l.note(fmt.Sprintf("%s.route[%d].weight is %d; make it 0 or more", p.field(), d.index, d.weight()))
			return
		}
	}
	l.places = append(l.places, p)
	// With a share of the canary it is no problem yet: the share that there is must be seen, and can be taken back.
	if w := p.weights(); w.Coarse() && w.Canary == 0 {
		l.note(l.tooCoarse(p))
	}
}

// find returns where a rule names a backend.
func (l *layout) find(r rule, b backend) []ref {
	var found []ref
	for i, d := range r.Route {
		if b.is(d.Destination, l.namespace) {
			found = append(found, ref{d, i})
		}
	}
	return found
}

// release lets go of the rules that have the name of one of ours and are the only ones to carry the split: that can only be because
// somebody has set a name aside for the engine that his own rule has.
func (l *layout) release() {
	l.managed = slices.DeleteFunc(l.managed, func(r rule) bool {
		serves := len(l.find(r, l.backends.stable)) > 0
		if serves {
			l.note(fmt.Sprintf("%s is named %q, which is one of the managed routes, and no other rule names the pair; give one of the two another name", r.field(), r.Name))
		}
		return serves
	})
}

func (l *layout) nowhere() string {
	how := fmt.Sprintf("add the two to the rule that serves the application, as destinations with the weights 100 and 0 and the host %s",
		l.backends.stable.spelled(l.namespace))
	if l.backends.canary.host != l.backends.stable.host {
		how += " or " + l.backends.canary.spelled(l.namespace)
	}
	return fmt.Sprintf("none of spec.http, spec.tls and spec.tcp has a rule with both %s and %s; %s", l.backends.stable, l.backends.canary, how)
}

func twice(r rule, b backend) string {
	return fmt.Sprintf("%s.route names %s more than once, so it has no one weight; keep one of them", r.field(), b)
}

func (l *layout) lone(r rule, there, missing backend, weight int) string {
	return fmt.Sprintf("%s.route names %s but not %s; add it with weight %d and give the other one %d, or restrict the split to other rules",
		r.field(), there, missing, weight, 100-weight)
}

func (l *layout) tooCoarse(p place) string {
	return fmt.Sprintf("%s.route also names other destinations, and %s and %s have a weight of %d together, which is too little for percentages of it; "+
		"multiply all weights of the rule so that the two have 100 or more", p.field(), l.backends.stable, l.backends.canary, p.stable.weight()+p.canary.weight())
}

// share is the range over all rules that name both, ours included: a mirror route carries the split for what it mirrors.
func (l *layout) share() traffic.Range {
	all := traffic.Range{Low: 100, High: 0}
	widen := func(share int) { all.Low, all.High = min(all.Low, share), max(all.High, share) }
	for _, p := range l.places {
		widen(p.weights().Share())
	}
	for _, r := range l.managed {
		stable, canary := l.find(r, l.backends.stable), l.find(r, l.backends.canary)
		if len(stable) == 1 && len(canary) == 1 {
			widen(place{stable: stable[0], canary: canary[0]}.weights().Share())
		}
	}
	return all
}

// managedNames are the names of our rules, each once, in the order of the VirtualService.
func (l *layout) managedNames() []string {
	var names []string
	for _, r := range l.managed {
		if !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	return names
}
