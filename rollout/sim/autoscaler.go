package sim

import (
	"math"

	"github.com/rollout-dev/rollout/rollout"
)

// Autoscaler is a HorizontalPodAutoscaler. It decides as the one of Kubernetes does (pkg/controller/podautoscaler,
// replica_calculator.go, v1.35), without its stabilization windows, so that every swing shows.
type Autoscaler struct {
	// External: the metric is a number for the whole application, divided by what one pod should have of it (type External,
	// AverageValue). Else it is the usage of the pods (type Resource, Utilization).
	External bool
	// Load is what all pods together have to do, in pods' worth at the wanted usage. Idle is what a pod uses that does
	// nothing, in the same unit.
	Load, Idle float64
}

// tolerance is how far from what is wanted the usage may be before anything is done.
const tolerance = 0.1

// Scale lets the autoscaler do its work once. It returns what it asks for.
func (a Autoscaler) Scale(c *Cluster) int {
	o := c.observe(c.processes[0], c.store.head())
	told := o.Autoscaling()
	asked := o.Spec.Replicas
	if a.External {
		asked = a.byExternal(told.Replicas)
	} else {
		pods, used := c.usage(a, told.Revision)
		asked = byUsage(asked, pods, used)
	}
	if asked != o.Spec.Replicas {
		c.Edit(func(s *rollout.Spec) { s.Replicas = asked })
		c.say("hpa", "wants %d replicas", asked)
	}
	return asked
}

// byExternal starts from what the status says.
func (a Autoscaler) byExternal(told int) int {
	if told > 0 && math.Abs(a.Load/float64(told)-1) <= tolerance {
		return told
	}
	return int(math.Ceil(a.Load))
}

// byUsage starts from what the spec says, and multiplies the mean usage by the pods that it finds.
func byUsage(replicas, pods int, used float64) int {
	if pods == 0 {
		return replicas
	}
	ratio := used / float64(pods)
	if math.Abs(ratio-1) <= tolerance {
		return replicas
	}
	return int(math.Ceil(ratio * float64(pods)))
}

// usage counts the ready pods of a revision, or of all, and what they use. Every revision has its part of the load.
func (c *Cluster) usage(a Autoscaler, revision rollout.Revision) (pods int, used float64) {
	for _, set := range c.pods {
		ready := set.count(c.now, 0)
		if ready == 0 || revision != "" && set.revision != revision {
			continue
		}
		pods += ready
		used += a.Load*c.part(set.revision) + a.Idle*float64(ready)
	}
	return pods, used
}

// part is the part of all requests that a revision gets.
func (c *Cluster) part(revision rollout.Revision) float64 {
	o := c.store.rollouts.last()
	switch o.wiring().Mode {
	case rollout.ByPods:
		all, own := 0, 0
		for _, set := range c.pods {
			ready := set.count(c.now, 0)
			all += ready
			if set.revision == revision {
				own = ready
			}
		}
		return float64(own) / float64(max(all, 1))
	case rollout.BySelector:
		if c.store.services.last()[active].revision == revision {
			return 1
		}
		return 0
	case rollout.ByRoutes:
	}
	part, share := 0.0, float64(c.store.routes.last()[0].share)/100
	for b, weight := range map[int]float64{stable: 1 - share, canary: share} {
		if c.store.services.last()[b].revision == revision {
			part += weight
		}
	}
	return part
}
