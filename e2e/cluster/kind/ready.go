package kind

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

const (
	readyTimeout = 3 * time.Minute
	answerTime   = 5 * time.Second
)

// minimumPods is how many pods a namespace must at least have before it can count as ready; the cluster's own namespace
// holds etcd, three programs of the control plane, kube-proxy and CoreDNS.
func minimumPods() map[string]int {
	return map[string]int{metav1.NamespaceSystem: 6, traefikNamespace: 1, monitoringNamespace: 1}
}

func (c *cluster) awaitReady(ctx context.Context, k *client) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("not within %s", readyTimeout))
	defer cancel()
	return poll(ctx, "the cluster to be ready", func(ctx context.Context) error { return k.ready(ctx, c.st.URLs) })
}

// ready tells what of the cluster doesn't serve yet; nil means everything does.
func (c *client) ready(ctx context.Context, urls state.URLs) error {
	if err := c.nodesReady(ctx); err != nil {
		return err
	}
	for namespace, minimum := range minimumPods() {
		if err := c.podsReady(ctx, namespace, minimum); err != nil {
			return err
		}
	}
	if err := c.gatewayReady(ctx); err != nil {
		return err
	}
	// Without a route the gateway knows no page, but it is the gateway that says so.
	if err := answers(ctx, urls.Gateway, http.StatusNotFound, http.StatusOK); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	if err := answers(ctx, urls.Prometheus+"/-/ready", http.StatusOK); err != nil {
		return fmt.Errorf("Prometheus: %w", err)
	}
	return nil
}

func (c *client) nodesReady(ctx context.Context) error {
	nodes, err := c.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	for _, node := range nodes.Items {
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status != corev1.ConditionTrue {
				return fmt.Errorf("node %s is not ready: %s", node.Name, condition.Message)
			}
		}
	}
	if len(nodes.Items) == 0 {
		return fmt.Errorf("there is no node")
	}
	return nil
}

func (c *client) podsReady(ctx context.Context, namespace string, minimum int) error {
	pods, err := c.kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list pods in %s: %w", namespace, err)
	}
	var waiting []string
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil && !podReady(pod) {
			waiting = append(waiting, pod.Name+" ("+why(pod)+")")
		}
	}
	if len(waiting) > 0 {
		return fmt.Errorf("not ready in %s: %s", namespace, strings.Join(waiting, ", "))
	}
	if len(pods.Items) < minimum {
		return fmt.Errorf("%d pods in %s, want at least %d", len(pods.Items), namespace, minimum)
	}
	return nil
}

func podReady(pod corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// why is the most telling word about a pod that isn't ready.
func why(pod corev1.Pod) string {
	for _, container := range pod.Status.ContainerStatuses {
		if waiting := container.State.Waiting; waiting != nil {
			return strings.TrimSpace(waiting.Reason + " " + waiting.Message)
		}
		if ended := container.State.Terminated; ended != nil {
			return strings.TrimSpace("ended: " + ended.Reason + " " + ended.Message)
		}
	}
	return string(pod.Status.Phase)
}

func (c *client) gatewayReady(ctx context.Context) error {
	resource := gatewayv1.SchemeGroupVersion.WithResource("gateways")
	object, err := c.dynamic.Resource(resource).Namespace(state.GatewayNamespace).Get(ctx, state.GatewayName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the gateway: %w", err)
	}
	gateway, err := gatewayFrom(object)
	if err != nil {
		return err
	}
	for _, wanted := range []gatewayv1.GatewayConditionType{gatewayv1.GatewayConditionAccepted, gatewayv1.GatewayConditionProgrammed} {
		if !meta.IsStatusConditionTrue(gateway.Status.Conditions, string(wanted)) {
			return fmt.Errorf("gateway %s/%s is not %s", gateway.Namespace, gateway.Name, wanted)
		}
	}
	return nil
}

func gatewayFrom(object *unstructured.Unstructured) (gatewayv1.Gateway, error) {
	var gateway gatewayv1.Gateway
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &gateway); err != nil {
		return gateway, fmt.Errorf("read the gateway: %w", err)
	}
	return gateway, nil
}

func answers(ctx context.Context, url string, wanted ...int) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	for _, code := range wanted {
		if response.StatusCode == code {
			return nil
		}
	}
	return fmt.Errorf("%s answers %s", url, response.Status)
}
