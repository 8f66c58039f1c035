package patch_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	"github.com/rollout-dev/rollout/traffic/patch"
)

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func TestRenderedPatchesApplyToTheirVersionOnly(t *testing.T) {
	none, err := patch.Render("u", "7", nil)
	require.NoError(t, err)
	require.Nil(t, none)
	body, err := patch.Render("u", "7", []patch.Operation{patch.Test("/a", 1), patch.Set("/a", 0), patch.Remove("/b")})
	require.NoError(t, err)
	decoded, err := jsonpatch.DecodePatch(body)
	require.NoError(t, err)
	const object = `{"metadata": {"uid": %q, "resourceVersion": %q}, "a": 1, "b": null}`
	done, err := decoded.Apply(fmt.Appendf(nil, object, "u", "7"))
	require.NoError(t, err)
	require.JSONEq(t, `{"metadata": {"uid": "u", "resourceVersion": "7"}, "a": 0}`, string(done))
	for _, other := range [][2]string{{"u", "8"}, {"v", "7"}} {
		_, err = decoded.Apply(fmt.Appendf(nil, object, other[0], other[1]))
		require.Error(t, err)
	}
}

func TestSameValuesMayDifferInOrderAndSpaceButNotInNumbers(t *testing.T) {
	require.True(t, patch.Same(raw(`{"a": 1, "b": [null, "<"]}`), raw(`{"b":[null,"\u003c"],"a":1}`)))
	for _, other := range []string{`{"a": 9007199254740992}`, `{"a": "9007199254740993"}`, `{}`, `[]`, ``} {
		require.False(t, patch.Same(raw(`{"a": 9007199254740993}`), raw(other)), other)
	}
}

func TestFieldsAndEntriesLeaveNullOut(t *testing.T) {
	fields, err := patch.Fields(raw(`{"a": null, "b": 1}`))
	require.NoError(t, err)
	require.Equal(t, map[string]json.RawMessage{"b": raw("1")}, fields)
	for _, nothing := range []json.RawMessage{nil, raw("null")} {
		fields, err = patch.Fields(nothing)
		require.NoError(t, err)
		require.NotNil(t, fields, "a caller may add some")
		entries, err := patch.Entries(nothing)
		require.NoError(t, err)
		require.Empty(t, entries)
	}
	_, err = patch.Fields(raw("[]"))
	require.Error(t, err)
	_, err = patch.Entries(raw("{}"))
	require.Error(t, err)
}

// TestRearrangedListsHoldWhatIsWantedAndTheOwnersRulesAsTheyWere applies what was rendered for random lists.
func TestRearrangedListsHoldWhatIsWantedAndTheOwnersRulesAsTheyWere(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 0))
		list, wanted := patch.List{Path: "/spec/http"}, map[int][]patch.Rule{}
		managed := func() patch.Rule {
			name := string(rune('a' + random.IntN(3)))
			return patch.Rule{Name: name, JSON: patch.JSON(map[string]any{"name": name, "value": random.IntN(2)}), Managed: true}
		}
		var before, after []json.RawMessage
		for i := range random.IntN(6) {
			r := managed()
			if random.IntN(2) == 0 {
				r = patch.Rule{JSON: raw(fmt.Sprintf(`{"owner":[null,%d]}`, i))}
				for range random.IntN(3) {
					wanted[i] = append(wanted[i], managed())
				}
				if random.IntN(2) == 0 {
					wanted[i] = slices.Clone(list.Rules[max(0, len(list.Rules)-1):])
					wanted[i] = slices.DeleteFunc(wanted[i], func(r patch.Rule) bool { return !r.Managed })
				}
				for _, w := range wanted[i] {
					after = append(after, w.JSON)
				}
				after = append(after, r.JSON)
			}
			list.Rules, before = append(list.Rules, r), append(before, r.JSON)
		}
		changes, astray := list.Rearrange(wanted)
		require.Equal(t, len(changes) == 0, astray == "", "seed %d", seed)
		require.Equal(t, len(changes) == 0, patch.Same(patch.JSON(before), patch.JSON(after)), "seed %d: nothing is written in vain", seed)
		body, err := patch.Render("u", "7", changes)
		require.NoError(t, err)
		if body == nil {
			continue
		}
		decoded, err := jsonpatch.DecodePatch(body)
		require.NoError(t, err)
		object := patch.JSON(map[string]any{"metadata": map[string]any{"uid": "u", "resourceVersion": "7"}, "spec": map[string]any{"http": before}})
		done, err := decoded.Apply(object)
		require.NoError(t, err, "seed %d", seed)
		var read struct {
			Spec struct{ HTTP []json.RawMessage }
		}
		require.NoError(t, json.Unmarshal(done, &read))
		require.JSONEq(t, string(patch.JSON(append([]json.RawMessage{}, after...))), string(patch.JSON(append([]json.RawMessage{}, read.Spec.HTTP...))), "seed %d", seed)
	}
}

func TestRearrangingSaysWhatIsToBeDone(t *testing.T) {
	a, b := patch.Rule{Name: "a", JSON: raw(`{"name":"a"}`), Managed: true}, patch.Rule{Name: "b", JSON: raw(`{"name":"b"}`), Managed: true}
	other, owner := patch.Rule{Name: "a", JSON: raw(`{"name":"a","x":1}`), Managed: true}, patch.Rule{JSON: raw(`{}`)}
	for _, c := range []struct {
		there, wanted []patch.Rule
		says          string
	}{
		{nil, nil, ""},
		{[]patch.Rule{a, b}, []patch.Rule{a, b}, ""},
		{[]patch.Rule{a}, []patch.Rule{a, b}, `managed route "b" is to be added in front of spec.http[2]`},
		{[]patch.Rule{b, a}, []patch.Rule{a}, `managed route "b" is to be removed from spec.http[1]`},
		{[]patch.Rule{b, a}, []patch.Rule{a, b}, `managed route "b" at spec.http[1] is to be made anew`},
		{[]patch.Rule{b, other}, []patch.Rule{b, a}, `managed route "a" at spec.http[2] is to be made anew`},
	} {
		list := patch.List{Path: "/spec/http", Rules: slices.Concat([]patch.Rule{owner}, c.there, []patch.Rule{owner})}
		_, says := list.Rearrange(map[int][]patch.Rule{1 + len(c.there): c.wanted})
		require.Equal(t, c.says, says)
	}
}
