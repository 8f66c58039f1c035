package strict_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout/api/strict"
)

type inner struct {
	Key string `json:"key"`
}

type inline struct {
	Tenant string `json:"tenant,omitempty"`
}

// pair has its own way to be read.
type pair struct{ a, b string }

func (p *pair) UnmarshalJSON(text []byte) error {
	var fields struct {
		A string `json:"a"`
		B string `json:"b,omitempty"`
	}
	if string(text) == `"none"` {
		return errors.New("none is no pair")
	}
	if err := strict.Unmarshal(text, &fields); err != nil {
		return err
	}
	p.a, p.b = fields.A, fields.B
	return nil
}

type document struct {
	URL     string            `json:"url"`
	Count   int32             `json:"count,omitempty"`
	Share   float64           `json:"share,omitempty"`
	On      *bool             `json:"on,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	Inner   *inner            `json:"inner,omitempty"`
	List    []inner           `json:"list,omitempty"`
	Pair    *pair             `json:"pair,omitempty"`
	Any     any               `json:"any,omitempty"`
	Ignored string            `json:"-"`
	inline  `json:",inline"`
}

func TestADocumentThatFitsIsRead(t *testing.T) {
	var got document
	require.NoError(t, strict.Unmarshal([]byte(`{"url":"u","count":-3,"share":0.5,"on":true,"labels":{"a":"b"},"inner":{"key":"k"},
		"list":[{"key":"0"}],"pair":{"a":"1"},"any":[1,{}],"tenant":"t"}`), &got))
	on := true
	require.Equal(t, document{URL: "u", Count: -3, Share: 0.5, On: &on, Labels: map[string]string{"a": "b"}, Inner: &inner{"k"},
		List: []inner{{"0"}}, Pair: &pair{a: "1"}, Any: []any{1.0, map[string]any{}}, inline: inline{"t"}}, got)
	require.NoError(t, strict.Unmarshal([]byte(`{"url":"u","inner":null,"count":null}`), &got))
}

func TestEveryMistakeIsSaidWithItsPlaceAndTheWayOut(t *testing.T) {
	for text, want := range map[string]string{
		`{"url":"u","conut":3}`:                  `conut is 3, a number, and there is no such field; did you mean count? Known are url, count, share, on, labels, inner, list, pair, any, tenant`,
		`{"URL":"u","url":"u"}`:                  `URL is a text, and there is no such field; did you mean url?`,
		`{"url":"u","zzzzzz":"hunter2"}`:         `zzzzzz is a text, and there is no such field; known are url,`,
		`{"url":5}`:                              `url is 5, a number; it must be a text`,
		`{"url":["u"]}`:                          `url is a list; it must be a text`,
		`{}`:                                     `url is missing; it must be a text`,
		`{"url":null}`:                           `url is missing; it must be a text`,
		`{"url":"u","count":"3"}`:                `count is "3", a text; it must be a whole number`,
		`{"url":"u","count":3.5}`:                `count is 3.5, a number; it must be a whole number`,
		`{"url":"u","count":3000000000}`:         `count is 3000000000, a number; it must be a whole number`,
		`{"url":"u","share":"a"}`:                `share is "a", a text; it must be a number`,
		`{"url":"u","on":"true"}`:                `on is "true", a text; it must be true or false`,
		`{"url":"u","labels":{"a":1}}`:           `labels.a is 1, a number; it must be a text`,
		`{"url":"u","labels":[]}`:                `labels is a list; it must be an object`,
		`{"url":"u","inner":"hunter2"}`:          `inner is a text; it must be an object of key`,
		`{"url":"u","inner":{}}`:                 `inner.key is missing; it must be a text`,
		`{"url":"u","list":[{"key":"0"},{}]}`:    `list[1].key is missing`,
		`{"url":"u","list":[{"kye":"0"}]}`:       `list[0].kye is a text, and there is no such field; did you mean key? Known are key; list[0].key is missing`,
		`{"url":"u","list":{"key":"0"}}`:         `list is an object; it must be a list`,
		`{"url":"u","pair":{"b":"1","c":"2"}}`:   `pair.c is a text, and there is no such field; known are a, b; pair.a is missing`,
		`{"url":"u","pair":"none"}`:              `pair is a text, which can't be read: none is no pair`,
		`{"url":"u","count":true,"share":false}`: `count is true; it must be a whole number; share is false; it must be a number`,
		`{"url"`:                                 `is no JSON: unexpected EOF`,
		`[]`:                                     `is a list; it must be an object of url,`,
	} {
		got := document{URL: "before"}
		err := strict.Unmarshal([]byte(text), &got)
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "hunter2", "a text that nothing is known of may be a credential")
		require.Equal(t, document{URL: "before"}, got)
	}
}

func TestTheFieldsOfOthersAreReadTheirWay(t *testing.T) {
	var got struct {
		At time.Time `json:"at"`
	}
	require.NoError(t, strict.Unmarshal([]byte(`{"at":"2026-01-02T03:04:05Z"}`), &got))
	require.Equal(t, 2026, got.At.Year())
	require.ErrorContains(t, strict.Unmarshal([]byte(`{"at":"today"}`), &got), "at is a text, which can't be read: ")
}

func FuzzUnmarshal(f *testing.F) {
	f.Add(`{"url":"u","list":[{"key":"0"}],"pair":{"a":"1"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var got document
		if strict.Unmarshal([]byte(text), &got) == nil {
			require.NoError(t, json.Unmarshal([]byte(text), new(document)))
		}
	})
}
