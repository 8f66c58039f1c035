package controller

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// filler fills the variables into the texts of a provider. Secrets are never filled in: where one may be used its argument stays,
// for whoever asks the provider to read.
type filler struct {
	variables map[string]string
	// secrets are the arguments that come from Secrets, by name.
	secrets map[string]v1alpha1.SecretKey
}

// expandProvider replaces the variables in all texts of a provider. {{window}} stays in its query, the only place where
// it is replaced before the query is asked. Errors begin with the field.
func expandProvider(p v1alpha1.MetricProvider, f filler) (v1alpha1.MetricProvider, string, error) {
	p = *p.DeepCopy()
	place, field := queryOf(&p)
	with := filler{maps.Clone(f.variables), f.secrets}
	with.variables[analysis.WindowVariable] = "{{" + analysis.WindowVariable + "}}"
	query, err := with.text(field, *place)
	if err != nil {
		return p, "", err
	}
	*place = ""
	delete(with.variables, analysis.WindowVariable)
	if err := with.fill("provider", reflect.ValueOf(&p).Elem()); err != nil {
		return p, "", err
	}
	*place = query
	return p, query, nil
}

// queryOf is where the query of a provider stands, and its field; a text of nobody's if it has none.
func queryOf(p *v1alpha1.MetricProvider) (*string, string) {
	switch {
	case p.Prometheus != nil:
		return &p.Prometheus.Query, "provider.prometheus.query"
	case p.Web != nil:
		return &p.Web.URL, "provider.web.url"
	case p.Datadog != nil:
		return &p.Datadog.Query, "provider.datadog.query"
	case p.NewRelic != nil:
		return &p.NewRelic.Query, "provider.newRelic.query"
	case p.InfluxDB != nil:
		return &p.InfluxDB.Query, "provider.influxdb.query"
	case p.Graphite != nil:
		return &p.Graphite.Query, "provider.graphite.query"
	}
	return new(string), ""
}

// fill replaces the variables in all texts of a value, keys of maps excepted.
func (f filler) fill(field string, v reflect.Value) error {
	switch v.Kind() { //nolint:exhaustive // Nothing else holds a text.
	case reflect.String:
		text, err := f.text(field, v.String())
		v.SetString(text)
		return err
	case reflect.Pointer:
		if !v.IsNil() {
			return f.fill(field, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := f.fill(fmt.Sprintf("%s[%d]", field, i), v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(key))
			if err := f.fill(field+"."+key.String(), value); err != nil {
				return err
			}
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		return f.object(field, v)
	}
	return nil
}

// object fills the fields of a struct. Two kinds of it take secrets.
func (f filler) object(field string, v reflect.Value) error {
	switch object := v.Addr().Interface().(type) {
	case *v1alpha1.SecretKey:
		if object.Argument != "" {
			return f.credential(field, object.Argument)
		}
	case *v1alpha1.Header:
		if secret := secretIn(f.secrets, object.Value); secret != "" {
			f.variables = maps.Clone(f.variables)
			for name := range f.secrets {
				f.variables[argumentPrefix+name] = "{{" + argumentPrefix + name + "}}"
			}
			var err error
			object.Value, err = analysis.Expand(object.Value, f.variables)
			return at(field+".value", err)
		}
	case *runtime.RawExtension:
		return f.document(field, object)
	}
	for i := range v.NumField() {
		as := v.Type().Field(i)
		name, _, _ := strings.Cut(as.Tag.Get("json"), ",")
		switch {
		case !as.IsExported() || name == "-":
			continue
		case name != "":
			name = field + "." + name
		default: // embedded
			name = field
		}
		if err := f.fill(name, v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

// document fills a document that this program has no type for.
func (f filler) document(field string, raw *runtime.RawExtension) error {
	var fields any
	if err := json.Unmarshal(raw.Raw, &fields); err != nil {
		return at(field, fmt.Errorf("can't be read: %w", err))
	}
	fields, err := f.parts(field, fields)
	if err != nil {
		return err
	}
	raw.Raw, err = json.Marshal(fields)
	return at(field, err)
}

// parts are those of a document with their variables replaced, keys of objects excepted.
func (f filler) parts(field string, value any) (any, error) {
	var err error
	switch v := value.(type) {
	case string:
		return f.text(field, v)
	case []any:
		for i := range v {
			if v[i], err = f.parts(fmt.Sprintf("%s[%d]", field, i), v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if v[name], err = f.parts(field+"."+name, v[name]); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

// text replaces the variables of a text that everybody may see.
func (f filler) text(field, text string) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	if name := secretIn(f.secrets, text); name != "" {
		return "", at(field, fmt.Errorf("the argument %s is a secret and would be seen there; %s", name, wayOut(field)))
	}
	text, err := analysis.Expand(text, f.variables)
	return text, at(field, err)
}

// wayOut says where a secret can be used.
func wayOut(field string) string {
	if strings.HasPrefix(field, "provider.job.") {
		return "name the Secret itself, in env[].valueFrom.secretKeyRef of the container"
	}
	return "use it in the value of a header, or in the place of a credential such as authorization: {bearer: \"{{args.NAME}}\"}"
}

// credential makes sure that an argument in the place of a credential is a secret.
func (f filler) credential(field, argument string) error {
	if _, secret := f.secrets[argument]; secret {
		return nil
	}
	const give = "valueFrom: {secretKeyRef: {name: SECRET, key: KEY}}"
	if _, there := f.variables[argumentPrefix+argument]; there {
		return at(field, fmt.Errorf("the argument %s has a value that everybody sees, and a credential must come from a Secret; give it %s", argument, give))
	}
	return at(field, fmt.Errorf("there is no argument %s; add it to args, with %s", argument, give))
}

// errNoArguments is why a metric can't be read whose arguments have mistakes of their own.
var errNoArguments = errors.New("its arguments have no values")

// at says where an error is; nil stays nil.
func at(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", field, err)
}
