package gatewayapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/rollout-dev/rollout/traffic"
)

// layout is what a route has to do with the pair.
type layout struct {
	route
	pair traffic.Pair
	// namespace of the pair.
	namespace string
	// places are the owner's rules that name the pair.
	places []place
	// managed are the names of our own rules, by their index.
	managed map[int]string
	// problem is the first reason why the route can't carry the split.
	problem string
}

// place is where a rule names the pair.
type place struct {
	rule           int
	stable, canary ref
	// shared: the rule has other backends too.
	shared bool
}

// ref is a backendRef, by its index in the rule.
type ref struct {
	index  int
	weight int
}

func (p place) weights() traffic.RuleWeights {
	return traffic.RuleWeights{Stable: p.stable.weight, Canary: p.canary.weight, Shared: p.shared}
}

// lay finds the rules that name the pair, and the first problem with those that name it in a way that can't carry a split.
func lay(r route, target traffic.Target) layout {
	l := layout{route: r, pair: target.Pair, namespace: target.Namespace, managed: map[int]string{}}
	for i, of := range r.rules {
		if name := managedName(of.name, target.Managed.Names); name != "" {
			l.managed[i] = name
			continue
		}
		l.look(i)
	}
	if len(l.places) == 0 {
		l.release()
		l.note(fmt.Sprintf("none of spec.rules has both Service %s and Service %s among its backendRefs; add the two to the rule that serves the application, with the weights 100 and 0",
			l.pair.Stable, l.pair.Canary))
	}
	return l
}

// managedName is the name under which one of our rules was declared; empty for a rule of the owner's. Names are unique in a route,
// so all copies of a managed rule but the first have a number behind theirs.
func managedName(name string, declared []string) string {
	if name == "" || slices.Contains(declared, name) {
		return name
	}
	if end := strings.LastIndexByte(name, '-'); end > 0 && slices.Contains(declared, name[:end]) {
		if n, err := strconv.Atoi(name[end+1:]); err == nil && copyName(name[:end], n) == name {
			return name[:end]
		}
	}
	return ""
}

// copyName is the name of the n-th copy of a managed rule, the first being 1.
func copyName(name string, n int) string {
	if n == 1 {
		return name
	}
	return name + "-" + strconv.Itoa(n)
}

func (l *layout) note(text string) {
	if l.problem == "" {
		l.problem = text
	}
}

// look adds a rule of the owner to the places if it names the pair, and notes what is wrong with it.
func (l *layout) look(i int) {
	stable, canary := l.find(i, l.pair.Stable), l.find(i, l.pair.Canary)
	switch {
	case len(stable) == 0 && len(canary) == 0:
	case len(stable) > 1:
		l.note(twice(i, l.pair.Stable))
	case len(canary) > 1:
		l.note(twice(i, l.pair.Canary))
	case len(canary) == 0:
		l.note(lone(i, l.pair.Stable, l.pair.Canary, 0))
	case len(stable) == 0:
		l.note(lone(i, l.pair.Canary, l.pair.Stable, 100))
	default:
		p := place{rule: i, stable: stable[0], canary: canary[0], shared: len(l.rules[i].backends) > 2}
		l.places = append(l.places, p)
		// With a share of the canary it is no problem yet: the share that there is must be seen, and can be taken back.
		if w := p.weights(); w.Coarse() && w.Canary == 0 {
			l.note(l.tooCoarse(p))
		}
	}
}

// find returns where the backendRefs of a rule name a Service of the pair's namespace.
func (l *layout) find(i int, service string) []ref {
	var found []ref
	for j, b := range l.rules[i].backends {
		of := ptr.Deref(b.Namespace, gatewayv1.Namespace(l.route.namespace))
		isService := ptr.Deref(b.Group, "") == "" && ptr.Deref(b.Kind, "Service") == "Service"
		if string(of) == l.namespace && isService && string(b.Name) == service {
			found = append(found, ref{index: j, weight: int(ptr.Deref(b.Weight, 1))})
		}
	}
	return found
}

// release lets go of the rules that have the name of one of ours and are the only ones to carry the split: that can only be because
// somebody has set a name aside for the engine that his own rule has.
func (l *layout) release() {
	for i, of := range l.rules {
		if l.managed[i] != "" && len(l.find(i, l.pair.Stable)) > 0 {
			delete(l.managed, i)
			l.note(fmt.Sprintf("spec.rules[%d] is named %q, which is one of the managed routes, and no other rule names the pair; give one of the two another name", i, of.name))
		}
	}
}

func twice(rule int, service string) string {
	return fmt.Sprintf("spec.rules[%d].backendRefs names Service %s more than once, so it has no one weight; keep one of them", rule, service)
}

func lone(rule int, there, missing string, weight int) string {
	return fmt.Sprintf("spec.rules[%d].backendRefs names Service %s but not Service %s; add it with weight %d, or send the rule to another Service",
		rule, there, missing, weight)
}

func (l *layout) tooCoarse(p place) string {
	return fmt.Sprintf("spec.rules[%d].backendRefs also names other backends, and Services %s and %s have a weight of %d together, which is too little for percentages of it; "+
		"multiply all weights of the rule so that the two have 100 or more", p.rule, l.pair.Stable, l.pair.Canary, p.stable.weight+p.canary.weight)
}

// share is the range over all rules that name both, ours included: a mirror route carries the split for what it mirrors.
func (l *layout) share() traffic.Range {
	all := traffic.Range{Low: 100, High: 0}
	widen := func(share int) { all.Low, all.High = min(all.Low, share), max(all.High, share) }
	for _, p := range l.places {
		widen(p.weights().Share())
	}
	for i := range l.managed {
		stable, canary := l.find(i, l.pair.Stable), l.find(i, l.pair.Canary)
		if len(stable) == 1 && len(canary) == 1 {
			widen(traffic.Share(stable[0].weight, canary[0].weight))
		}
	}
	return all
}

// managedNames are the names of our rules as they were declared, each once, in the order of the route.
func (l *layout) managedNames() []string {
	var names []string
	for i := range l.rules {
		if name := l.managed[i]; name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
