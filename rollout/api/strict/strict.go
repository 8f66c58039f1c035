// Package strict reads JSON that no schema has checked: what would be dropped silently is a mistake, and every mistake is said with
// its place.
package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Mistake is one thing that is wrong with a document.
type Mistake struct {
	// Path leads to it: web.headers[0].name.
	Path string
	// Text says what is wrong, and the way out.
	Text string
}

// Error holds all mistakes of a document, in the order of their fields.
type Error struct{ Mistakes []Mistake }

// Error names each mistake with its path.
func (e *Error) Error() string {
	var texts []string
	for _, m := range e.Mistakes {
		texts = append(texts, strings.TrimSpace(m.Path+" "+m.Text))
	}
	return strings.Join(texts, "; ")
}

// Under is the same error for a document that stands in a field of another.
func (e *Error) Under(field string) *Error {
	under := &Error{}
	for _, m := range e.Mistakes {
		under.Mistakes = append(under.Mistakes, Mistake{join(field, m.Path), m.Text})
	}
	return under
}

// Unmarshal reads a document into what into points at. Unlike encoding/json it wants every name as it is written in the type's
// tags, takes no field that the type doesn't have, and misses those that lack omitempty. The error is an *Error then; into stays
// as it was.
func Unmarshal(document []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return &Error{[]Mistake{{"", "is no JSON: " + err.Error()}}}
	}
	r := &reader{}
	r.members(value, reflect.TypeOf(into).Elem())
	if len(r.found.Mistakes) > 0 {
		return &r.found
	}
	if err := json.Unmarshal(document, into); err != nil {
		return &Error{[]Mistake{{"", "can't be read: " + err.Error()}}}
	}
	return nil
}

// reader goes through a document and the type that it is to become.
type reader struct {
	path  string
	found Error
}

func (r *reader) mistake(format string, args ...any) {
	r.found.Mistakes = append(r.found.Mistakes, Mistake{r.path, fmt.Sprintf(format, args...)})
}

// at reads a part of the document.
func (r *reader) at(name string, value any, as reflect.Type) {
	before := r.path
	r.path = join(before, name)
	r.value(value, as)
	r.path = before
}

func join(path, name string) string {
	if path == "" || name == "" || strings.HasPrefix(name, "[") {
		return path + name
	}
	return path + "." + name
}

// value reads something that may have its own way to be read.
func (r *reader) value(value any, as reflect.Type) {
	switch {
	case value == nil: // As if it weren't there.
	case as.Kind() == reflect.Pointer:
		r.value(value, as.Elem())
	case reflect.PointerTo(as).Implements(reflect.TypeFor[json.Unmarshaler]()) && !byFields(value, as):
		r.own(value, as)
	default:
		r.members(value, as)
	}
}

// byFields says whether a value is an object that its type describes, though the type reads other values too.
func byFields(value any, as reflect.Type) bool {
	_, object := value.(map[string]any)
	return object && as.Kind() == reflect.Struct && len(fieldsOf(as)) > 0
}

// own leaves a value to its type.
func (r *reader) own(value any, as reflect.Type) {
	document, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(document, reflect.New(as).Interface())
	}
	if within, ok := errors.AsType[*Error](err); ok {
		r.found.Mistakes = append(r.found.Mistakes, within.Under(r.path).Mistakes...)
	} else if err != nil {
		r.mistake("is %s, which can't be read: %v", shown(value, as), err)
	}
}

// members reads a value of which nothing but its kind matters, and what it holds.
func (r *reader) members(value any, as reflect.Type) {
	switch v := value.(type) {
	case map[string]any:
		switch as.Kind() { //nolint:exhaustive // An object can be nothing else.
		case reflect.Struct:
			r.object(v, as)
			return
		case reflect.Map:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				r.at(name, v[name], as.Elem())
			}
			return
		}
	case []any:
		if as.Kind() == reflect.Slice {
			for i, item := range v {
				r.at(fmt.Sprintf("[%d]", i), item, as.Elem())
			}
			return
		}
	}
	if as.Kind() != reflect.Interface && !scalar(value, as) {
		r.mistake("is %s; it must be %s", shown(value, as), wanted(as))
	}
}

