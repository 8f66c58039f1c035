//go:build e2e

package release

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/api"
	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	gateway "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"

	"github.com/rollout-dev/rollout/rollout/api/client"
)

const (
	// scrapeInterval is how often Prometheus asks the gateway.
	scrapeInterval = time.Second
	// downTime bounds taking the cluster down.
	downTime = 3 * time.Minute
	// pollInterval is how often a condition is looked at that can't be watched.
	pollInterval = 200 * time.Millisecond
	fieldManager = "e2e"
)

// cluster is the kind cluster that the tests share, with the engine in it.
type cluster struct {
	// ctx ends when the tests are interrupted.
	ctx context.Context //nolint:containedctx // It is the life of the whole test run, and every test's own is derived from it.
	// bin is the folder of the built commands.
	bin, name string
	// up runs the cluster until it is told to end; nil for a cluster that somebody else started and keeps.
	up *exec.Cmd
	status
	// node is the address at which Services of type NodePort are reached.
	node       string
	kube       kubernetes.Interface
	rollouts   client.Client
	routes     gateway.Interface
	objects    dynamic.Interface
	mapper     *restmapper.DeferredDiscoveryRESTMapper
	prometheus prometheusv1.API
	figures    *figures
	// transitions is what TestNoTransitionLosesARequest found.
	transitions *transitionTable
	// dataPlanes is what TestEveryDataPlaneFollowsTheSteps found.
	dataPlanes *dataPlaneTable
}

// status is what `cluster status -o json` tells.
type status struct {
	Kubeconfig string `json:"kubeconfig"`
	URLs       struct {
		Prometheus string `json:"prometheus"`
		Gateway    string `json:"gateway"`
	} `json:"urls"`
	Details struct {
		// Docker is the address of the daemon; empty for the one that the environment names.
		Docker string `json:"docker"`
		// Node is the container that is the node.
		Node string `json:"node"`
	} `json:"details"`
}

// startCluster starts a cluster and connects to it.
func startCluster(ctx context.Context) (*cluster, error) {
	bin := os.Getenv("ROLLOUT_BIN")
	if bin == "" {
		return nil, errors.New("ROLLOUT_BIN is empty: it must name the folder of the built commands; make e2e does all of this")
	}
	c := &cluster{ctx: ctx, bin: bin, name: os.Getenv("ROLLOUT_E2E_CLUSTER"), figures: &figures{started: time.Now()}, transitions: &transitionTable{}, dataPlanes: &dataPlaneTable{}}
	if c.name == "" {
		c.name = "e2e-" + strings.ToLower(rand.Text()[:6])
		if err := c.bringUp(ctx); err != nil {
			return nil, err
		}
	}
	if err := c.connect(ctx); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	c.figures.add("cluster up", "%s", time.Since(c.figures.started).Round(time.Second))
	return c, nil
}

// bringUp starts the command that runs the cluster in the foreground and returns when the cluster can be used. That
// command ends the cluster when its parent is gone, whatever became of it.
func (c *cluster) bringUp(ctx context.Context) error {
	up := exec.Command(filepath.Join(c.bin, "cluster"), "up", "--tier", "kind", "--name", c.name,
		"--scrape-interval", scrapeInterval.String(), "--foreground")
	up.Stderr = os.Stderr
	// Ctrl-C on a terminal goes to a whole group; the cluster has to outlive the test that is under way.
	up.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := up.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start cluster %s: %w", c.name, err)
	}
	if err := up.Start(); err != nil {
		return fmt.Errorf("start cluster %s: %w", c.name, err)
	}
	c.up = up
	ready := make(chan error, 1)
	go func() {
		_, err := bufio.NewReader(output).ReadString('\n')
		ready <- err
	}()
	select {
	case err = <-ready:
		if errors.Is(err, io.EOF) {
			err = errors.New("the command ended before the cluster could be used")
		}
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start cluster %s: %w", c.name, err), c.stop())
	}
	return nil
}

