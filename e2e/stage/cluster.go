package stage

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	gateway "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"

	"github.com/rollout-dev/rollout/rollout/api/client"
)

// downTime bounds taking a cluster down.
const downTime = time.Minute

// FieldManager is the owner of what tests apply.
const FieldManager = "test"

// Cluster is a sandbox with the engine's custom resource.
type Cluster struct {
	// Kubeconfig is the path of an administrator's; Config is the same, read.
	Kubeconfig string
	Config     *rest.Config
	// Prometheus and Traffic are the URLs of the cluster's Prometheus and of what its simulated clients received.
	Prometheus, Traffic string

	Kubernetes kubernetes.Interface
	Rollouts   client.Client
	Routes     gateway.Interface
	Objects    dynamic.Interface

	name string
	up   *exec.Cmd
}

// With brings a cluster up, hands it to use, and takes it down again. It returns what use does, or 1 and tells on standard
// error why there is no cluster. The flags are those of cluster up.
func With(prefix string, flags []string, use func(*Cluster) int) int {
	c, err := bringUp(fmt.Sprintf("%s-%d-%d", prefix, os.Getpid(), rand.IntN(1e6)), flags)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := use(c)
	if err := c.down(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// Command is one of the programs under test, from the folder that ROLLOUT_BIN names; without it, from the repository's bin.
func Command(program string, args ...string) *exec.Cmd {
	bin := os.Getenv("ROLLOUT_BIN")
	if bin == "" {
		bin = filepath.Join(repository, "bin")
	}
	return exec.Command(filepath.Join(bin, program), args...) //nolint:noctx,gosec // Whoever starts it ends it, and who runs tests may run programs.
}

// repository is the way from the folder of a test below e2e to the root.
var repository = filepath.Join("..", "..")

func bringUp(name string, flags []string) (*Cluster, error) {
	c := &Cluster{name: name}
	// In the foreground the cluster ends with this process, whatever becomes of it.
	c.up = Command("cluster", append([]string{"up", "--foreground", "--tier", "sandbox", "--name", name}, flags...)...)
	c.up.Stderr = os.Stderr
	// The processes of a cluster that lives for some minutes save more time than memory.
	c.up.Env = append(os.Environ(), "GOGC=400")
	// Ctrl-C on a terminal goes to a whole group; the cluster has to outlive the test that is under way.
	c.up.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := c.up.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start cluster %s: %w", name, err)
	}
	if err := c.up.Start(); err != nil {
		return nil, fmt.Errorf("start cluster %s: %w", name, err)
	}
	for _, step := range []func(io.Reader) error{awaitReady, c.describe, c.connect, c.installCRD} {
		if err := step(output); err != nil {
			return nil, errors.Join(fmt.Errorf("start cluster %s: %w", name, err), c.down())
		}
	}
	return c, nil
}

// awaitReady reads the line that says that the cluster can be used.
func awaitReady(output io.Reader) error {
	_, err := bufio.NewReader(output).ReadString('\n')
	if errors.Is(err, io.EOF) {
		return errors.New("the command ended before the cluster could be used")
	}
	return err
}

func (c *Cluster) describe(io.Reader) error {
	out, err := Command("cluster", "status", "--name", c.name, "-o", "json").Output()
	if err != nil {
		return fmt.Errorf("ask where its parts are: %w", err)
	}
	var state struct {
		Kubeconfig string
		URLs       struct{ Prometheus, Traffic string }
	}
	if err := json.Unmarshal(out, &state); err != nil {
		return fmt.Errorf("read where its parts are: %w", err)
	}
	c.Kubeconfig, c.Prometheus, c.Traffic = state.Kubeconfig, state.URLs.Prometheus, state.URLs.Traffic
	return nil
}

func (c *Cluster) connect(io.Reader) (err error) {
	if c.Config, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig); err != nil {
		return err
	}
	// Tests look often, and many of them at once; the client's own limit would make them wait for nothing.
	c.Config.QPS = -1
	if c.Kubernetes, err = kubernetes.NewForConfig(c.Config); err != nil {
		return err
	}
	if c.Objects, err = dynamic.NewForConfig(c.Config); err != nil {
		return err
	}
	if c.Routes, err = gateway.NewForConfig(c.Config); err != nil {
		return err
	}
	c.Rollouts, err = client.New(c.Config)
	return err
}

func (c *Cluster) installCRD(io.Reader) error {
	ctx := context.Background()
	for _, resource := range []string{"rollouts", "analysisruns", "analysistemplates", "clusteranalysistemplates"} {
		text, err := os.ReadFile(filepath.Join(repository, "deploy", "crds", "rollout.dev_"+resource+".yaml"))
		if err != nil {
			return err
		}
		if err := c.Apply(ctx, metav1.NamespaceNone, string(text)); err != nil {
			return err
		}
	}
	return Wait(ctx, "the API server to serve Rollouts", func(ctx context.Context) error {
		if _, err := c.Rollouts.Rollouts(metav1.NamespaceAll).List(ctx, metav1.ListOptions{}); err != nil {
			return err
		}
		if _, err := c.Rollouts.ClusterAnalysisTemplates().List(ctx, metav1.ListOptions{}); err != nil {
			return err
		}
		_, err := c.Rollouts.AnalysisRuns(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
		return err
	})
}

// down takes the cluster down.
func (c *Cluster) down() error {
	ended := make(chan error, 1)
	go func() { ended <- c.up.Wait() }()
	if err := c.up.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("take cluster %s down: %w", c.name, err)
	}
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("take cluster %s down: %w", c.name, err)
		}
		return nil
	case <-time.After(downTime):
		return fmt.Errorf("take cluster %s down: not within %s; try cluster down --name %s", c.name, downTime, c.name)
	}
}

// Apply creates or changes the objects of a manifest, as their only owner would.
func (c *Cluster) Apply(ctx context.Context, namespace, manifest string) error {
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewBufferString(manifest), 4096)
	for {
		var object unstructured.Unstructured
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a manifest: %w", err)
		}
		// The kinds of the tests all have regular plurals; to ask the API server costs dozens of requests.
		resource, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
		_, err := c.Objects.Resource(resource).Namespace(namespace).
			Apply(ctx, object.GetName(), &object, metav1.ApplyOptions{FieldManager: FieldManager, Force: true})
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
}

// NewNamespace makes a namespace and returns its name.
func (c *Cluster) NewNamespace(ctx context.Context) (string, error) {
	namespace, err := c.Kubernetes.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("make a namespace: %w", err)
	}
	return namespace.Name, nil
}
