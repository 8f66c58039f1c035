//go:build e2e

package release

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	controllerNamespace = "rollout-system"
	controllerName      = "rollout-controller"
	controllerSelector  = "app.kubernetes.io/component=controller,app.kubernetes.io/part-of=rollout"
	monitoring          = "monitoring"
	logLines            = 400
)

// killScript ends the controller's process in the pod named by its first argument with SIGKILL, which no program can
// answer: nothing is flushed, released or said good-bye to. It runs on the node, where the processes of all pods are seen,
// and prints how many it killed. The pause process of the pod has the same host name but another program.
const killScript = `
killed=0
for process in /proc/[0-9]*; do
  grep -q '^rollout-contro' "$process/comm" 2>/dev/null || continue
  tr '\0' '\n' <"$process/environ" 2>/dev/null | grep -qx "HOSTNAME=$1" || continue
  kill -KILL "${process#/proc/}" && killed=$((killed + 1))
done
echo "$killed"`

// killController kills the controller that holds the lease of a namespace, in whatever it is doing.
func (c *cluster) killController(ctx context.Context, namespace string) error {
	lease, err := c.kube.CoordinationV1().Leases(namespace).Get(ctx, controllerName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read who leads: %w", err)
	}
	if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "" {
		return fmt.Errorf("kill the controller: nobody leads")
	}
	// The identity is the name of the pod and the number of the process.
	holder := *lease.Spec.HolderIdentity
	pod := holder[:strings.LastIndex(holder, "-")]
	killed, err := c.onNode(ctx, "sh", "-c", killScript, "sh", pod)
	if err != nil {
		return fmt.Errorf("kill the controller in pod %s: %w", pod, err)
	}
	if strings.TrimSpace(killed) != "1" {
		return fmt.Errorf("kill the controller in pod %s: %s processes were killed, want 1", pod, strings.TrimSpace(killed))
	}
	return nil
}

// scaleController asks for a number of controllers and returns when there are as many.
func (c *cluster) scaleController(ctx context.Context, replicas int) error {
	return c.scale(ctx, controllerNamespace, controllerName, controllerSelector, replicas)
}

// scalePrometheus asks for a number of Prometheus servers and returns when there are as many.
func (c *cluster) scalePrometheus(ctx context.Context, replicas int) error {
	return c.scale(ctx, monitoring, "prometheus", "app.kubernetes.io/name=prometheus", replicas)
}

func (c *cluster) scale(ctx context.Context, namespace, deployment, selector string, replicas int) error {
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	_, err := c.kube.AppsV1().Deployments(namespace).Patch(ctx, deployment, types.MergePatchType, patch, metav1.PatchOptions{}, "scale")
	if err != nil {
		return fmt.Errorf("scale %s to %d: %w", deployment, replicas, err)
	}
	return poll(ctx, fmt.Sprintf("%d pods of %s", replicas, deployment), func(ctx context.Context) error {
		pods, err := c.kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return err
		}
		ready := 0
		for _, pod := range pods.Items {
			if isReady(pod) {
				ready++
			}
		}
		if ready != replicas || len(pods.Items) != replicas {
			return fmt.Errorf("%d of %d pods are ready", ready, len(pods.Items))
		}
		return nil
	})
}

func isReady(pod corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// collectFigures asks the controllers for their memory.
func (c *cluster) collectFigures(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	pods, err := c.kube.CoreV1().Pods(controllerNamespace).List(ctx, metav1.ListOptions{LabelSelector: controllerSelector})
	if err != nil {
		c.figures.add("controller memory", "unknown: %v", err)
		return
	}
	for _, pod := range pods.Items {
		text, err := c.kube.CoreV1().Pods(pod.Namespace).ProxyGet("http", pod.Name, "8080", "/metrics", nil).DoRaw(ctx)
		if err != nil {
			c.figures.add("controller memory "+pod.Name, "unknown: %v", err)
			continue
		}
		c.figures.add("controller memory "+pod.Name, "%.1f MiB, CPU %.1f s", metric(text, "process_resident_memory_bytes")/(1<<20),
			metric(text, "process_cpu_seconds_total"))
	}
}

// metric reads the value of a metric without labels.
func metric(text []byte, name string) float64 {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if value, found := strings.CutPrefix(lines.Text(), name+" "); found {
			number, _ := strconv.ParseFloat(value, 64)
			return number
		}
	}
	return 0
}

// printLogs prints the last lines of the controllers with a label.
func (c *cluster) printLogs(ctx context.Context, w io.Writer, selector string) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	pods, err := c.kube.CoreV1().Pods(controllerNamespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		fmt.Fprintln(w, "no controller logs:", err)
		return
	}
	for _, pod := range pods.Items {
		for _, previous := range []bool{true, false} {
			text, err := c.kube.CoreV1().Pods(pod.Namespace).
				GetLogs(pod.Name, &corev1.PodLogOptions{TailLines: new(int64(logLines)), Previous: previous}).DoRaw(ctx)
			if err == nil {
				fmt.Fprintf(w, "--- the last lines of %s (before its last restart: %t)\n%s", pod.Name, previous, text)
			}
		}
	}
}
