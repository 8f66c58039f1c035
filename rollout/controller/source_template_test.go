package controller

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// served is a ReplicaSet as the API server would give it out.
func served(t *testing.T, body []byte) lentSet {
	t.Helper()
	var set lentSet
	require.NoError(t, json.Unmarshal(body, &set))
	return set
}

func parsed(t *testing.T, raw string) map[string]any {
	t.Helper()
	tree, err := template{raw: []byte(raw)}.tree()
	require.NoError(t, err)
	return tree
}

func TestATemplateIsRecognizedUnderEverythingThatTheEngineAdds(t *testing.T) {
	for name, raw := range map[string]string{
		"bare":                 `{"metadata":{"labels":{"app":"checkout"}},"spec":{"containers":[]}}`,
		"with annotations":     `{"metadata":{"labels":{"app":"checkout"},"annotations":{"a":"b"}},"spec":{"containers":[],"future":9007199254740993}}`,
		"with rules":           `{"metadata":{"labels":{"app":"checkout"}},"spec":{"affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"zone"}]}}}}`,
		"with other rules":     `{"metadata":{"labels":{"app":"checkout"}},"spec":{"affinity":{"nodeAffinity":{"x":1}}}}`,
		"with the weaker kind": `{"metadata":{"labels":{"app":"checkout"}},"spec":{"affinity":{"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":2}]}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, strength := range []*v1alpha1.AntiAffinity{
				nil, {Required: &v1alpha1.RequiredAntiAffinity{}}, {Preferred: &v1alpha1.PreferredAntiAffinity{Weight: 3}},
			} {
				r := exampleRollout(raw)
				r.Spec.Strategy.Canary.AntiAffinity = strength
				r.Spec.Strategy.Canary.CanaryMetadata = &v1alpha1.PodMetadata{Labels: map[string]string{"role": "canary"}, Annotations: map[string]string{"note": "new"}}
				body, err := exampleWorld(t, r).newReplicaSet("abc", 1, 1)
				require.NoError(t, err)
				set := served(t, body)
				before := string(set.Spec.Template.Raw())
				tree, err := plain(&set)
				require.NoError(t, err)
				require.True(t, sameTree(tree, parsed(t, raw)), "%s", text(tree))
				require.Equal(t, before, string(set.Spec.Template.Raw()))
			}
		})
	}
}

func TestOtherTemplatesAreNotTakenForTheSame(t *testing.T) {
	a := parsed(t, `{"metadata":{"labels":{"app":"x"}},"spec":{"containers":[{"image":"a"}]}}`)
	require.True(t, sameTree(a, parsed(t, `{"metadata":{"creationTimestamp":null,"labels":{"app":"x"}},"spec":{"containers":[{"image":"a"}]}}`)))
	for _, other := range []string{
		`{"metadata":{"labels":{"app":"x"}},"spec":{"containers":[{"image":"b"}]}}`,
		`{"metadata":{"labels":{"app":"x","more":"y"}},"spec":{"containers":[{"image":"a"}]}}`,
		`{"metadata":{"labels":{"app":"x"}},"spec":{"containers":[{"image":"a"}],"future":{}}}`,
		`{"metadata":{"labels":{}},"spec":{"containers":[{"image":"a"}]}}`,
	} {
		require.False(t, sameTree(a, parsed(t, other)), other)
		require.False(t, sameTree(parsed(t, other), a), other)
	}
}

func TestAChangeAppliedToWhereItComesFromLeadsToWhereItGoes(t *testing.T) {
	from := parsed(t, `{"a":{"b":1,"c":{"d":[1]}},"e":2,"f":null,"g":"x"}`)
	to := parsed(t, `{"a":{"c":{"d":[1,2]},"h":{"i":1}},"e":2,"g":{"j":1}}`)
	require.Equal(t, parsed(t, `{"a":{"b":null,"c":{"d":[1,2]},"h":{"i":1}},"g":{"j":1}}`), change(from, to))
	require.Empty(t, change(to, to))
}
