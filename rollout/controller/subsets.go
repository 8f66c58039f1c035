package controller

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
	"github.com/rollout-dev/rollout/traffic"
)

// destinationRuleKind is the kind of objects that declare subsets.
const destinationRuleKind = "DestinationRule"

// subsetsField is where the spec names one.
const subsetsField = "spec.strategy.canary.trafficRouting.istio.destinationRule"

// withSubsets is a wiring whose backends are subsets.
func withSubsets(w rollout.Wiring, rule *v1alpha1.DestinationRule) rollout.Wiring {
	w.Stable, w.Canary, w.SubsetsOf = rule.StableSubsetName, rule.CanarySubsetName, rule.Name
	if rule.Namespace != "" {
		w.SubsetsOf = rule.Namespace + "/" + rule.Name
	}
	return w
}

// subsetsOf is the reverse; nil if the backends are Services.
func subsetsOf(w rollout.Wiring) *v1alpha1.DestinationRule {
	if w.SubsetsOf == "" {
		return nil
	}
	rule := &v1alpha1.DestinationRule{Name: w.SubsetsOf, StableSubsetName: w.Stable, CanarySubsetName: w.Canary}
	if namespace, name, elsewhere := strings.Cut(w.SubsetsOf, "/"); elsewhere {
		rule.Namespace, rule.Name = namespace, name
	}
	return rule
}

// observeSubsets reads the two backends where they are subsets of one Service. Its endpoints are the pods of all revisions; those
// that have the subset's label are the subset's.
func (c *Controller) observeSubsets(ctx context.Context, from reader, w *world) (err error) {
	if w.subsets, err = c.readSubsets(ctx, from, w, w.target); err != nil {
		return err
	}
	ready, missing := map[rollout.Revision]int{}, true
	if name := w.subsets.Service; w.services[name] != nil {
		slices, err := from.endpoints(ctx, engine.Key{Namespace: w.key.Namespace, Name: name})
		if err != nil {
			return fmt.Errorf("list EndpointSlices of Service %s: %w", name, err)
		}
		w.slices = append(w.slices, slices...)
		ready, missing = readyEndpoints(slices, w.sets), false
	}
	subset := func(name, revision string) rollout.Backend {
		b := rollout.Backend{Name: name, SubsetOf: w.inForce().SubsetsOf, Missing: missing, Revision: revision}
		if !missing {
			b.Endpoints = chosen(ready, revision)
		}
		return b
	}
	w.observed.Stable = subset(w.target.Pair.Stable, w.subsets.Stable)
	w.observed.Canary = subset(w.target.Pair.Canary, w.subsets.Canary)
	return nil
}

// readSubsets reads the subsets of a target, and the Service that they are of.
func (c *Controller) readSubsets(ctx context.Context, from reader, w *world, t traffic.Target) (traffic.Subsets, error) {
	subsets, err := c.Pointer.Observe(ctx, t, from.isLive())
	if err != nil {
		return subsets, fmt.Errorf("read subsets: %w", err)
	}
	if subsets.Service != "" {
		_, err = c.readService(ctx, from, w, subsets.Service)
	}
	return subsets, err
}

// chosen are the endpoints of a revision; of all revisions if a subset names none.
func chosen(ready map[rollout.Revision]int, revision rollout.Revision) map[rollout.Revision]int {
	of := maps.Clone(ready)
	maps.DeleteFunc(of, func(r rollout.Revision, _ int) bool { return revision != "" && r != revision })
	return of
}

// pointSubset makes a subset reach a revision. Later actions of the same plan go on from the result.
func (c *Controller) pointSubset(ctx context.Context, w *world, name, revision string) error {
	writes, err := c.Pointer.Point(ctx, w.target, w.subsets, name, revision)
	for _, write := range writes {
		w.subsets.ResourceVersion = write.ResourceVersion
		c.Caches.sees(c.ownWrites, w.key, write.RouteName, write.ResourceVersion)
	}
	return err
}

// backendText names a backend that plays a role, as in: stable Service "a".
func backendText(role, name, subsetOf string) string {
	if subsetOf != "" {
		return fmt.Sprintf("%s subset %q of %s %s", role, name, destinationRuleKind, subsetOf)
	}
	return fmt.Sprintf("%s Service %q", role, name)
}

// subsetProblems say what is wrong with the subsets that the spec names, and with their Service.
func (w *world) subsetProblems(add func(reason, format string, args ...any)) {
	subsets := w.wantedSubsets
	switch service := w.services[subsets.Service]; {
	case subsets.Problem != "":
		add(reasonUnfitRoute, "%s: %s", subsetsField, subsets.Problem)
	case subsets.Service == "":
	case service == nil:
		add(reasonMissingService, "%s: its host is Service %q, and there is none in namespace %s; create it, or correct the host",
			subsetsField, subsets.Service, w.key.Namespace)
	default:
		w.serviceProblem(subsetsField, subsets.Service, service, add)
		if revision := service.Spec.Selector[v1alpha1.PodTemplateHashLabel]; revision != "" && !w.holdsService(subsets.Service) {
			add(reasonSelectorMismatch, "%s: the selector of Service %q has %s=%s, so its subsets can reach no other revision; remove that key from it",
				subsetsField, subsets.Service, v1alpha1.PodTemplateHashLabel, revision)
		}
	}
}

// holdsService says whether a Service is in force as a backend: then its selector is let go of before its subsets are.
func (w *world) holdsService(name string) bool {
	in := w.inForce()
	return in.SubsetsOf == "" && (in.Stable == name || in.Canary == name)
}
