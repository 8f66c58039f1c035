package sandbox

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayclient "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"

	"github.com/rollout-dev/rollout/e2e/cluster/gatewayapi"
	"github.com/rollout-dev/rollout/e2e/cluster/parts"
	"github.com/rollout-dev/rollout/e2e/cluster/process"
	"github.com/rollout-dev/rollout/e2e/cluster/sandbox/gateway"
	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

// GatewayCommand is the argument with which this command acts as the simulated gateway of a sandbox.
const GatewayCommand = "gateway"

// gatewayClass is the class of simulated gateways.
const gatewayClass = "sandbox"

// stages tell kwok how nodes and pods come and go.
//
//go:embed stages.yaml
var stages []byte

// simulate adds nodes, Prometheus and the gateway to the control plane, and returns when all of them are ready.
func (c *cluster) simulate(ctx context.Context, definitions gatewayapi.Definitions) error {
	kube, err := kubernetes.NewForConfig(c.client)
	if err != nil {
		return fmt.Errorf("make a client for %s: %w", c.client.Host, err)
	}
	kwok, err := c.startKwok()
	if err != nil {
		return err
	}
	prometheus, err := c.startPrometheus()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.awaitControllers(ctx) })
	group.Go(func() error { return joinNodes(ctx, kube, kwok, c.Options.Nodes) })
	group.Go(func() error {
		return prometheus.Await(ctx, "Prometheus", func(ctx context.Context) error { return get(ctx, c.URLs.Prometheus+"/-/ready") })
	})
	group.Go(func() error { return c.simulateGateway(ctx, kube, definitions) })
	return group.Wait()
}

// simulateGateway starts the gateway once there is something it can watch.
func (c *cluster) simulateGateway(ctx context.Context, kube kubernetes.Interface, definitions gatewayapi.Definitions) error {
	if err := definitions.Install(ctx, c.client); err != nil {
		return err
	}
	if err := c.offerGateway(ctx, kube); err != nil {
		return err
	}
	simulated, err := c.startGateway()
	if err != nil {
		return err
	}
	return simulated.Await(ctx, "the simulated gateway", c.gatewayReady)
}

func (c *cluster) startKwok() (process.Process, error) {
	path, err := write(c.Dir, "stages.yaml", stages)
	if err != nil {
		return process.Process{}, err
	}
	return c.Start(process.Spec{
		Name: "kwok", Path: c.programs[parts.Kwok],
		// Otherwise it reads the configuration in the user's home.
		Env: []string{"KWOK_WORKDIR=" + filepath.Join(c.Dir, "kwok")},
		Args: []string{
			"--kubeconfig=" + c.Kubeconfig, "--config=" + path, "--manage-all-nodes=true", "--node-lease-duration-seconds=40",
		},
	})
}

func (c *cluster) startGateway() (process.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return process.Process{}, fmt.Errorf("find the running command: %w", err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", c.ports.gateway)
	return c.Start(process.Spec{Name: "gateway", Path: self, Args: []string{
		GatewayCommand, "--kubeconfig=" + c.Kubeconfig, "--listen=" + address,
		"--rps=" + strconv.FormatFloat(c.Options.RequestsPerSecond, 'f', -1, 64),
	}})
}

func (c *cluster) startPrometheus() (process.Process, error) {
	config := fmt.Sprintf(`global:
  scrape_interval: %[1]dms
  scrape_timeout: %[1]dms
scrape_configs:
- job_name: gateway
  static_configs:
  - targets: ["127.0.0.1:%[2]d"]
`, c.Options.ScrapeInterval.Milliseconds(), c.ports.gateway)
	path, err := write(c.Dir, "prometheus.yaml", []byte(config))
	if err != nil {
		return process.Process{}, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", c.ports.prometheus)
	return c.run(parts.Prometheus, "prometheus",
		"--config.file="+path, "--storage.tsdb.path="+filepath.Join(c.Dir, "prometheus"), "--storage.tsdb.retention.time=6h",
		"--web.listen-address="+address, "--log.level=warn")
}

// gatewayReady succeeds when the simulated gateway answers for the Gateway that every cluster offers.
func (c *cluster) gatewayReady(ctx context.Context) error {
	if err := get(ctx, fmt.Sprintf("http://127.0.0.1:%d/healthz", c.ports.gateway)); err != nil {
		return err
	}
	client, err := gatewayclient.NewForConfig(c.client)
	if err != nil {
		return err
	}
	offered, err := client.GatewayV1().Gateways(state.GatewayNamespace).Get(ctx, state.GatewayName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, condition := range offered.Status.Conditions {
		if condition.Type == string(gatewayv1.GatewayConditionProgrammed) && condition.Status == metav1.ConditionTrue {
			return nil
		}
	}
	return fmt.Errorf("gateway %s/%s is not programmed yet", state.GatewayNamespace, state.GatewayName)
}

// offerGateway creates the Gateway that every cluster offers.
func (c *cluster) offerGateway(ctx context.Context, kube kubernetes.Interface) error {
	client, err := gatewayclient.NewForConfig(c.client)
	if err != nil {
		return fmt.Errorf("make a client for the Gateway API at %s: %w", c.client.Host, err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: state.GatewayNamespace}}
	if _, err := kube.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create namespace %s: %w", namespace.Name, err)
	}
	class := &gatewayv1.GatewayClass{
		ObjectMeta: metav1.ObjectMeta{Name: gatewayClass},
		Spec:       gatewayv1.GatewayClassSpec{ControllerName: gateway.ControllerName},
	}
	if _, err := client.GatewayV1().GatewayClasses().Create(ctx, class, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create GatewayClass %s: %w", class.Name, err)
	}
	everywhere := gatewayv1.NamespacesFromAll
	offered := &gatewayv1.Gateway{
		ObjectMeta: metav1.ObjectMeta{Namespace: state.GatewayNamespace, Name: state.GatewayName},
		Spec: gatewayv1.GatewaySpec{GatewayClassName: gatewayClass, Listeners: []gatewayv1.Listener{{
			Name: "http", Port: 80, Protocol: gatewayv1.HTTPProtocolType,
			AllowedRoutes: &gatewayv1.AllowedRoutes{Namespaces: &gatewayv1.RouteNamespaces{From: &everywhere}},
		}}},
	}
	if _, err := client.GatewayV1().Gateways(offered.Namespace).Create(ctx, offered, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create Gateway %s/%s: %w", offered.Namespace, offered.Name, err)
	}
	return nil
}

// joinNodes creates the nodes and returns when all of them are ready.
func joinNodes(ctx context.Context, kube kubernetes.Interface, kwok process.Process, count int) error {
	for i := range count {
		name := "node-" + strconv.Itoa(i+1)
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64"}},
			Status: corev1.NodeStatus{
				Capacity: room(), Allocatable: room(),
			},
		}
		if _, err := kube.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create node %s: %w", name, err)
		}
	}
	return kwok.Await(ctx, "the nodes to be ready", func(ctx context.Context) error {
		nodes, err := kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, node := range nodes.Items {
			if !schedulable(node) {
				return fmt.Errorf("node %s is not ready yet", node.Name)
			}
		}
		return nil
	})
}

// room is more than any test asks for: a simulated node has no reason to be full.
func room() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("1000"), corev1.ResourceMemory: resource.MustParse("4Ti"), corev1.ResourcePods: resource.MustParse("100k"),
	}
}

// schedulable also waits for the taint to go that a node has until its readiness was noticed.
func schedulable(node corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
			return len(node.Spec.Taints) == 0
		}
	}
	return false
}