// object reads the fields of a struct.
func (r *reader) object(value map[string]any, as reflect.Type) {
	known := fieldsOf(as)
	for _, name := range slices.Sorted(maps.Keys(value)) {
		at := slices.IndexFunc(known, func(f field) bool { return f.name == name })
		if at >= 0 {
			r.at(name, value[name], known[at].as)
			continue
		}
		before := r.path
		r.path = join(before, name)
		r.mistake("is %s, and there is no such field; %s", shown(value[name], as), suggest(name, known))
		r.path = before
	}
	for _, f := range known {
		if f.required && value[f.name] == nil {
			before := r.path
			r.path = join(before, f.name)
			r.mistake("is missing; it must be %s", wanted(f.as))
			r.path = before
		}
	}
}

type field struct {
	name     string
	as       reflect.Type
	required bool
}

// fieldsOf are the fields of a struct, those of embedded ones among them.
func fieldsOf(as reflect.Type) []field {
	var all []field
	for f := range as.Fields() {
		tag, tagged := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous && name == "":
			all = append(all, fieldsOf(f.Type)...)
		case tagged && name != "-" && f.IsExported():
			all = append(all, field{name, f.Type, !strings.Contains(options, "omit")})
		}
	}
	return all
}

// scalar says whether a value is what a type without members takes.
func scalar(value any, as reflect.Type) bool {
	switch v := value.(type) {
	case string:
		return as.Kind() == reflect.String || as == reflect.TypeFor[[]byte]()
	case bool:
		return as.Kind() == reflect.Bool
	case json.Number:
		var err error
		switch {
		case as.Kind() >= reflect.Int && as.Kind() <= reflect.Int64:
			_, err = strconv.ParseInt(v.String(), 10, as.Bits())
		case as.Kind() >= reflect.Uint && as.Kind() <= reflect.Uint64:
			_, err = strconv.ParseUint(v.String(), 10, as.Bits())
		case as.Kind() == reflect.Float32 || as.Kind() == reflect.Float64:
			_, err = v.Float64()
		default:
			return false
		}
		return err == nil
	}
	return false
}

// wanted says what a type takes.
func wanted(as reflect.Type) string {
	for as.Kind() == reflect.Pointer {
		as = as.Elem()
	}
	switch kind := as.Kind(); {
	case kind == reflect.String:
		return "a text"
	case kind == reflect.Bool:
		return "true or false"
	case kind >= reflect.Int && kind <= reflect.Uint64:
		return "a whole number"
	case kind == reflect.Float32 || kind == reflect.Float64:
		return "a number"
	case kind == reflect.Slice:
		return "a list"
	case kind == reflect.Struct && len(fieldsOf(as)) > 0:
		return "an object of " + names(fieldsOf(as))
	}
	return "an object"
}

// shown is a value where one without members is wanted. A text elsewhere is only said to be one: where an object should stand, or
// under a name that is misspelled, it is often a credential, and what is wrong with a document is seen by more people than the
// document.
func shown(value any, as reflect.Type) string {
	composite := slices.Contains([]reflect.Kind{reflect.Struct, reflect.Map, reflect.Slice}, as.Kind())
	switch v := value.(type) {
	case string:
		if text := strconv.Quote(v); !composite && len(text) <= mostShown {
			return text + ", a text"
		}
	case json.Number:
		if len(v) <= mostShown {
			return v.String() + ", a number"
		}
		return "a number"
	case bool:
		return strconv.FormatBool(v)
	}
	return kindOf(value)
}

// mostShown bounds what a mistake quotes, in bytes.
const mostShown = 64

func kindOf(value any) string {
	switch value.(type) {
	case string:
		return "a text"
	case []any:
		return "a list"
	case nil:
		return "null"
	}
	return "an object"
}
