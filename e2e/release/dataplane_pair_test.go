//go:build e2e

package release

import (
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// gatewayAndMesh are clients from outside and from inside.
func gatewayAndMesh(s *shop) audience {
	return audience{
		everybody("of clients of the gateway", s.throughGatewayAs(planeRate, nil)),
		everybody("of clients in the mesh", s.callThroughMesh("client", meshRate, "")),
	}
}

// abortWithoutMesh takes a release back that can't go on because somebody deletes the route of one of its two routers: clients of the
// other one are back on stable before that route is there again.
func abortWithoutMesh(s *scene, r *planeRow) {
	s.push("v3")
	s.hold("v3", -1)
	s.measure("v3", s.stops[0], r)
	services := schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
	s.journal.note("the VirtualService is deleted")
	require.NoError(s.t, s.objects.Resource(services).Namespace(s.namespace).Delete(s.ctx, "shop", metav1.DeleteOptions{}))
	s.ask("promote")
	s.await("waiting for the VirtualService", func(r *v1alpha1.Rollout) bool { return strings.Contains(r.Status.Message, "VirtualService shop") })
	require.Equal(s.t, [2]int32{80, 20}, s.weights(), "the gateway's route went ahead alone")

	s.ask("abort")
	s.until("the gateway's route to be taken back", func() bool { return s.weights() == [2]int32{100, 0} })
	s.clients.awaitRequests(int(settling.Seconds()*planeRate), time.Now())
	s.compare("v3", 0, s.audience[0], time.Now(), r)
	s.journal.note("the VirtualService is back")
	s.applyRoutes()
	s.untilTakenBack("Request")
	s.measure("v3", nothing, r)
}
