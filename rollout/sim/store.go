package sim

import (
	"slices"

	"github.com/rollout-dev/rollout/rollout"
)

// kind of object. Every kind has a watch of its own, and so its own delay.
type kind int

const (
	rolloutKind kind = iota
	setKind
	serviceKind
	sliceKind
	routeKind
	kinds
)

// String is for example "Rollout".
func (k kind) String() string {
	return [...]string{"Rollout", "ReplicaSet", "Service", "EndpointSlice", "HTTPRoute"}[k]
}

// positions says for each kind which version of it somebody has seen.
type positions [kinds]int

// log holds every version of all objects of a kind, so that a reader can be shown an old one.
type log[T any] []T

func (l log[T]) last() T { return l[len(l)-1] }

// object is the Rollout.
type object struct {
	version int64
	deleted bool
	spec    rollout.Spec
	// invalid: the API server would refuse pods of the template.
	invalid bool
	status  rollout.Status
	report  rollout.Report
	request *rollout.Request
}

type replicaSet struct {
	rollout.Workload
	version, uid int64
}

type service struct {
	version int64
	missing bool
	// revision in the selector; empty selects the pods of all revisions.
	revision rollout.Revision
}

type route struct {
	version int64
	missing bool
	// share of Service app-canary in percent.
	share int
	// rules names the managed rules that lead requests to Service ruled, separated by commas.
	rules string
	ruled int
	// generation of the spec, and the one that the router has accepted.
	generation, accepted int64
}

// The Services, as indexes: two that routes send traffic to, and two for blue-green.
const (
	stable = iota
	canary
	active
	preview
	backends
)

var serviceNames = [backends]string{"app-stable", "app-canary", "app-active", "app-preview"}

var roles = [...]rollout.Role{rollout.StableRole, rollout.CanaryRole}

// wiring is what is in force.
func (o object) wiring() rollout.Wiring {
	if o.status.Wiring.Mode == "" {
		return o.spec.Wiring
	}
	return o.status.Wiring
}

// service is the index of the Service that plays a role, negative if none does.
func (o object) service(role rollout.Role) int {
	w := o.wiring()
	name := w.Stable
	if (role == rollout.CanaryRole) != o.status.Swapped {
		name = w.Canary
	}
	return slices.Index(serviceNames[:], name)
}

// share is the share of the canary in a route: of the other Service, if the two have changed their roles.
func (o object) share(written int) int {
	if o.status.Swapped {
		return 100 - written
	}
	return written
}

// store is the API server.
type store struct {
	version  int64
	rollouts log[object]
	sets     log[[]replicaSet]
	services log[[backends]service]
	// slices are the ready endpoints of each backend by revision. The maps never change once they are written.
	slices log[[backends]map[rollout.Revision]int]
	routes log[[]route]
}

func (s *store) head() positions {
	return positions{len(s.rollouts) - 1, len(s.sets) - 1, len(s.services) - 1, len(s.slices) - 1, len(s.routes) - 1}
}

func (s *store) nextVersion() int64 {
	s.version++
	return s.version
}

// editRollout writes a new version of the Rollout.
func (s *store) editRollout(edit func(*object)) {
	o := s.rollouts.last()
	edit(&o)
	o.version = s.nextVersion()
	s.rollouts = append(s.rollouts, o)
}

// editSet writes a new version of a ReplicaSet; it must exist.
func (s *store) editSet(revision rollout.Revision, edit func(*replicaSet)) {
	sets := slices.Clone(s.sets.last())
	set := find(sets, revision)
	edit(set)
	set.version = s.nextVersion()
	s.sets = append(s.sets, sets)
}

func (s *store) editService(i int, edit func(*service)) {
	services := s.services.last()
	edit(&services[i])
	services[i].version = s.nextVersion()
	s.services = append(s.services, services)
}

func (s *store) editRoute(i int, edit func(*route)) {
	routes := slices.Clone(s.routes.last())
	edit(&routes[i])
	routes[i].version = s.nextVersion()
	s.routes = append(s.routes, routes)
}

// find is the ReplicaSet of a revision, nil if there is none.
func find(sets []replicaSet, revision rollout.Revision) *replicaSet {
	for i := range sets {
		if sets[i].Revision == revision {
			return &sets[i]
		}
	}
	return nil
}
