// Package patch makes JSON patches that write only what is the engine's in objects that belong to somebody else. It works on the JSON
// as it was read: Go types would drop what is newer than they.
package patch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// Operation is one of a JSON patch (RFC 6902).
//
// Only texts and numbers should be tested: the API server's library panics on a test of a value with a null in a list, and
// the client sees an internal error.
type Operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// Test lets the patch apply only if a field has a value.
func Test(path string, value any) Operation { return Operation{"test", path, value} }

// Set gives a field a value, whether or not it is there. In a list it inserts one.
func Set(path string, value any) Operation { return Operation{"add", path, value} }

// Remove removes what is there.
func Remove(path string) Operation { return Operation{Op: "remove", Path: path} }

// Render makes the patch; it applies only to the very version of the object that the changes were made for. It is nil without changes.
func Render(uid, resourceVersion string, changes []Operation) ([]byte, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	return json.Marshal(append([]Operation{Test("/metadata/uid", uid), Test("/metadata/resourceVersion", resourceVersion)}, changes...))
}

// Fields are the fields of a JSON object that are there; null is none.
func Fields(object json.RawMessage) (map[string]json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	if IsNull(object) {
		return fields, nil
	}
	if err := json.Unmarshal(object, &fields); err != nil {
		return nil, err
	}
	for name, value := range fields {
		if IsNull(value) {
			delete(fields, name)
		}
	}
	return fields, nil
}

// Entries are the entries of a JSON list; null is an empty one.
func Entries(list json.RawMessage) (entries []json.RawMessage, err error) {
	if IsNull(list) {
		return nil, nil
	}
	err = json.Unmarshal(list, &entries)
	return entries, err
}

// IsNull is true for what isn't there at all, too.
func IsNull(value json.RawMessage) bool { return len(value) == 0 || string(value) == "null" }

// JSON of texts, numbers and other JSON, or of maps and lists of these, which can't fail.
func JSON(value any) json.RawMessage {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", value, err))
	}
	return raw
}

// Same says whether two values are the same but for the order of fields and white space.
func Same(a, b json.RawMessage) bool {
	return bytes.Equal(a, b) || reflect.DeepEqual(decoded(a), decoded(b))
}

// decoded keeps numbers as they are written: a float64 can't tell 9007199254740993 from the one before.
func decoded(raw json.RawMessage) any {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return nil
	}
	return value
}
