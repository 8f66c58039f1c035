//go:build integration

package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	gateway "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"
	"sigs.k8s.io/yaml"

	"github.com/rollout-dev/rollout/rollout/api/client"
)

// patience bounds every wait for something that takes seconds when all is well.
const patience = 90 * time.Second

// cluster is the one sandbox that all tests share; each has a namespace of its own in it.
var cluster struct {
	kubeconfig string
	prometheus string
	traffic    string
	config     *rest.Config
	kubernetes kubernetes.Interface
	dynamic    dynamic.Interface
	rollouts   client.Client
	routes     gateway.Interface
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	name := fmt.Sprintf("integration-%d-%d", os.Getpid(), rand.IntN(1e6))
	defer func() {
		if out, err := command("cluster", "down", "--name", name).CombinedOutput(); err != nil {
			log.Printf("take the cluster down: %v\n%s", err, out)
		}
	}()
	if err := bringUp(name); err != nil {
		log.Print(err)
		return 1
	}
	return m.Run()
}

// command runs one of the programs under test, from the folder that ROLLOUT_BIN names.
func command(program string, args ...string) *exec.Cmd {
	bin := os.Getenv("ROLLOUT_BIN")
	if bin == "" {
		bin = filepath.Join("..", "..", "bin")
	}
	return exec.Command(filepath.Join(bin, program), args...)
}

func bringUp(name string) error {
	up := command("cluster", "up", "--name", name, "--tier", "sandbox")
	up.Stderr = os.Stderr
	if err := up.Run(); err != nil {
		return fmt.Errorf("bring a sandbox up: %w", err)
	}
	out, err := command("cluster", "status", "--name", name, "-o", "json").Output()
	if err != nil {
		return fmt.Errorf("ask for the sandbox: %w", err)
	}
	var state struct {
		Kubeconfig string
		URLs       struct{ Prometheus, Traffic string }
	}
	if err := json.Unmarshal(out, &state); err != nil {
		return fmt.Errorf("read the state of the sandbox: %w", err)
	}
	cluster.kubeconfig, cluster.prometheus, cluster.traffic = state.Kubeconfig, state.URLs.Prometheus, state.URLs.Traffic
	if err := connect(); err != nil {
		return err
	}
	return installCRD()
}

func connect() (err error) {
	if cluster.config, err = clientcmd.BuildConfigFromFlags("", cluster.kubeconfig); err != nil {
		return err
	}
	cluster.config.QPS, cluster.config.Burst = 200, 400
	if cluster.kubernetes, err = kubernetes.NewForConfig(cluster.config); err != nil {
		return err
	}
	if cluster.dynamic, err = dynamic.NewForConfig(cluster.config); err != nil {
		return err
	}
	if cluster.routes, err = gateway.NewForConfig(cluster.config); err != nil {
		return err
	}
	cluster.rollouts, err = client.New(cluster.config)
	return err
}

func installCRD() error {
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "crds", "rollout.dev_rollouts.yaml"))
	if err != nil {
		return err
	}
	if err := apply("", string(text)); err != nil {
		return err
	}
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if _, err = cluster.rollouts.Rollouts("").List(context.Background(), metav1.ListOptions{}); err == nil {
			return nil
		}
	}
	return fmt.Errorf("the API server doesn't serve Rollouts after %s: %w", patience, err)
}

// apply creates or changes the one object that a manifest holds.
func apply(namespace, manifest string) error {
	text, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		return err
	}
	var object metav1.PartialObjectMetadata
	if err := json.Unmarshal(text, &object); err != nil {
		return err
	}
	groups, err := restmapper.GetAPIGroupResources(cluster.kubernetes.Discovery())
	if err != nil {
		return err
	}
	kind := object.GroupVersionKind()
	mapping, err := restmapper.NewDiscoveryRESTMapper(groups).RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	force := true
	_, err = cluster.dynamic.Resource(mapping.Resource).Namespace(namespace).
		Patch(context.Background(), object.Name, types.ApplyPatchType, text, metav1.PatchOptions{FieldManager: "test", Force: &force})
	return err
}

// newNamespace makes a namespace for a test.
func newNamespace(t *testing.T) string {
	t.Helper()
	ns, err := cluster.kubernetes.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	return ns.Name
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
