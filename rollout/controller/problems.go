package controller

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	lru "k8s.io/utils/lru"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// trafficProblems says what is wrong with the Services and routes that the spec names.
func (w *world) trafficProblems() []rollout.Problem {
	var problems []rollout.Problem
	add := func(reason, format string, args ...any) {
		problems = append(problems, rollout.Problem{Reason: reason, Message: fmt.Sprintf(format, args...), Reference: true})
	}
	canary := w.object.Spec.Strategy.Canary
	template, err := w.object.Spec.Template.Parse()
	for _, part := range []struct {
		role        rollout.Role
		field, name string
	}{
		{rollout.StableRole, "stableService", canary.StableService},
		{rollout.CanaryRole, "canaryService", canary.CanaryService},
	} {
		service := w.services[part.role]
		switch {
		case service == nil:
			add(reasonMissingService, "spec.strategy.canary.%s: there is no Service %q in namespace %s; create it, or correct the name",
				part.field, part.name, w.key.Namespace)
		case len(service.Spec.Selector) == 0:
			add(reasonSelectorMismatch, "spec.strategy.canary.%s: Service %q has no selector, so the engine can't say which pods it reaches; give it one",
				part.field, part.name)
		case err == nil:
			if mismatch, ok := selects(service, template.Labels); !ok {
				add(reasonSelectorMismatch, "spec.strategy.canary.%s: Service %q selects %s, which spec.template.metadata.labels doesn't have; "+
					"correct the Service's selector or the labels", part.field, part.name, mismatch)
			}
		}
	}
	for _, route := range w.observed.Routes.Routes {
		switch {
		case route.Problem != "":
			add(reasonUnfitRoute, "spec.strategy.canary.trafficRouting.gatewayAPI.routes: %s: %s", route.RouteName, route.Problem)
		case route.Missing:
			add(reasonMissingRoute, "spec.strategy.canary.trafficRouting.gatewayAPI.routes: there is no %s in namespace %s; create it, or correct the name",
				route.RouteName, w.key.Namespace)
		}
	}
	return problems
}

// claimedBy says which other Rollout of the namespace has an older claim on one of the Services. The older one goes on
// undisturbed: applying a second Rollout by mistake must not harm the first.
func claimedBy(r *v1alpha1.Rollout, others []*v1alpha1.Rollout) string {
	for _, other := range others {
		if other.UID == r.UID || !older(other, r) {
			continue
		}
		for field, name := range servicesOf(r) {
			for otherField, otherName := range servicesOf(other) {
				if name == otherName {
					return fmt.Sprintf("spec.strategy.canary.%s: Service %q belongs to Rollout %q (its %s)", field, name, other.Name, otherField)
				}
			}
		}
	}
	return ""
}

func older(a, b *v1alpha1.Rollout) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}

// servicesOf are the Services that a Rollout names, by field.
func servicesOf(r *v1alpha1.Rollout) map[string]string {
	services := map[string]string{}
	if canary := r.Spec.Strategy.Canary; canary != nil && canary.TrafficRouting != nil {
		services["stableService"], services["canaryService"] = canary.StableService, canary.CanaryService
	}
	return services
}

// templateChecks asks the API server once for each new template whether it would take a ReplicaSet made of it. Without the
// question a template that misses an image, say, would only be noticed after the release has begun.
type templateChecks struct {
	client kubernetes.Interface
	// known maps owner and revision to what the API server said: the text of an error, or nothing.
	known *lru.Cache
}

// rememberedTemplates bounds the memory of answers. A forgotten one costs one more request.
const rememberedTemplates = 4096

func newTemplateChecks(client kubernetes.Interface) *templateChecks {
	return &templateChecks{client: client, known: lru.New(rememberedTemplates)}
}

// checkTemplate adds a problem if the target revision has no ReplicaSet yet and the API server would refuse it.
func (c *Controller) checkTemplate(ctx context.Context, w *world) {
	target := w.observed.Spec.Target
	if target == "" || w.sets[target] != nil || hasFatal(w.observed.Problems) {
		return
	}
	if refusal := c.templates.refusal(ctx, w.object, target); refusal != "" {
		w.observed.Problems = append([]rollout.Problem{{Reason: reasonInvalidTemplate,
			Message: "the API server refuses spec.template: " + refusal + "; correct the field and apply again"}}, w.observed.Problems...)
	}
}

func hasFatal(problems []rollout.Problem) bool {
	for _, p := range problems {
		if !p.Reference {
			return true
		}
	}
	return false
}

// refusal is what the API server has against the template, empty for nothing. Where the question itself can't be asked
// (quota, a webhook that is down, a network fault) nothing is known of the template, and the real creation will tell.
func (t *templateChecks) refusal(ctx context.Context, r *v1alpha1.Rollout, target rollout.Revision) string {
	key := string(r.UID) + "/" + target
	if known, there := t.known.Get(key); there {
		return known.(string)
	}
	body, err := newReplicaSet(r, target, 0, 0)
	if err != nil {
		return err.Error()
	}
	_, err = createReplicaSet(ctx, t.client, r.Namespace, body, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	switch {
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
		t.known.Add(key, err.Error())
		return err.Error()
	case err == nil || apierrors.IsAlreadyExists(err):
		t.known.Add(key, "")
	}
	return ""
}
