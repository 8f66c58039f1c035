package controller

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/jsonpath"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// argumentPrefix begins the variable that stands for an argument: {{args.host}}.
const argumentPrefix = "args."

// subject is what arguments can be taken from.
type subject struct {
	// object is the Rollout, nil for an analysis on its own.
	object *v1alpha1.Rollout
	// variables are those of the queries.
	variables map[string]string
}

// values adds the arguments to the variables. Those that must never be seen are told apart, by where they are found: in the
// namespace of the Rollout, also for a template of the whole cluster.
func (s subject) values(args map[string]v1alpha1.Argument) (variables map[string]string, secrets map[string]v1alpha1.SecretKey, err error) {
	variables, secrets = maps.Clone(s.variables), map[string]v1alpha1.SecretKey{}
	for _, name := range slices.Sorted(maps.Keys(args)) {
		arg := args[name]
		if secret(arg) {
			secrets[name] = v1alpha1.SecretKey{Name: arg.ValueFrom.SecretKeyRef.Name, Key: arg.ValueFrom.SecretKeyRef.Key}
			continue
		}
		value, err := s.value(arg)
		if err != nil {
			return nil, nil, fmt.Errorf("argument %s: %w", name, err)
		}
		variables[argumentPrefix+name] = value
	}
	return variables, secrets, nil
}

func (s subject) value(arg v1alpha1.Argument) (string, error) {
	switch from := arg.ValueFrom; {
	case from == nil:
		value, err := analysis.Expand(*arg.Value, s.variables)
		if err != nil {
			return "", fmt.Errorf("value %q: %w", *arg.Value, err)
		}
		return value, nil
	case from.FieldRef != nil:
		return s.field(from.FieldRef.FieldPath)
	case from.PodTemplateHashValue == "Stable":
		return s.hash("stableRevision")
	default:
		return s.hash("revision")
	}
}

func (s subject) hash(variable string) (string, error) {
	if hash, there := s.variables[variable]; there {
		return hash, nil
	}
	return "", fmt.Errorf("podTemplateHashValue: there are no revisions outside of a Rollout; give it a value")
}

// field reads one field of the Rollout.
func (s subject) field(path string) (string, error) {
	if s.object == nil {
		return "", fmt.Errorf("fieldRef %q: there is no Rollout to read it from; give the argument a value", path)
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(s.object)
	if err != nil {
		return "", fmt.Errorf("fieldRef %q: %w", path, err)
	}
	reader := jsonpath.New("fieldRef")
	if err := reader.Parse("{." + strings.TrimPrefix(path, ".") + "}"); err != nil {
		return "", fmt.Errorf("fieldRef.fieldPath %q is no JSONPath: %w; write for example metadata.labels['region']", path, err)
	}
	var out bytes.Buffer
	if err := reader.Execute(&out, fields); err != nil {
		return "", fmt.Errorf("fieldRef.fieldPath %q: the Rollout has no such field: %w", path, err)
	}
	return out.String(), nil
}

// secretIn is the name of a secret that a text would show, empty if it shows none.
func secretIn(secrets map[string]v1alpha1.SecretKey, texts ...string) string {
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		for _, text := range texts {
			compact := strings.ReplaceAll(text, " ", "")
			if strings.Contains(compact, "{{"+argumentPrefix+name+"}}") {
				return name
			}
		}
	}
	return ""
}
