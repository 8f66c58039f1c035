//go:build integration

package sandbox

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	gateway "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"

	"github.com/rollout-dev/rollout/e2e/stage"
	"github.com/rollout-dev/rollout/rollout/api/client"
)

// patience bounds every wait for something that takes seconds when all is well.
const patience = 90 * time.Second

// cluster is the one sandbox that all tests share; each has a namespace of its own in it.
var cluster struct {
	*stage.Cluster
	kubeconfig string
	prometheus string
	traffic    string
	config     *rest.Config
	kubernetes kubernetes.Interface
	dynamic    dynamic.Interface
	rollouts   client.Client
	routes     gateway.Interface
}

func TestMain(m *testing.M) {
	os.Exit(stage.With("integration", nil, func(c *stage.Cluster) int {
		cluster.Cluster = c
		cluster.kubeconfig, cluster.prometheus, cluster.traffic, cluster.config = c.Kubeconfig, c.Prometheus, c.Traffic, c.Config
		cluster.kubernetes, cluster.dynamic, cluster.rollouts, cluster.routes = c.Kubernetes, c.Objects, c.Rollouts, c.Routes
		return m.Run()
	}))
}

// command runs one of the programs under test.
func command(program string, args ...string) *exec.Cmd { return stage.Command(program, args...) }

// apply creates or changes the objects that a manifest holds.
func apply(namespace, manifest string) error {
	return cluster.Apply(context.Background(), namespace, manifest)
}

// newNamespace makes a namespace for a test.
func newNamespace(t *testing.T) string {
	t.Helper()
	name, err := cluster.NewNamespace(t.Context())
	require.NoError(t, err)
	return name
}

// eventually waits until a condition holds and fails with the last reason why it doesn't.
func eventually(t *testing.T, what string, holds func() (bool, string)) {
	t.Helper()
	reason := ""
	defer func() {
		if t.Failed() {
			t.Logf("waiting for %s: %s", what, reason)
		}
	}()
	require.Eventually(t, func() bool {
		var ok bool
		ok, reason = holds()
		return ok
	}, patience, 50*time.Millisecond, what)
}

// received is what the simulated clients of a route got so far.
type received struct {
	Name, Namespace string
	Total           struct{ Requests, Failed int }
	Revisions       []struct {
		Revision, Version string
		Requests, Failed  int
	}
}

// received is what the clients of the app's route got.
func (a *app) received() received {
	a.t.Helper()
	t := a.t
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, cluster.traffic, nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	var all struct{ Routes []received }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&all))
	for _, r := range all.Routes {
		if r.Namespace == a.namespace && r.Name == "checkout" {
			return r
		}
	}
	return received{}
}
