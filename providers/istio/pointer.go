package istio

import (
	"context"
	"errors"
	"fmt"

	"istio.io/client-go/pkg/clientset/versioned"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	casejson "k8s.io/apimachinery/pkg/util/json"

	"github.com/rollout-dev/rollout/traffic"
	"github.com/rollout-dev/rollout/traffic/patch"
)

// revisionLabel is the label of pods that says which revision they are of.
const revisionLabel = appsv1.DefaultDeploymentUniqueLabelKey

// Pointer implements traffic.Pointer for subsets of a DestinationRule. What a subset reaches is one of its labels; its other labels,
// its traffic policy and all other subsets are the owner's. It may be used by any number of goroutines.
type Pointer struct {
	destinationRules reader
}

var _ traffic.Pointer = (*Pointer)(nil)

// NewPointer makes a pointer that writes through a client and reads from a cache where it may; see NewRouter.
func NewPointer(client versioned.Interface, cached Cache) *Pointer {
	_, rules := readers(client, cached)
	return &Pointer{rules}
}

// destinationRule is what is to be known of one.
type destinationRule struct {
	object *Object
	host   hostname
	// spelled is the host as it is written.
	spelled string
	subsets []subset
}

type subset struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
}

// readDestinationRule reads the DestinationRule of the target's pair and says what is wrong with it.
func readDestinationRule(ctx context.Context, from reader, target traffic.Target, live bool) (d destinationRule, problem string, err error) {
	name := target.Pair.SubsetsOf
	namespace := target.NamespaceOf(target.SubsetsName(from.kind))
	found, err := from.read(ctx, namespace, name, live)
	switch {
	case isKindMissing(err):
		return d, from.notInstalled(), nil
	case apierrors.IsNotFound(err):
		return d, fmt.Sprintf("there is no DestinationRule %s in namespace %s; create it, with the subsets %s and %s", name, namespace,
			target.Pair.Stable, target.Pair.Canary), nil
	case err != nil:
		return d, "", err
	}
	d, err = parseDestinationRule(found)
	if err != nil {
		return d, "DestinationRule " + name + ": " + unreadable(err), nil
	}
	return d, d.problem(target), nil
}

func parseDestinationRule(o *Object) (destinationRule, error) {
	var spec struct {
		Host    string   `json:"host"`
		Subsets []subset `json:"subsets"`
	}
	if len(o.Spec) > 0 {
		if err := casejson.Unmarshal(o.Spec, &spec); err != nil {
			return destinationRule{object: o}, fmt.Errorf("read spec: %w", err)
		}
	}
	return destinationRule{object: o, host: resolve(spec.Host, o.Namespace), spelled: spec.Host, subsets: spec.Subsets}, nil
}

// problem says why the DestinationRule can't serve the pair.
func (d destinationRule) problem(target traffic.Target) string {
	about := "DestinationRule " + target.Pair.SubsetsOf + ": "
	if d.host.namespace != target.Namespace || d.host.service == "" {
		return fmt.Sprintf("%sspec.host is %q, which is no Service in namespace %s; give the name of one, or its full name, as in checkout.%s.svc.cluster.local",
			about, d.spelled, target.Namespace, target.Namespace)
	}
	if target.Pair.Stable == target.Pair.Canary {
		return fmt.Sprintf("the stable and the canary subset are both %q; declare one more in DestinationRule %s", target.Pair.Stable, target.Pair.SubsetsOf)
	}
	for _, name := range []string{target.Pair.Stable, target.Pair.Canary} {
		switch len(d.find(name)) {
		case 0:
			return fmt.Sprintf("%sspec.subsets has none named %q; add it", about, name)
		case 1:
		default:
			return fmt.Sprintf("%sspec.subsets has more than one named %q; keep one of them", about, name)
		}
	}
	return ""
}

// find returns the indexes of the subsets of a name.
func (d destinationRule) find(name string) []int {
	var found []int
	for i, s := range d.subsets {
		if s.Name == name {
			found = append(found, i)
		}
	}
	return found
}

