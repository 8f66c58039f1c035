package v1alpha1

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/rollout-dev/rollout/rollout/api/strict"
)

// plainProvider is read and written field by field.
type plainProvider MetricProvider

// UnmarshalJSON never fails. The schema leaves the fields of a provider open, so anything may stand there, and one object that
// can't be read would keep a client from all others of its list. What can't be read is kept as it is, and Mistakes says why.
func (p *MetricProvider) UnmarshalJSON(document []byte) error {
	var read plainProvider
	if strict.Unmarshal(document, &read) != nil {
		read = plainProvider{unread: bytes.Clone(document)}
	}
	*p = MetricProvider(read)
	return nil
}

// MarshalJSON writes what was read.
func (p MetricProvider) MarshalJSON() ([]byte, error) {
	if p.unread != nil {
		return p.unread, nil
	}
	return json.Marshal(plainProvider(p))
}

// Mistakes says why a provider that was read can't be understood: fields that there are not, or that are missing, and values
// of another type, each with its path. It is nil, or a *strict.Error.
func (p *MetricProvider) Mistakes() error {
	if p.unread == nil {
		return nil
	}
	return strict.Unmarshal(p.unread, &plainProvider{})
}

// The text that stands for an argument is argumentBegin, its name and argumentEnd.
const (
	argumentBegin = "{{args."
	argumentEnd   = "}}"
)

// plainSecretKey is read and written field by field.
type plainSecretKey SecretKey

// UnmarshalJSON reads the name of a Secret and of a key in it, or an argument that stands for both.
func (k *SecretKey) UnmarshalJSON(document []byte) error {
	var text string
	if json.Unmarshal(document, &text) != nil {
		return json.Unmarshal(document, (*plainSecretKey)(k))
	}
	name, begins := strings.CutPrefix(strings.ReplaceAll(text, " ", ""), argumentBegin)
	name, ends := strings.CutSuffix(name, argumentEnd)
	if !begins || !ends || name == "" || strings.ContainsAny(name, "{}") {
		// Not the text: it may be the credential itself.
		return errors.New("a credential is {name: SECRET, key: KEY}, or {{args.NAME}} with an argument that comes from a Secret")
	}
	*k = SecretKey{Argument: name}
	return nil
}

// MarshalJSON writes what was read.
func (k SecretKey) MarshalJSON() ([]byte, error) {
	if k.Argument != "" {
		return json.Marshal(argumentBegin + k.Argument + argumentEnd)
	}
	return json.Marshal(plainSecretKey(k))
}
