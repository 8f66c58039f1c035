//go:build integration

package sandbox

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

const (
	// targetUtilization is what autoscalers aim at, in percent of requestedCPU.
	targetUtilization = 50
	// requestedCPU is what each pod asks for, in thousandths of a CPU.
	requestedCPU = 1000
	// busyCPU is what a pod uses that has as much to do as the autoscaler wants it to, idleCPU what it uses with nothing to do.
	busyCPU = requestedCPU * targetUtilization / 100
	idleCPU = busyCPU / 100
	// requestRate is the external metric, and requestsPerPod how much of it an autoscaler wants for each pod.
	requestRate    = "requests_per_second"
	requestsPerPod = 100
	// window is how long a pod has to be ready before there is a measurement of it, as with metrics-server.
	window = 3 * time.Second
)

// load is what the users of one application ask of it.
type load struct {
	namespace string
	// permille is the number of pods, in thousandths, that it keeps as busy as the autoscaler wants them to be.
	permille atomic.Int64
	// looks counts the answers to autoscalers.
	looks atomic.Int64
}

func (l *load) requestRate() resource.Quantity {
	return *resource.NewMilliQuantity(l.permille.Load()*requestsPerPod, resource.DecimalSI)
}

// usage is the CPU that each pod uses, in thousandths: of what all users ask for, the share that the route sends it. A
// measurement is about the past: pods that have just become ready have taken nothing off the others yet.
func (l *load) usage(ctx context.Context, selector labels.Selector) (map[string]int64, error) {
	backends, pods, err := readTraffic(ctx, l.namespace)
	if err != nil {
		return nil, err
	}
	measured := func(pod *corev1.Pod) bool {
		since, ready := readySince(pod)
		return ready && time.Since(since) >= window
	}
	usage := map[string]int64{}
	for _, pod := range pods {
		if measured(pod) && selector.Matches(labels.Set(pod.Labels)) {
			usage[pod.Name] = idleCPU
		}
	}
	for _, b := range backends {
		busy := slices.DeleteFunc(slices.Clone(b.pods), func(pod *corev1.Pod) bool { return !measured(pod) })
		for _, pod := range busy {
			if _, asked := usage[pod.Name]; asked {
				usage[pod.Name] += l.permille.Load() * busyCPU / 1000 * int64(b.percent) / 100 / int64(len(busy))
			}
		}
	}
	return usage, nil
}

// backend is a Service that the app's route sends traffic to, with the pods that get it.
type backend struct {
	service string
	percent int
	pods    []*corev1.Pod
}

// readTraffic says where the traffic of the route in a namespace goes now, and returns all pods there.
func readTraffic(ctx context.Context, namespace string) ([]backend, []*corev1.Pod, error) {
	route, err := cluster.routes.GatewayV1().HTTPRoutes(namespace).Get(ctx, "checkout", metav1.GetOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("read the route: %w", err)
	}
	list, err := cluster.kubernetes.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("list pods: %w", err)
	}
	var pods []*corev1.Pod
	for i := range list.Items {
		pods = append(pods, &list.Items[i])
	}
	var backends []backend
	sum := 0
	for _, ref := range route.Spec.Rules[0].BackendRefs {
		sum += int(*ref.Weight)
	}
	for _, ref := range route.Spec.Rules[0].BackendRefs {
		service, err := cluster.kubernetes.CoreV1().Services(namespace).Get(ctx, string(ref.Name), metav1.GetOptions{})
		if err != nil {
			return nil, nil, fmt.Errorf("read Service %s: %w", ref.Name, err)
		}
		b := backend{service: service.Name, percent: int(*ref.Weight) * 100 / sum}
		selector := labels.SelectorFromSet(service.Spec.Selector)
		for _, pod := range pods {
			if _, ready := readySince(pod); ready && selector.Matches(labels.Set(pod.Labels)) {
				b.pods = append(b.pods, pod)
			}
		}
		backends = append(backends, b)
	}
	return backends, pods, nil
}

// readySince is since when a pod that isn't being deleted has been ready.
func readySince(pod *corev1.Pod) (time.Time, bool) {
	i := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady })
	if pod.DeletionTimestamp != nil || i < 0 || pod.Status.Conditions[i].Status != corev1.ConditionTrue {
		return time.Time{}, false
	}
	return pod.Status.Conditions[i].LastTransitionTime.Time, true
}
