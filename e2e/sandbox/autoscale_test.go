//go:build integration

package sandbox

import "testing"

func TestAReleaseAndAnAutoscalerLeaveEachOtherAlone(t *testing.T) {
	t.Parallel()
	api := serveMetrics(t)
	for _, way := range ways() {
		for _, metric := range metrics() {
			t.Run(way.name+", "+metric.name, func(t *testing.T) {
				t.Parallel()
				a := newAutoscaled(t, api, way, metric)
				calm, busy, calmAgain := metric.replicas[0], metric.replicas[1], metric.replicas[2]

				a.through("v2", func() {
					a.waitLooks()
					a.witness.requireReplicas(t, calm)
					a.load.permille.Store(2 * metric.calm)
					a.waitReplicas(busy)
				})
				a.witness.requireReplicas(t, calm, busy)

				a.through("v3", func() {
					a.waitLooks()
					a.witness.requireReplicas(t, calm, busy)
					a.load.permille.Store(metric.calm)
					a.waitReplicas(calmAgain)
				})
				a.witness.requireReplicas(t, calm, busy, calmAgain)
			})
		}
	}
}
