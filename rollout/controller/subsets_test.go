package controller

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
	"github.com/rollout-dev/rollout/traffic"
)

// subsetted is a canary whose backends are subsets.
func subsetted() *v1alpha1.Canary {
	c := meshed()
	c.StableService, c.CanaryService, c.TrafficRouting.GatewayAPI = "", "", nil
	c.TrafficRouting.Istio.DestinationRule = &v1alpha1.DestinationRule{Name: "app", Namespace: "mesh", StableSubsetName: "old", CanarySubsetName: "new"}
	return c
}

func TestSubsetsAreAPairOfTheirOwn(t *testing.T) {
	w := wiringOf(v1alpha1.Strategy{Canary: subsetted()})
	require.Equal(t, "mesh/app", w.SubsetsOf)
	require.Equal(t, w, readWiring(newWiring(w)))
	require.Empty(t, newWiring(w).StableService)
	require.Equal(t, traffic.Pair{Stable: "old", Canary: "new", SubsetsOf: "app", SubsetsIn: "mesh"}, target("shop", w, false).Pair)
}

func TestARolloutIsFoundByItsDestinationRuleAndByTheServiceOfItsSubsets(t *testing.T) {
	r := exampleRollout(exampleTemplate)
	r.Spec.Strategy = v1alpha1.Strategy{Canary: subsetted()}
	require.Contains(t, indexRoutes(r), "DestinationRule/mesh/app")
	require.Empty(t, indexServices(r), "what the subsets are of isn't known yet, and their names are no Services")
	r.Status.Traffic = &v1alpha1.Traffic{Service: "app"}
	require.Equal(t, []string{"shop/app"}, indexServices(r))
}

// pointed is a pointer that has an answer.
type pointed struct {
	traffic.Pointer
	subsets traffic.Subsets
}

func (p pointed) Observe(context.Context, traffic.Target, bool) (traffic.Subsets, error) {
	return p.subsets, nil
}

// shelf is a reader that has one Service and its endpoints.
type shelf struct {
	reader
	of     *corev1.Service
	slices []*discoveryv1.EndpointSlice
}

func (shelf) isLive() bool { return false }

func (s shelf) service(context.Context, engine.Key) (*corev1.Service, error) { return s.of, nil }

func (s shelf) endpoints(context.Context, engine.Key) ([]*discoveryv1.EndpointSlice, error) {
	return s.slices, nil
}

// observedSubsets are the backends that a Rollout with these subsets has.
func observedSubsets(t *testing.T, subsets traffic.Subsets, of *corev1.Service) *world {
	t.Helper()
	r := exampleRollout(exampleTemplate)
	r.Spec.Strategy = v1alpha1.Strategy{Canary: subsetted()}
	w := exampleWorld(t, r)
	w.services = map[string]*corev1.Service{}
	w.observed.Spec.Wiring = wiringOf(r.Spec.Strategy)
	w.target = target("shop", w.observed.Spec.Wiring, false)
	slice := &discoveryv1.EndpointSlice{}
	for _, pod := range []string{"checkout-aaa-1", "checkout-aaa-2", "checkout-bbb-1"} {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{TargetRef: &corev1.ObjectReference{Name: pod}})
	}
	w.sets = map[rollout.Revision]*appsv1.ReplicaSet{
		"aaa": {ObjectMeta: metav1.ObjectMeta{Name: "checkout-aaa"}}, "bbb": {ObjectMeta: metav1.ObjectMeta{Name: "checkout-bbb"}},
	}
	c := &Controller{Options: Options{Pointer: pointed{subsets: subsets}}}
	require.NoError(t, c.observeBackends(t.Context(), shelf{of: of, slices: []*discoveryv1.EndpointSlice{slice}}, w))
	return w
}

func TestASubsetHasThoseEndpointsOfItsServiceThatItsLabelChooses(t *testing.T) {
	w := observedSubsets(t, traffic.Subsets{Service: "app", Stable: "aaa"}, service())
	require.Equal(t, rollout.Backend{Name: "old", SubsetOf: "mesh/app", Revision: "aaa", Endpoints: map[rollout.Revision]int{"aaa": 2}}, w.observed.Stable)
	require.Equal(t, rollout.Backend{Name: "new", SubsetOf: "mesh/app", Endpoints: map[rollout.Revision]int{"aaa": 2, "bbb": 1}}, w.observed.Canary,
		"a subset that names no revision reaches all of them")
}

func TestSubsetsThatCanNotBeUsedAreMissing(t *testing.T) {
	require.True(t, observedSubsets(t, traffic.Subsets{Problem: "spec.subsets has none named \"new\"; add it"}, nil).observed.Canary.Missing)
	require.True(t, observedSubsets(t, traffic.Subsets{Service: "app"}, nil).observed.Stable.Missing)
}

func TestWhatIsWrongWithSubsetsIsAProblemOfTheFieldThatNamesThem(t *testing.T) {
	pinned := service()
	pinned.Spec.Selector[v1alpha1.PodTemplateHashLabel] = "aaa"
	for _, c := range []struct {
		subsets traffic.Subsets
		of      *corev1.Service
		says    string
	}{
		{traffic.Subsets{Service: "app"}, service(), ""},
		{traffic.Subsets{Problem: "add it"}, nil, subsetsField + ": add it"},
		{traffic.Subsets{Service: "app"}, nil, subsetsField + ": its host is Service \"app\", and there is none in namespace shop; create it, or correct the host"},
		{traffic.Subsets{Service: "app"}, pinned, subsetsField + ": the selector of Service \"app\" has pod-template-hash=aaa, so its subsets can reach no other revision; remove that key from it"},
	} {
		w := observedSubsets(t, c.subsets, c.of)
		w.wantedSubsets = w.subsets
		problems := w.referenceProblems()
		if c.says == "" {
			require.Empty(t, problems)
			continue
		}
		require.Len(t, problems, 1)
		require.Equal(t, c.says, problems[0].Message)
	}
}
