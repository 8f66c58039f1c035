package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/yaml"
)

// Ports of the node at which the parts that this machine has to reach listen; the manifests ask for them.
const (
	gatewayNodePort    = 30080
	metricsNodePort    = 30081
	prometheusNodePort = 30090
)

const (
	loopback = "127.0.0.1"
	// chosenByDocker lets Docker take a port and keep it, so that two clusters starting at once can't pick the same.
	chosenByDocker = -1
)

// create makes the cluster with kind and writes down how it is reached.
func (c *cluster) create(ctx context.Context, kind string, node nodeImage) error {
	if err := c.createNetwork(ctx); err != nil {
		return err
	}
	config, err := yaml.Marshal(c.configuration(node))
	if err != nil {
		return fmt.Errorf("encode the cluster's configuration: %w", err)
	}
	if err := c.note(detailNode, c.node()); err != nil {
		return err
	}
	env := append(c.docker.env(), "KIND_EXPERIMENTAL_DOCKER_NETWORK="+c.kindName())
	_, err = c.run(ctx, program{path: kind, env: env, stdin: strings.NewReader(string(config)),
		args: []string{"create", "cluster", "--name", c.kindName(), "--kubeconfig", c.st.Kubeconfig, "--config", "-"}})
	if err != nil {
		return err
	}
	if err := os.Chmod(c.st.Kubeconfig, 0o600); err != nil {
		return fmt.Errorf("protect the kubeconfig: %w", err)
	}
	return c.findPorts(ctx)
}

// createNetwork gives the cluster a network of its own: it goes with the cluster, and its link has a name that tells whose it is.
func (c *cluster) createNetwork(ctx context.Context) error {
	e, err := findDaemon()
	if err != nil {
		return err
	}
	_, err = c.docker.do(ctx, "network", "create", "--opt", "com.docker.network.bridge.name="+e.bridge(c.st.Options.Name), c.kindName())
	if err != nil {
		return fmt.Errorf("create the cluster's network: %w", err)
	}
	return nil
}

func (c *cluster) configuration(node nodeImage) v1alpha4.Cluster {
	var published []v1alpha4.PortMapping
	for _, port := range []int32{gatewayNodePort, metricsNodePort, prometheusNodePort} {
		published = append(published, v1alpha4.PortMapping{ContainerPort: port, HostPort: chosenByDocker, ListenAddress: loopback})
	}
	return v1alpha4.Cluster{
		TypeMeta: v1alpha4.TypeMeta{Kind: "Cluster", APIVersion: "kind.x-k8s.io/v1alpha4"},
		Networking: v1alpha4.Networking{
			IPFamily: v1alpha4.IPv4Family, KubeProxyMode: "nftables", DisableDefaultCNI: node.ownNetwork,
			APIServerAddress: loopback, APIServerPort: chosenByDocker,
		},
		Nodes: []v1alpha4.Node{{Role: v1alpha4.ControlPlaneRole, Image: node.ref, ExtraPortMappings: published}},
		// Kubernetes 1.35 refuses cgroup v1 unless told otherwise; on cgroup v2 this changes nothing.
		KubeadmConfigPatches: []string{"kind: KubeletConfiguration\nfailCgroupV1: false\n"},
	}
}

// findPorts asks Docker which ports it took.
func (c *cluster) findPorts(ctx context.Context) error {
	for port, url := range map[int]*string{
		gatewayNodePort: &c.st.URLs.Gateway, metricsNodePort: &c.st.URLs.Metrics, prometheusNodePort: &c.st.URLs.Prometheus,
	} {
		address, err := c.docker.do(ctx, "port", c.node(), fmt.Sprintf("%d/tcp", port))
		if err != nil {
			return fmt.Errorf("ask for the published port of node port %d: %w", port, err)
		}
		if address == "" {
			return errors.New("Docker published no port for node port " + fmt.Sprint(port))
		}
		*url = "http://" + strings.Fields(address)[0]
	}
	c.st.URLs.Metrics += "/metrics"
	return c.st.Save()
}
