package kind

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

const (
	readyTimeout = 3 * time.Minute
	answerTime   = 5 * time.Second
)

// population is how many pods a namespace has at least once everything in it was created.
type population struct {
	namespace string
	minimum   int
}

// populations lists what a cluster starts with; its own namespace holds etcd, three programs of the control plane,
// kube-proxy and CoreDNS.
func populations() []population {
	return []population{{metav1.NamespaceSystem, 6}, {traefikNamespace, 1}, {monitoringNamespace, 1}}
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
	for _, p := range populations() {
		if err := c.deploymentsReady(ctx, p.namespace); err != nil {
			return err
		}
		if err := c.podsReady(ctx, p.namespace, p.minimum); err != nil {
			return err
		}
	}
	if err := c.gatewayReady(ctx); err != nil {
		return err
	}
	// What the gateway answers is up to the routes people have made; that it does is up to us.
	if _, err := answer(ctx, urls.Gateway); err != nil {
		return fmt.Errorf("reach the gateway: %w", err)
	}
	status, err := answer(ctx, urls.Prometheus+"/-/ready")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("it answers %d", status)
	}
	if err != nil {
		return fmt.Errorf("reach Prometheus: %w", err)
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
		return errors.New("there is no node")
	}
	return nil
}

// deploymentsReady waits for the pods of the newest template: those of an older one may be ready and about to go.
func (c *client) deploymentsReady(ctx context.Context, namespace string) error {
	deployments, err := c.kube.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list deployments in %s: %w", namespace, err)
	}
	for _, d := range deployments.Items {
		wanted := ptr.Deref(d.Spec.Replicas, 1)
		if d.Status.ObservedGeneration < d.Generation || d.Status.UpdatedReplicas < wanted || d.Status.AvailableReplicas < wanted {
			return fmt.Errorf("deployment %s/%s: %d of %d pods are available", namespace, d.Name,
				min(d.Status.UpdatedReplicas, d.Status.AvailableReplicas), wanted)
		}
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
	resource := schema.GroupVersionResource{Group: gatewayv1.GroupName, Version: gatewayv1.GroupVersion.Version, Resource: "gateways"}
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

// answer is the status that a GET of url is answered with.
func answer(ctx context.Context, url string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}