// stop takes the cluster down.
func (c *cluster) stop() error {
	if c.up == nil {
		return nil
	}
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
		return fmt.Errorf("take cluster %s down: not within %s; try bin/cluster down --name %s", c.name, downTime, c.name)
	}
}

func (c *cluster) connect(ctx context.Context) error {
	out, err := c.command(ctx, "status", "--name", c.name, "-o", "json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), &c.status); err != nil {
		return fmt.Errorf("read the status of cluster %s: %w", c.name, err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return fmt.Errorf("read the kubeconfig of cluster %s: %w", c.name, err)
	}
	// The tests look often; a client that is throttled would measure itself.
	config.QPS, config.Burst = 200, 400
	// They watch a lot, too: as protobuf the kinds of Kubernetes itself cost a fraction.
	core := rest.CopyConfig(config)
	core.ContentType, core.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
	for _, connect := range []func() error{
		func() (err error) { c.kube, err = kubernetes.NewForConfig(core); return err },
		func() (err error) { c.rollouts, err = client.New(config); return err },
		func() (err error) { c.routes, err = gateway.NewForConfig(config); return err },
		func() (err error) { c.objects, err = dynamic.NewForConfig(config); return err },
	} {
		if err := connect(); err != nil {
			return fmt.Errorf("connect to cluster %s: %w", c.name, err)
		}
	}
	if c.node, err = c.nodeAddress(ctx); err != nil {
		return err
	}
	c.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.kube.Discovery()))
	source, err := api.NewClient(api.Config{Address: c.URLs.Prometheus})
	if err != nil {
		return fmt.Errorf("connect to Prometheus of cluster %s: %w", c.name, err)
	}
	c.prometheus = prometheusv1.NewAPI(source)
	return nil
}

func (c *cluster) nodeAddress(ctx context.Context) (string, error) {
	nodes, err := c.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", fmt.Errorf("find the address of cluster %s: %w", c.name, err)
	}
	for _, node := range nodes.Items {
		for _, address := range node.Status.Addresses {
			if address.Type == corev1.NodeInternalIP {
				return address.Address, nil
			}
		}
	}
	return "", fmt.Errorf("find the address of cluster %s: none of its %d nodes has one", c.name, len(nodes.Items))
}

// command runs the built command cluster and returns what it printed to standard output.
func (c *cluster) command(ctx context.Context, args ...string) (string, error) {
	return runProgram(exec.CommandContext(ctx, filepath.Join(c.bin, "cluster"), args...))
}

// onNode runs a program in the container that is the cluster's node.
func (c *cluster) onNode(ctx context.Context, args ...string) (string, error) {
	docker := exec.CommandContext(ctx, "docker", append([]string{"exec", c.Details.Node}, args...)...)
	if c.Details.Docker != "" {
		docker.Env = append(os.Environ(), "DOCKER_HOST="+c.Details.Docker, "DOCKER_CONTEXT=", "DOCKER_TLS_VERIFY=")
	}
	return runProgram(docker)
}

func runProgram(program *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	program.Stdout, program.Stderr = &stdout, &stderr
	if err := program.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w: %s", strings.Join(program.Args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// apply applies every object of a manifest to a namespace.
func (c *cluster) apply(ctx context.Context, namespace string, manifest []byte) error {
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096)
	for {
		var object unstructured.Unstructured
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a manifest: %w", err)
		}
		kind := object.GroupVersionKind()
		mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			return fmt.Errorf("find the API of %s: %w", kind, err)
		}
		_, err = c.objects.Resource(mapping.Resource).Namespace(namespace).
			Apply(ctx, object.GetName(), &object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
		if err != nil {
			return fmt.Errorf("apply %s %s/%s: %w", kind.Kind, namespace, object.GetName(), err)
		}
	}
}

// poll looks until probe succeeds, or returns what stood in its way when ctx ended.
func poll(ctx context.Context, what string, probe func(context.Context) error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (last answer: %w)", what, context.Cause(ctx), err)
		}
	}
}
