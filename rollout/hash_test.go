package rollout_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout"
)

// These hashes are the names of ReplicaSets in people's clusters. One that changes redeploys everything they run.
func TestHashesOfTemplatesNeverChange(t *testing.T) {
	for template, want := range map[string]string{
		`{}`: "szfcgw5fwv",
		`{"metadata":{"labels":{"app":"checkout"}},"spec":{"containers":[{"name":"app","image":"checkout:1"}]}}`: "sl56479fbv",
		`{"spec":{"containers":[{"name":"app","image":"<a&b>","args":["é","\u2028"]}]}}`:                         "x2lw79vfsq",
		`{"spec":{"terminationGracePeriodSeconds":9007199254740993}}`:                                            "7vmrwlww4m",
	} {
		require.Equal(t, want, hash(t, template), template)
	}
}

func TestHashIgnoresWhatSaysNothing(t *testing.T) {
	plain := hash(t, `{"metadata":{"labels":{"a":"1","b":"2"}},"spec":{"containers":[{"name":"x"}]}}`)
	for what, template := range map[string]string{
		"order of keys": `{"spec":{"containers":[{"name":"x"}]},"metadata":{"labels":{"b":"2","a":"1"}}}`,
		"white space":   "{ \"metadata\": {\n\"labels\": {\"a\": \"1\", \"b\": \"2\"}},\t\"spec\": {\"containers\": [ {\"name\":\"x\"} ]}}",
		"null fields":   `{"metadata":{"creationTimestamp":null,"labels":{"a":"1","b":"2"}},"spec":{"containers":[{"name":"x","env":null}]}}`,
		"escapes":       `{"metadata":{"labels":{"\u0061":"1","b":"2"}},"spec":{"containers":[{"name":"\u0078"}]}}`,
	} {
		require.Equal(t, plain, hash(t, template), what)
	}
}

func TestHashTellsTemplatesApart(t *testing.T) {
	seen := map[string]string{}
	for _, template := range []string{
		`{}`,
		`{"spec":{}}`,
		`{"spec":{"containers":[]}}`,
		`{"spec":{"containers":[null]}}`,
		`{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}`,
		`{"spec":{"containers":[{"name":"b"},{"name":"a"}]}}`,
		`{"spec":{"priority":1}}`,
		`{"spec":{"priority":"1"}}`,
		`{"spec":{"priority":2}}`,
		// Numbers count as they are written. Kubernetes' own types are integers; a tool that begins to write 1.0 where it
		// wrote 1 is a change of the template, like any other that can be seen in it.
		`{"spec":{"priority":1.0}}`,
		`{"spec":{"priority":1e0}}`,
		// Beyond what a float can hold.
		`{"spec":{"priority":9007199254740992}}`,
		`{"spec":{"priority":9007199254740993}}`,
	} {
		revision := hash(t, template)
		require.Empty(t, seen[revision], "%s and %s have the same hash", template, seen[revision])
		seen[revision] = template
	}
}

func TestHashIsALabelValueWithoutWords(t *testing.T) {
	require.Regexp(t, `^[bcdfghjklmnpqrstvwxz2456789]{10}$`, hash(t, `{"spec":{}}`))
}

func TestHashRefusesWhatIsNoObject(t *testing.T) {
	for _, template := range []string{``, `[]`, `"x"`, `{`, `{"a":}`, `3`} {
		_, err := rollout.Hash([]byte(template))
		require.ErrorContains(t, err, "read the pod template", template)
	}
}

func FuzzHash(f *testing.F) {
	f.Add([]byte(`{"spec":{"containers":[{"name":"app","image":"checkout:1","env":null}]}}`))
	f.Add([]byte(`{"a":1.0,"b":[{"c":null},null]}`))
	f.Fuzz(func(t *testing.T, template []byte) {
		revision, err := rollout.Hash(template)
		if err != nil {
			return
		}
		var compact map[string]json.RawMessage
		if json.Unmarshal(template, &compact) != nil {
			return
		}
		again, err := json.Marshal(compact)
		require.NoError(t, err)
		require.Equal(t, revision, hash(t, string(again)))
	})
}

func hash(t *testing.T, template string) rollout.Revision {
	t.Helper()
	revision, err := rollout.Hash([]byte(template))
	require.NoError(t, err)
	return revision
}
