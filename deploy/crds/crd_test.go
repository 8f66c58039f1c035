package crds_test

import (
	"context"
	stdjson "encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/rollout-dev/rollout/deploy/crds"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// kubectl apply keeps a copy of what it applied in an annotation, and all annotations of an object together may have
// 256 KiB. The margin is for those of GitOps tools and for the fields of the next core/v1.
const maxCRDBytes = 224 << 10

func TestTheCRDsAreSmallEnoughForClientSideApply(t *testing.T) {
	for _, crd := range crds.All() {
		text, err := yaml.YAMLToJSON(crd)
		require.NoError(t, err)
		require.Less(t, len(text), maxCRDBytes)
	}
}

func TestTheAPIServerAcceptsTheCRDsAndTheCostOfTheirRules(t *testing.T) {
	for _, text := range crds.All() {
		crd := internal(t, text)
		// The API server's registry sets this before it validates.
		crd.Status.StoredVersions = []string{v1alpha1.GroupVersion.Version}
		require.Empty(t, crdvalidation.ValidateCustomResourceDefinition(t.Context(), crd), crd.Name)
	}
}

func TestThePodTemplateSchemaSetsNoDefaultAndKeepsUnknownFieldsAtEveryLevel(t *testing.T) {
	template := structural(t).Properties["spec"].Properties["template"]
	schemas := 0
	visitor := structuralschema.Visitor{Structural: func(s *structuralschema.Structural) bool {
		schemas++
		require.Nil(t, s.Default.Object, "a default in %q", s.Description)
		if s.Type == "object" && s.AdditionalProperties == nil {
			require.True(t, s.XPreserveUnknownFields, "unknown fields are lost in %q", s.Description)
		}
		return false
	}}
	visitor.Visit(&template)
	require.Greater(t, schemas, 800, "the schema of a pod template has been lost")
}

func TestAnAcceptedTemplateIsStoredAsWritten(t *testing.T) {
	rollout := example(t)
	before := runtime.DeepCopyJSON(rollout)
	server := newServer(t)
	require.Empty(t, server.create(t.Context(), rollout))
	require.Equal(t, before["spec"].(map[string]any)["template"], rollout["spec"].(map[string]any)["template"])
}

// The controller says what is wrong with them, so they have to reach it.
func TestTheFieldsOfAProviderAreStoredAsWritten(t *testing.T) {
	const text = `{"web": {"ulr": "http://web/", "body": 5, "authorization": {"bearer": "{{args.token}}"}, "headers": [{"title": "X"}]}}`
	rollout := mergePatch(example(t), parse(t, []byte(`{"spec": {"strategy": {"canary": {"analysis": {"metrics": [
		{"name": "x", "threshold": {"min": "1"}, "provider": `+text+`}]}}}}}`)))
	require.Empty(t, newServer(t).create(t.Context(), rollout))
	canary := rollout["spec"].(map[string]any)["strategy"].(map[string]any)["canary"].(map[string]any)
	metric := canary["analysis"].(map[string]any)["metrics"].([]any)[0].(map[string]any)
	require.Equal(t, parse(t, []byte(text)), metric["provider"])
}

// The controller reads all Rollouts in one list: what is stored and can't be read stops the releases of everybody.
func TestNothingIsStoredThatTheControllerCanNotRead(t *testing.T) {
	server := newServer(t)
	for _, text := range []string{
		`{"strategy": {"canary": {"steps": [{"pause": {"duration": "999999h999999h999999h"}}]}}}`,
		`{"strategy": {"canary": {"bake": {"duration": "999999h999999h999999h"}}}}`,
		`{"strategy": {"canary": {"analysis": {"metrics": [{"name": "success-rate", "threshold": {"min": "1"}, "initialDelay": "999999h999999h999999h"}]}}}}`,
		`{"gates": [{"name": "g", "at": "BeforeRelease", "web": {"url": "https://g"}, "deadline": "999999h999999h999999h"}]}`,
		`{"strategy": {"canary": {"maxSurge": 99999999999}}}`,
		`{"strategy": {"canary": {"maxUnavailable": 99999999999}}}`,
		`{"strategy": {"canary": null, "blueGreen": {"activeService": "a", "previewService": "b", "maxSurge": 99999999999}}}`,
		`{"restartAt": "2026-01-01t00:00:00z"}`,
		`{"restartAt": "2026-01-01T00:00:00:5Z"}`,
		`{"restartAt": "2026-01-01T00:00:00+99:00"}`,
		`{"replicas": 99999999999}`,
		`{"progressDeadlineSeconds": 99999999999}`,
	} {
		rollout := mergePatch(example(t), parse(t, []byte(`{"spec": `+text+`}`)))
		require.NotEmpty(t, server.create(t.Context(), rollout), text)
	}
	longest := mergePatch(example(t), parse(t, []byte(`{"spec": {"restartAt": "2026-01-01T00:00:00.123+14:00", "strategy": {"canary": {"maxSurge": 2147483647, "steps": [{"pause": {"duration": "999999h999999h9h"}}]}}}}`)))
	require.Empty(t, server.create(t.Context(), longest))
	stored, err := stdjson.Marshal(longest)
	require.NoError(t, err)
	require.NoError(t, stdjson.Unmarshal(stored, &v1alpha1.Rollout{}))
}

func TestGoodRolloutsAreAccepted(t *testing.T) {
	server := newServer(t)
	for _, c := range cases(t, "accepted.yaml") {
		t.Run(c.Case, func(t *testing.T) {
			require.Empty(t, server.create(t.Context(), c.rollout(t)))
		})
	}
}

func TestBadRolloutsAreRefusedWithTheFieldAndTheWayOut(t *testing.T) {
	server := newServer(t)
	for _, c := range cases(t, "refused.yaml") {
		t.Run(c.Case, func(t *testing.T) {
			require.NotEmpty(t, c.Errors)
			messages := strings.Join(server.create(t.Context(), c.rollout(t)), "\n")
			for _, part := range c.Errors {
				require.Contains(t, messages, part)
			}
		})
	}
}

func TestTheSelectorCanNotBeChanged(t *testing.T) {
	server := newServer(t)
	changed := example(t)
	changed["spec"].(map[string]any)["selector"] = map[string]any{"matchLabels": map[string]any{"tier": "web"}}
	messages := strings.Join(server.update(t.Context(), example(t), changed), "\n")
	require.Contains(t, messages, "spec.selector can't be changed")
}

func TestTheSelectorCanNotBeAddedOrRemoved(t *testing.T) {
	server := newServer(t)
	ofDeployment := parse(t, []byte(`{"spec": {"template": null, "workloadRef": {"name": "checkout"}}}`))
	with := mergePatch(example(t), ofDeployment)
	without := mergePatch(with, parse(t, []byte(`{"spec": {"selector": null}}`)))
	for name, messages := range map[string][]string{
		"removed": server.update(t.Context(), with, without),
		"added":   server.update(t.Context(), without, with),
	} {
		require.Contains(t, strings.Join(messages, "\n"), "spec.selector can't be added or removed", name)
	}
	require.Empty(t, server.update(t.Context(), without, without))
}

func TestTheDeploymentCanNotBeChangedAddedOrRemoved(t *testing.T) {
	server := newServer(t)
	with := mergePatch(example(t), parse(t, []byte(`{"spec": {"template": null, "workloadRef": {"name": "checkout"}}}`)))
	another := mergePatch(with, parse(t, []byte(`{"spec": {"workloadRef": {"name": "shop"}}}`)))
	more := mergePatch(with, parse(t, []byte(`{"spec": {"workloadRef": {"kind": "Deployment"}}}`)))
	for what, messages := range map[string][]string{
		"changed":          server.update(t.Context(), with, another),
		"added or removed": append(server.update(t.Context(), with, example(t)), server.update(t.Context(), example(t), with)...),
	} {
		require.Contains(t, strings.Join(messages, "\n"), "spec.workloadRef can't be "+what)
	}
	require.Empty(t, server.update(t.Context(), with, more))
}

// testCase is a change to the example, and what the API server says about the result.
type testCase struct {
	Case   string             `json:"case"`
	Patch  stdjson.RawMessage `json:"patch"`
	Errors []string           `json:"errors"`
}

func (c testCase) rollout(t *testing.T) map[string]any {
	t.Helper()
	return mergePatch(example(t), parse(t, c.Patch))
}

// mergePatch is RFC 7386 on parsed JSON.
func mergePatch(target, patch map[string]any) map[string]any {
	merged := maps.Clone(target)
	if merged == nil {
		merged = map[string]any{}
	}
	for key, value := range patch {
		switch value := value.(type) {
		case nil:
			delete(merged, key)
		case map[string]any:
			child, _ := merged[key].(map[string]any)
			merged[key] = mergePatch(child, value)
		default:
			merged[key] = value
		}
	}
	return merged
}

func cases(t *testing.T, file string) []testCase {
	t.Helper()
	var all []testCase
	require.NoError(t, yaml.UnmarshalStrict(read(t, file), &all))
	require.NotEmpty(t, all)
	return all
}

func example(t *testing.T) map[string]any {
	t.Helper()
	text, err := yaml.YAMLToJSON(read(t, "good.yaml"))
	require.NoError(t, err)
	return parse(t, text)
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	require.NoError(t, err)
	return text
}

// parse reads numbers as the API server does, whole ones as int64; encoding/json makes floats of all.
func parse(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var object map[string]any
	require.NoError(t, json.Unmarshal(text, &object))
	return object
}

func internalCRD(t *testing.T) *apiextensions.CustomResourceDefinition {
	t.Helper()
	return internal(t, crds.Rollouts)
}

func internal(t *testing.T, text []byte) *apiextensions.CustomResourceDefinition {
	t.Helper()
	scheme := runtime.NewScheme()
	install.Install(scheme)
	var crd apiextensionsv1.CustomResourceDefinition
	require.NoError(t, yaml.UnmarshalStrict(text, &crd))
	scheme.Default(&crd)
	var converted apiextensions.CustomResourceDefinition
	require.NoError(t, scheme.Convert(&crd, &converted, nil))
	return &converted
}

func structural(t *testing.T) *structuralschema.Structural {
	t.Helper()
	s, err := structuralschema.NewStructural(internalCRD(t).Spec.Validation.OpenAPIV3Schema)
	require.NoError(t, err)
	return s
}

// server does with a Rollout what the API server does under fieldValidation=Strict, made of the API server's own parts.
type server struct {
	schema *structuralschema.Structural
	types  validation.SchemaValidator
	rules  *cel.Validator
}

func newServer(t *testing.T) server {
	t.Helper()
	types, _, err := validation.NewSchemaValidator(internalCRD(t).Spec.Validation.OpenAPIV3Schema)
	require.NoError(t, err)
	schema := structural(t)
	return server{schema: schema, types: types, rules: cel.NewValidator(schema, true, celconfig.PerCallLimit)}
}

// create returns the errors of creating the Rollout, and leaves it as it would be stored.
func (s server) create(ctx context.Context, rollout map[string]any) []string {
	return s.update(ctx, nil, rollout)
}

func (s server) update(ctx context.Context, old, rollout map[string]any) []string {
	unknown := pruning.PruneWithOptions(rollout, s.schema, true, structuralschema.UnknownFieldPathOptions{
		TrackUnknownFieldPaths: true,
	})
	defaulting.PruneNonNullableNullsWithoutDefaults(rollout, s.schema)
	defaulting.Default(rollout, s.schema)
	errs := validation.ValidateCustomResource(nil, rollout, s.types)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, s.schema, rollout)...)
	var oldObject any
	if old != nil {
		oldObject = old
	}
	broken, _ := s.rules.Validate(ctx, nil, s.schema, rollout, oldObject, celconfig.RuntimeCELCostBudget)
	var messages []string
	for _, path := range unknown {
		messages = append(messages, `unknown field "`+path+`"`)
	}
	for _, err := range append(errs, broken...) {
		messages = append(messages, err.Error())
	}
	return messages
}
