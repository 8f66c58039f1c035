package outbound_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis/outbound"
)

func TestSecretsAreHiddenHoweverTheyAreWritten(t *testing.T) {
	const secret = `p"ä ss/wörd+=`
	hidden := outbound.Hide(secret, "", " ", "p")
	for _, text := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)), `p\"ä ss/wörd+=`} {
		require.Equal(t, "it is ***.", strings.ReplaceAll(hidden.In("it is "+text+"."), "p", "***"), text)
	}
	require.Equal(t, "*** and ***", outbound.Hide("one").And("two").In("one and two"))
}

func TestAnErrorIsOneShortLineThatKeepsItsCause(t *testing.T) {
	cause := errors.New("cause")
	server := outbound.Server{Kind: "Test", Address: "http://test", Secrets: outbound.Hide("s3cr3t")}
	err := server.Failed(strings.Repeat("a\n", 1000), cause, strings.Repeat("s3cr3t ", 1000))
	require.ErrorIs(t, err, cause)
	require.NotContains(t, err.Error(), "s3cr3t")
	require.NotContains(t, err.Error(), "\n")
	require.Less(t, len(err.Error()), 450, "there is an end to what is quoted")
}

func TestCredentialsStayWithTheirServer(t *testing.T) {
	seen := make(chan string, 1)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("X-Key") + r.Header.Get("Authorization")
	}))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Key") != "secret" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		http.Redirect(w, r, other.URL, http.StatusFound)
	}))
	defer server.Close()
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	client := outbound.Client(outbound.Authorized(http.DefaultTransport, u, func(r *http.Request) error { r.Header.Set("X-Key", "secret"); return nil }))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	response, err := client.Do(request)
	require.NoError(t, err)
	response.Body.Close()
	require.Empty(t, <-seen)
	require.Empty(t, request.Header.Get("X-Key"), "the caller's request stays as it was")
}

func TestWhatIsLeftOfASecretAtTheEndOfACutTextIsHidden(t *testing.T) {
	s := outbound.Hide("tok-Qx81", "tok/Qx82")
	for text, want := range map[string]string{
		"sent tok-Qx81 and tok-Q…":      "sent *** and ***…",
		"sent tok…, and tok%2FQ… again": "sent ***…, and ***… again",
		"sent tok-Q":                    "sent tok-Q",
		"it was not…":                   "it was not…",
		"it is to…":                     "it is to…",
		"…":                             "…",
	} {
		require.Equal(t, want, s.In(text))
	}
	require.Equal(t, "a…", outbound.Hide().In("a…"))
}
