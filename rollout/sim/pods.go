package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rollout-dev/rollout/rollout"
)

// tickSets is the ReplicaSet controller and the nodes: pods come and go, become ready, and are counted.
func (c *Cluster) tickSets() {
	sets := c.store.sets.last()
	c.pods = slices.DeleteFunc(c.pods, func(p podSet) bool {
		set := find(sets, p.revision)
		return set == nil || set.uid != p.uid
	})
	for _, set := range sets {
		i := slices.IndexFunc(c.pods, func(p podSet) bool { return p.revision == set.Revision })
		if i < 0 {
			i = len(c.pods)
			c.pods = append(c.pods, podSet{revision: set.Revision, uid: set.uid})
		}
		c.resize(&c.pods[i], set.Replicas)
		ready, available := c.pods[i].count(c.now, 0), c.pods[i].count(c.now, c.settings.MinReady)
		if set.Ready == ready && set.Available == available {
			continue
		}
		c.store.editSet(set.Revision, func(s *replicaSet) { s.Ready, s.Available = ready, available })
		c.say("pods", "%s: %d of %d ready, %d available", set.Revision, ready, set.Replicas, available)
	}
}

// resize makes as many pods as asked for, and removes those first that are not ready, then the youngest.
func (c *Cluster) resize(p *podSet, replicas int) {
	for len(p.pods) < replicas {
		startup := c.quality[p.revision].Startup
		if startup < 0 {
			startup = never
		}
		p.pods = append(p.pods, pod{created: c.now, ready: c.now.Add(startup)})
	}
	for len(p.pods) > replicas {
		last := 0
		for i, pod := range p.pods {
			if !pod.ready.Before(p.pods[last].ready) {
				last = i
			}
		}
		p.pods = slices.Delete(p.pods, last, last+1)
	}
}

// count is how many pods have been ready for some time.
func (p podSet) count(now time.Time, since time.Duration) int {
	n := 0
	for _, pod := range p.pods {
		if !pod.ready.Add(since).After(now) {
			n++
		}
	}
	return n
}

// Crash makes a ready pod of a revision restart, which takes some time.
func (c *Cluster) Crash(revision rollout.Revision, restart time.Duration) {
	for i := range c.pods {
		if c.pods[i].revision == revision {
			c.crash(&c.pods[i], restart)
		}
	}
}

func (c *Cluster) crash(p *podSet, restart time.Duration) {
	for i := range p.pods {
		if !p.pods[i].ready.After(c.now) {
			p.pods[i].ready = c.now.Add(restart)
			c.say("pods", "a pod of %s crashes and is back in %s", p.revision, restart)
			return
		}
	}
}

// tickSlices is the EndpointSlice controller.
func (c *Cluster) tickSlices() {
	services, before := c.store.services.last(), c.store.slices.last()
	after, changed := before, false
	for b := range backends {
		endpoints := c.endpoints(services[b], b)
		if !maps.Equal(before[b], endpoints) {
			after[b], changed = endpoints, true
		}
	}
	if changed {
		c.store.nextVersion()
		c.store.slices = append(c.store.slices, after)
		c.sayEndpoints(before, after)
	}
}

// sayEndpoints tells the trace of the Services that are in force.
func (c *Cluster) sayEndpoints(before, after [backends]map[rollout.Revision]int) {
	o := c.store.rollouts.last()
	var words []string
	changed := false
	for _, role := range roles {
		if b := o.service(role); b >= 0 {
			words = append(words, fmt.Sprintf("%s %v", strings.TrimPrefix(serviceNames[b], "app-"), after[b]))
			changed = changed || !maps.Equal(before[b], after[b])
		}
	}
	if changed {
		c.say("pods", "endpoints: %s", strings.Join(words, ", "))
	}
}

// endpoints are the ready pods that a Service selects, by revision.
func (c *Cluster) endpoints(s service, backend int) map[rollout.Revision]int {
	endpoints := map[rollout.Revision]int{}
	for i := range c.pods {
		p := &c.pods[i]
		selected := !s.missing && (s.revision == "" || s.revision == p.revision)
		for j := range p.pods {
			listed := &p.pods[j].listed[backend]
			switch {
			case !selected:
				*listed = time.Time{}
			case p.pods[j].ready.After(c.now):
			default:
				endpoints[p.revision]++
				if listed.IsZero() {
					*listed = c.now
				}
			}
		}
	}
	return endpoints
}
