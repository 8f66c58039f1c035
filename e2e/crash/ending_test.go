//go:build integration

package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// ending is what a scenario says in advance of how it ends.
type ending struct {
	phase v1alpha1.Phase
	// stable is the version that everybody gets; cause is why another was taken back, empty if none was.
	stable, cause string
}

// outcome is how a play ended: everything that must be the same whatever the luck was, in words. Revisions are told by the
// version that their pods run.
type outcome struct {
	ending
	details string
}

func (o outcome) String() string {
	return fmt.Sprintf("%s, %s is stable, taken back: %q\n%s", o.phase, o.stable, o.cause, o.details)
}

// see tells how things are.
func (u *user) see(ctx context.Context) (outcome, error) {
	versions, err := u.versions(ctx)
	if err != nil {
		return outcome{}, err
	}
	o := outcome{ending: ending{phase: gone}}
	var lines []string
	r, err := cluster.Rollouts.Rollouts(u.namespace).Get(ctx, appName, metav1.GetOptions{})
	switch {
	case err == nil:
		o.ending, lines = describe(r, versions)
	case !apierrors.IsNotFound(err):
		return outcome{}, err
	}
	for _, see := range []func(context.Context, map[string]string) ([]string, error){u.seePods, u.seeTraffic, u.seeDeployment} {
		more, err := see(ctx, versions)
		if err != nil {
			return outcome{}, err
		}
		lines = append(lines, more...)
	}
	slices.Sort(lines)
	o.details = strings.Join(lines, "\n")
	return o, nil
}

// describe tells of a status what a decision or a program depends on.
func describe(r *v1alpha1.Rollout, versions map[string]string) (ending, []string) {
	end := ending{phase: r.Status.Phase, stable: versions[r.Status.StableRevision]}
	if r.Status.ObservedGeneration != r.Generation {
		end.phase = "not yet observed"
	}
	lines := []string{fmt.Sprintf("%d runs, %d serving", r.Status.Runs, r.Status.ServingReplicas)}
	if release := r.Status.Release; release != nil {
		end.cause = release.Cause
		lines = append(lines, fmt.Sprintf("run of %s: %s", versions[release.Revision], release.Phase))
	}
	if answer := r.Status.LastRequest; answer != nil {
		lines = append(lines, fmt.Sprintf("%s: %s", answer.ID, answer.Outcome))
	}
	if restart := r.Status.Restart; restart != nil {
		lines = append(lines, fmt.Sprintf("restart: %d left, done: %t", restart.Left, restart.Done))
	}
	if traffic := r.Status.Traffic; traffic != nil && traffic.Wiring != nil {
		lines = append(lines, fmt.Sprintf("mode %s, swapped: %t", traffic.Wiring.Mode, traffic.Swapped))
	}
	for _, condition := range r.Status.Conditions {
		lines = append(lines, fmt.Sprintf("%s=%s", condition.Type, condition.Status))
	}
	return end, lines
}

func (u *user) seePods(ctx context.Context, versions map[string]string) ([]string, error) {
	sets, err := cluster.Kubernetes.AppsV1().ReplicaSets(u.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, set := range sets.Items {
		lines = append(lines, fmt.Sprintf("%s: %d pods wanted, %d there, %d ready", versions[set.Labels[v1alpha1.PodTemplateHashLabel]],
			*set.Spec.Replicas, set.Status.Replicas, set.Status.ReadyReplicas))
		for _, owner := range set.OwnerReferences {
			lines = append(lines, fmt.Sprintf("%s belongs to the %s", versions[set.Labels[v1alpha1.PodTemplateHashLabel]], owner.Kind))
		}
	}
	pods, err := cluster.Kubernetes.CoreV1().Pods(u.namespace).List(ctx, metav1.ListOptions{})
	left := 0
	for _, pod := range pods.Items {
		if slices.Contains(u.first, pod.UID) {
			left++
		}
	}
	return append(lines, fmt.Sprintf("%d of %d pods of the beginning are left", left, len(u.first))), err
}

// remember takes note of the pods that there are.
func (u *user) remember(ctx context.Context) error {
	pods, err := cluster.Kubernetes.CoreV1().Pods(u.namespace).List(ctx, metav1.ListOptions{})
	for _, pod := range pods.Items {
		u.first = append(u.first, pod.UID)
	}
	return err
}

func (u *user) seeTraffic(ctx context.Context, versions map[string]string) ([]string, error) {
	services, err := cluster.Kubernetes.CoreV1().Services(u.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, service := range services.Items {
		lines = append(lines, fmt.Sprintf("Service %s reaches %q", service.Name, versions[service.Spec.Selector[v1alpha1.PodTemplateHashLabel]]))
	}
	routes, err := cluster.Routes.GatewayV1().HTTPRoutes(u.namespace).List(ctx, metav1.ListOptions{})
	for _, route := range routes.Items {
		weights, _ := json.Marshal(sharesOf(route)) // A map of numbers always becomes JSON.
		lines = append(lines, fmt.Sprintf("HTTPRoute %s: %s", route.Name, weights))
	}
	return lines, err
}

func (u *user) seeDeployment(ctx context.Context, _ map[string]string) ([]string, error) {
	deployments, err := cluster.Kubernetes.AppsV1().Deployments(u.namespace).List(ctx, metav1.ListOptions{})
	var lines []string
	for _, d := range deployments.Items {
		lines = append(lines, fmt.Sprintf("Deployment %s: paused: %t, %d pods, %d of the present version",
			d.Name, d.Spec.Paused, d.Status.Replicas, d.Status.UpdatedReplicas))
	}
	return lines, err
}

// versionOf is the version of the application that a pod template runs.
func versionOf(template corev1.PodTemplateSpec) string {
	for _, variable := range template.Spec.Containers[0].Env {
		if variable.Name == "VERSION" {
			return variable.Value
		}
	}
	return ""
}
