//go:build e2e

package release

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func TestNothingOfTheEngineMovesTrafficByGoingAway(t *testing.T) {
	s, clients := openBusyShop(t, plan{manifest: "routed.yaml", strategy: routed})
	s.release(version{name: "v2"})
	s.awaitPause(2)
	before := s.traffic()
	require.Equal(t, [2]int32{50, 50}, s.weights())

	require.NoError(t, s.scaleController(s.ctx, 0))
	clients.requireShare(50)
	require.Equal(t, before, s.traffic(), "without a controller")

	require.NoError(t, s.scaleController(s.ctx, 2))
	// The new controller has looked at this release when it answers what it refuses.
	out, code := s.cli("retry", "shop")
	require.NotZero(t, code, out)
	clients.requireShare(50)
	require.Equal(t, before, s.traffic(), "with a new controller")
	clients.Stop()
	clients.requireNoFailure()

	require.NoError(t, s.rollouts.Rollouts(s.namespace).Delete(s.ctx, "shop", metav1.DeleteOptions{}))
	require.NoError(t, poll(s.ctx, "the pods to be gone with the Rollout", func(ctx context.Context) error {
		pods, err := s.kube.CoreV1().Pods(s.namespace).List(ctx, metav1.ListOptions{})
		if err == nil && len(pods.Items) > 0 {
			err = fmt.Errorf("%d pods are left", len(pods.Items))
		}
		return err
	}))
	require.Equal(t, before, s.traffic(), "without the Rollout")
}

func TestADeletedRolloutThatComesBackGoesOnWhereItsTrafficIs(t *testing.T) {
	t.Parallel()
	s := openShop(t, plan{manifest: "routed.yaml", strategy: routed})
	s.release(version{name: "v1"})
	s.awaitPhase(v1alpha1.PhaseHealthy)
	require.NoError(t, s.rollouts.Rollouts(s.namespace).Delete(s.ctx, "shop", metav1.DeleteOptions{}))
	s.release(version{name: "v1"})
	s.awaitPhase(v1alpha1.PhaseHealthy)
	s.awaitGateway()
}

// traffic is everything that says where requests go: the route and the Services, to the last byte.
func (s *shop) traffic() []string {
	s.t.Helper()
	route, err := s.routes.GatewayV1().HTTPRoutes(s.namespace).Get(s.ctx, "shop", metav1.GetOptions{})
	require.NoError(s.t, err)
	found := []any{route}
	for _, name := range []string{"stable", "canary"} {
		service, err := s.kube.CoreV1().Services(s.namespace).Get(s.ctx, name, metav1.GetOptions{})
		require.NoError(s.t, err)
		found = append(found, service)
	}
	var texts []string
	for _, object := range found {
		text, err := json.MarshalIndent(object, "", " ")
		require.NoError(s.t, err)
		texts = append(texts, string(text))
	}
	return texts
}
