package sandbox

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/rollout-dev/rollout/e2e/cluster/parts"
	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

const (
	services = "10.96.0.0/16"
	// pods is large because kwok gives addresses out beyond a node's range when that is used up.
	pods        = "10.128.0.0/9"
	podsPerNode = "20"
	// autoscalerPeriod is how often horizontal pod autoscalers look. The usual 15 s are made for metrics that are averages
	// over as long; what is simulated is true at once.
	autoscalerPeriod = "1s"
	probeTimeout     = time.Second
)

// startAPIServer starts etcd and kube-apiserver and returns when the API server is ready.
func (c *cluster) startAPIServer(ctx context.Context) error {
	address := fmt.Sprintf("http://127.0.0.1:%d", c.ports.etcd)
	peer := fmt.Sprintf("http://127.0.0.1:%d", c.ports.etcdPeer)
	etcd, err := c.run(parts.Etcd, "etcd",
		"--name=etcd", "--data-dir="+filepath.Join(c.Dir, "etcd"), "--log-level=warn",
		"--listen-client-urls="+address, "--advertise-client-urls="+address,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=etcd="+peer,
		// The data never outlives the processes, so there is no reason to wait for the disk.
		"--unsafe-no-fsync",
	)
	if err != nil {
		return err
	}
	server, err := c.run(parts.ControlPlane, "kube-apiserver", c.apiServerFlags(address)...)
	if err != nil {
		return err
	}
	ready := func(ctx context.Context) error { return apiServerReady(ctx, c.client) }
	return server.Await(ctx, "the API server to be ready", ready, etcd)
}

func (c *cluster) apiServerFlags(etcd string) []string {
	flags := []string{
		"--etcd-servers=" + etcd,
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", c.ports.apiServer),
		// It would publish 127.0.0.1 as the address of Service kubernetes, which the API refuses.
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + c.credentials.servingCert, "--tls-private-key-file=" + c.credentials.servingKey,
		"--authorization-mode=RBAC", "--token-auth-file=" + c.credentials.tokens,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.credentials.serviceAccountKey,
		"--service-account-signing-key-file=" + c.credentials.serviceAccountKey,
		"--service-cluster-ip-range=" + services, "--allow-privileged=true",
	}
	if c.Options.Only == state.APIServer {
		// Nothing makes service accounts here, and no pod could be created without one.
		flags = append(flags, "--disable-admission-plugins=ServiceAccount")
	}
	return flags
}

func apiServerReady(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client for %s: %w", config.Host, err)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if err := client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error(); err != nil {
		return fmt.Errorf("ask the API server at %s whether it is ready: %w", config.Host, err)
	}
	return nil
}

// startControllers starts the rest of the control plane that the scope asks for.
func (c *cluster) startControllers() error {
	if c.Options.Only == state.APIServer {
		return nil
	}
	var err error
	common := []string{"--kubeconfig=" + c.Kubeconfig, "--leader-elect=false", "--secure-port=0", "--kube-api-qps=500", "--kube-api-burst=1000"}
	if c.manager, err = c.run(parts.ControlPlane, "kube-controller-manager", append(common,
		"--service-account-private-key-file="+c.credentials.serviceAccountKey, "--root-ca-file="+c.credentials.servingCert,
		"--allocate-node-cidrs", "--cluster-cidr="+pods, "--node-cidr-mask-size="+podsPerNode, "--service-cluster-ip-range="+services,
		"--horizontal-pod-autoscaler-sync-period="+autoscalerPeriod,
	)...); err != nil {
		return err
	}
	if c.Options.Only == state.ControlPlane {
		return nil
	}
	_, err = c.run(parts.ControlPlane, "kube-scheduler", common...)
	return err
}

// awaitControllers returns when pods can be created: that takes a service account, which a controller makes.
func (c *cluster) awaitControllers(ctx context.Context) error {
	if c.Options.Only == state.APIServer {
		return nil
	}
	client, err := kubernetes.NewForConfig(c.client)
	if err != nil {
		return fmt.Errorf("make a client for %s: %w", c.client.Host, err)
	}
	return c.manager.Await(ctx, "the default service account", func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}
