package v1alpha1_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func TestAProviderIsReadAndWrittenWithoutLossWhetherItCanBeUnderstoodOrNot(t *testing.T) {
	for text, mistake := range map[string]string{
		`{"web":{"url":"http://web/","authorization":{"bearer":{"name":"keys","key":"token"}}}}`: "",
		`{"web":{"url":"http://web/","authorization":{"bearer":"{{args.token}}"}}}`:              "",
		`{"job":{"spec":{"template":{"newer":1}}}}`:                                              "",
		`{"web":{"url":{"a":[1,"b"]},"other":null}}`:                                             "web.url is an object; it must be a text",
		`{"web":{"url":"http://web/","authorization":{"bearer":{"name":"keys"}}}}`:               "web.authorization.bearer.key is missing",
		`{"web":{"url":"http://web/","authorization":{"bearer":"{{token}}"}}}`:                   "web.authorization.bearer is a text, which can't be read: a credential is {name: SECRET, key: KEY}",
		`{"graphite":[]}`: "graphite is a list; it must be an object of address, query,",
		`5`:               "is 5, a number; it must be an object of prometheus, web,",
	} {
		var p v1alpha1.MetricProvider
		require.NoError(t, json.Unmarshal([]byte(text), &p))
		for _, p := range []*v1alpha1.MetricProvider{&p, p.DeepCopy()} {
			written, err := json.Marshal(p)
			require.NoError(t, err)
			require.JSONEq(t, text, string(written))
			if mistake == "" {
				require.NoError(t, p.Mistakes())
				continue
			}
			require.ErrorContains(t, p.Mistakes(), mistake)
			require.Nil(t, p.Web)
		}
	}
}

func TestAnArgumentStandsInThePlaceOfASecretKey(t *testing.T) {
	for _, text := range []string{`"{{args.token}}"`, `"{{ args.token }}"`} {
		var k v1alpha1.SecretKey
		require.NoError(t, json.Unmarshal([]byte(text), &k))
		require.Equal(t, v1alpha1.SecretKey{Argument: "token"}, k)
	}
	for _, text := range []string{`"tok-Qx81"`, `"{{args.}}"`, `"{{args.a}}{{args.b}}"`, `"Bearer {{args.a}}"`, `""`} {
		err := json.Unmarshal([]byte(text), new(v1alpha1.SecretKey))
		require.ErrorContains(t, err, "a credential is")
		require.NotContains(t, err.Error(), "tok-Qx81")
	}
}