func (d destinationRule) revision(name string) string {
	for _, i := range d.find(name) {
		return d.subsets[i].Labels[revisionLabel]
	}
	return ""
}

// Observe reads back what the subsets reach, see traffic.Pointer.
func (p *Pointer) Observe(ctx context.Context, target traffic.Target, live bool) (traffic.Subsets, error) {
	name := target.SubsetsName(p.destinationRules.kind)
	d, problem, err := readDestinationRule(ctx, p.destinationRules, target, live)
	if err != nil {
		return traffic.Subsets{}, fmt.Errorf("read %s in namespace %s: %w", name, target.NamespaceOf(name), err)
	}
	o := traffic.Subsets{RouteName: name, Missing: d.object == nil, Problem: problem}
	if d.object == nil {
		return o, nil
	}
	o.UID, o.ResourceVersion = string(d.object.UID), d.object.ResourceVersion
	if problem == "" {
		o.Service, o.Stable, o.Canary = d.host.service, d.revision(target.Pair.Stable), d.revision(target.Pair.Canary)
	}
	return o, nil
}

// Point makes one subset reach a revision, see traffic.Pointer.
func (p *Pointer) Point(ctx context.Context, target traffic.Target, observed traffic.Subsets, name, revision string) ([]traffic.Write, error) {
	writes, err := p.point(ctx, target, observed, name, revision)
	if err != nil {
		return nil, fmt.Errorf("point subset %s of %s in namespace %s at revision %q: %w", name, observed.RouteName, target.NamespaceOf(observed.RouteName), revision, err)
	}
	return writes, nil
}

func (p *Pointer) point(ctx context.Context, target traffic.Target, observed traffic.Subsets, name, revision string) ([]traffic.Write, error) {
	switch {
	case name != target.Pair.Stable && name != target.Pair.Canary:
		return nil, fmt.Errorf("the pair has the subsets %s and %s only", target.Pair.Stable, target.Pair.Canary)
	case observed.Problem != "":
		return nil, errors.New(observed.Problem)
	case observed.Missing:
		return nil, traffic.ErrChanged
	}
	namespace := target.NamespaceOf(observed.RouteName)
	current, err := p.destinationRules.version(ctx, namespace, observed.Name, observed.UID, observed.ResourceVersion)
	if err != nil {
		return nil, err
	}
	d, err := parseDestinationRule(current)
	if err != nil {
		return nil, err
	}
	body, err := d.render(name, revision)
	if body == nil || err != nil {
		return nil, err
	}
	version, err := p.destinationRules.write(ctx, change{namespace: namespace, name: observed.Name,
		uid: observed.UID, resourceVersion: observed.ResourceVersion, patch: body})
	if err != nil {
		return nil, err
	}
	return []traffic.Write{{RouteName: observed.RouteName, ResourceVersion: version}}, nil
}

// render makes the JSON patch that sets the label of one subset, or removes it for no revision; nil if it is so.
func (d destinationRule) render(name, revision string) ([]byte, error) {
	var changes []patch.Operation
	for _, i := range d.find(name) {
		path := fmt.Sprintf("/spec/subsets/%d", i)
		labels := d.subsets[i].Labels
		there, set := labels[revisionLabel]
		if there == revision && set == (revision != "") {
			return nil, nil
		}
		changes = append(changes, patch.Test(path+"/name", name))
		if set {
			changes = append(changes, patch.Test(path+"/labels/"+revisionLabel, there))
		}
		switch {
		case revision == "":
			changes = append(changes, patch.Remove(path+"/labels/"+revisionLabel))
		case labels == nil:
			changes = append(changes, patch.Set(path+"/labels", map[string]string{revisionLabel: revision}))
		default:
			changes = append(changes, patch.Set(path+"/labels/"+revisionLabel, revision))
		}
	}
	return patch.Render(string(d.object.UID), d.object.ResourceVersion, changes)
}
