package gateway

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The environment variables of a pod's containers that say how the simulated application behaves.
const (
	// versionVariable is the version it reports.
	versionVariable = "VERSION"
	// errorRateVariable is the part of requests it answers with an error, from 0 to 1.
	errorRateVariable = "ERROR_RATE"
	// latencyVariable is how long it takes to answer on average, such as 20ms.
	latencyVariable = "LATENCY"
)

const defaultLatency = 5 * time.Millisecond

// pod is a simulated application.
type pod struct {
	revision, version string
	errorRate         float64
	latency           time.Duration
	// gone is set as soon as the pod can't answer any more, also for requests it is answering right now.
	gone atomic.Bool
}

// newPod reads the behaviour from the pod's environment. A value that can't be read is reported and replaced by that
// of a healthy application.
func newPod(object *corev1.Pod) (*pod, []error) {
	p := &pod{revision: object.Labels[appsv1.DefaultDeploymentUniqueLabelKey], latency: defaultLatency}
	var failures []error
	for _, container := range object.Spec.Containers {
		for _, variable := range container.Env {
			if err := p.set(variable.Name, variable.Value); err != nil {
				failures = append(failures, fmt.Errorf("pod %s/%s, container %s: %w", object.Namespace, object.Name, container.Name, err))
			}
		}
	}
	return p, failures
}

func (p *pod) set(name, value string) error {
	switch name {
	case versionVariable:
		p.version = value
	case errorRateVariable:
		rate, err := strconv.ParseFloat(value, 64)
		if err != nil || !(rate >= 0 && rate <= 1) {
			return fmt.Errorf("%s=%q: want a number from 0 to 1; taken as 0", name, value)
		}
		p.errorRate = rate
	case latencyVariable:
		latency, err := time.ParseDuration(value)
		if err != nil || latency < 0 {
			return fmt.Errorf("%s=%q: want a duration such as 20ms; taken as %s", name, value, defaultLatency)
		}
		p.latency = latency
	}
	return nil
}

// population is every pod the gateway has heard of.
type population struct {
	mu   sync.Mutex
	pods map[types.UID]*pod
}

func newPopulation() *population { return &population{pods: map[types.UID]*pod{}} }

// observe takes over what the API server says about a pod.
func (all *population) observe(object *corev1.Pod) []error {
	all.mu.Lock()
	defer all.mu.Unlock()
	known, ok := all.pods[object.UID]
	var failures []error
	if !ok {
		known, failures = newPod(object)
		all.pods[object.UID] = known
	}
	// A pod with a deletion timestamp still answers until it is really gone.
	if object.Status.Phase == corev1.PodSucceeded || object.Status.Phase == corev1.PodFailed {
		known.gone.Store(true)
	}
	return failures
}

// forget marks a deleted pod as gone. It stays known until no endpoint names it any more: a gateway that still sends
// requests to its address gets no answer.
func (all *population) forget(uid types.UID) {
	if p, ok := all.find(uid); ok {
		p.gone.Store(true)
	}
}

func (all *population) find(uid types.UID) (*pod, bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	p, ok := all.pods[uid]
	return p, ok
}

// bury drops the pods that are gone and that no endpoint names.
func (all *population) bury(named map[types.UID]bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for uid, p := range all.pods {
		if p.gone.Load() && !named[uid] {
			delete(all.pods, uid)
		}
	}
}
