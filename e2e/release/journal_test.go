//go:build e2e

package release

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// journal is what happened in a namespace to all that decides where requests go, in the order in which it was seen. A request
// that failed is understood by what was written just before.
type journal struct {
	mu    sync.Mutex
	lines []string          // follows mu
	last  map[string]string // what was last told of each object; follows mu
}

// keepJournal writes down what happens in the shop's namespace from now on.
func (s *shop) keepJournal() *journal {
	j := &journal{last: map[string]string{}}
	own := informers.NewSharedInformerFactoryWithOptions(s.kube, 0, informers.WithNamespace(s.namespace))
	others := dynamicinformer.NewFilteredDynamicSharedInformerFactory(s.objects, 0, s.namespace, nil)
	for kind, informer := range map[string]cache.SharedIndexInformer{
		"service":    own.Core().V1().Services().Informer(),
		"replicaset": own.Apps().V1().ReplicaSets().Informer(),
		"endpoints":  own.Discovery().V1().EndpointSlices().Informer(),
		"rollout":    others.ForResource(v1alpha1.GroupVersion.WithResource(v1alpha1.Resource)).Informer(),
		"route":      others.ForResource(schema.GroupVersion{Group: gatewayv1.GroupName, Version: "v1"}.WithResource("httproutes")).Informer(),
	} {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(object any) { j.tell(kind, object, describe(object)) },
			UpdateFunc: func(_, object any) { j.tell(kind, object, describe(object)) },
			DeleteFunc: func(object any) { j.tell(kind, object, "deleted") },
		})
		if err != nil {
			s.t.Errorf("keep a journal of every %s: %v", kind, err)
		}
	}
	own.Start(s.ctx.Done())
	others.Start(s.ctx.Done())
	s.t.Cleanup(func() {
		if s.t.Failed() {
			j.print(s.t.Output())
		}
	})
	return j
}

// note adds a line of the test's own.
func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// tell adds a line about an object if there is something new to say.
func (j *journal) tell(kind string, object any, description string) {
	name := "unknown"
	if object, ok := object.(metav1.Object); ok {
		name = object.GetName()
	}
	line := kind + " " + name + ": " + description
	j.mu.Lock()
	known := j.last[kind+name] == line
	j.last[kind+name] = line
	j.mu.Unlock()
	if !known {
		j.note("%s", line)
	}
}

func (j *journal) print(w io.Writer) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fmt.Fprintf(w, "what happened to the traffic:\n  %s\n", strings.Join(j.lines, "\n  "))
}

// describe says what of an object decides where requests go.
func describe(object any) string {
	switch o := object.(type) {
	case *corev1.Service:
		return fmt.Sprint(o.Spec.Selector)
	case *appsv1.ReplicaSet:
		return fmt.Sprintf("%s wants %d, has %d, %d ready", versionOf(*o), *o.Spec.Replicas, o.Status.Replicas, o.Status.ReadyReplicas)
	case *discoveryv1.EndpointSlice:
		return describeEndpoints(o.Endpoints)
	case *unstructured.Unstructured:
		return describeOther(o.Object)
	}
	return fmt.Sprintf("a %T", object)
}

func describeEndpoints(endpoints []discoveryv1.Endpoint) string {
	var words []string
	for _, e := range endpoints {
		state := "not ready"
		switch {
		case *e.Conditions.Ready:
			state = "ready"
		case *e.Conditions.Serving:
			state = "leaving"
		}
		words = append(words, e.TargetRef.Name+" "+state)
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// describeOther is for a Rollout or a route.
func describeOther(object map[string]any) string {
	if rules, found, _ := unstructured.NestedSlice(object, "spec", "rules"); found {
		return fmt.Sprint(rules[0].(map[string]any)["backendRefs"])
	}
	words := []any{}
	for _, field := range [][]string{{"stableRevision"}, {"release", "revision"}, {"release", "phase"}, {"release", "stepIndex"}, {"message"}} {
		value, _, _ := unstructured.NestedFieldNoCopy(object, append([]string{"status"}, field...)...)
		words = append(words, fmt.Sprintf("%s=%v", field[len(field)-1], value))
	}
	return strings.TrimSuffix(fmt.Sprintln(words...), "\n")
}
