package sources

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// hidden are the values of the Secret, none of which may be seen anywhere.
var hidden = map[string]string{
	"token": "tok-Qx81\n", "user": "usr-Kd72", "password": "pwd-Lm63", "id": "cid-Vb54", "secret": "csc-Nh45", "access": "AKIA36TEST", "private": "prv/27+Rt", "session": "ses-18Ew",
}

func key(name string) v1alpha1.SecretKey { return v1alpha1.SecretKey{Name: "keys", Key: name} }

func opener(t *testing.T, more map[string]string) (*Opener, *corev1.Secret) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "keys"}, Data: map[string][]byte{}}
	for name, value := range hidden {
		secret.Data[name] = []byte(value)
	}
	for name, value := range more {
		secret.Data[name] = []byte(value)
	}
	allow, err := outbound.ParseAllowList([]string{"127.0.0.1"})
	require.NoError(t, err)
	return NewOpener(fake.NewClientset(secret), allow), secret
}

// echo is a server that quotes what it was sent, as some proxies do, and says with which status.
func echo(t *testing.T, status int, body string) (address string, sent *[]http.Header) {
	sent = &[]http.Header{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*sent = append(*sent, r.Header.Clone())
		if r.URL.Path == "/token" {
			_ = r.ParseForm()
			user, password, _ := r.BasicAuth()
			if user+password != hidden["id"]+hidden["secret"] {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusUnauthorized)
				fmt.Fprintf(w, `{"error":"invalid_client","error_description":"%v %v"}`, r.Form, r.Header)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"access_token":"from-the-token-server","token_type":"Bearer","expires_in":3600}`)
			return
		}
		w.WriteHeader(status)
		if body != "" {
			fmt.Fprint(w, body)
			return
		}
		all, _ := json.Marshal(map[string]any{"status": "error", "errorType": "execution", "error": fmt.Sprint(r.Header, r.URL)})
		_, _ = w.Write(all)
	}))
	t.Cleanup(server.Close)
	return server.URL, sent
}

const one = `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`

func ways(address string) map[string]v1alpha1.Authorization {
	return map[string]v1alpha1.Authorization{
		"Bearer " + strings.TrimSpace(hidden["token"]): {Bearer: new(key("token"))},
		"Basic ":                       {Basic: &v1alpha1.BasicAuthorization{Username: key("user"), Password: key("password")}},
		"Bearer from-the-token-server": {OAuth2: &v1alpha1.OAuth2Authorization{TokenURL: address + "/token", ClientID: key("id"), ClientSecret: key("secret"), Scopes: []string{"read"}}},
		"AWS4-HMAC-SHA256 Credential=AKIA36TEST/": {SigV4: &v1alpha1.SigV4Authorization{Region: "eu-central-1",
			Keys: v1alpha1.AWSKeys{AccessKeyID: key("access"), SecretAccessKey: key("private"), SessionToken: new(key("session"))}}},
	}
}

func TestPrometheusIsAskedWithEachAuthorizationTenantAndHeader(t *testing.T) {
	address, sent := echo(t, http.StatusOK, one)
	for want, how := range ways(address) {
		o, _ := opener(t, nil)
		got, err := o.Query(t.Context(), Request{Namespace: "shop", Provider: v1alpha1.MetricProvider{Prometheus: &v1alpha1.PrometheusProvider{
			Address: address, Query: "up", Tenant: "team-shop",
			Connection: v1alpha1.Connection{Authorization: &how, Headers: []v1alpha1.Header{{Name: "X-Plain", Value: "a"}, {Name: "X-Key", SecretKeyRef: new(key("password"))}}},
		}}}, analysis.Query{Text: "up"})
		require.NoError(t, err, want)
		require.Equal(t, analysis.Number(1), got)
		last := (*sent)[len(*sent)-1]
		require.True(t, strings.HasPrefix(last.Get("Authorization"), want), last)
		require.Equal(t, []string{"team-shop", "a", hidden["password"]}, []string{last.Get("X-Scope-OrgID"), last.Get("X-Plain"), last.Get("X-Key")})
	}
}

func requireNothingSeen(t *testing.T, text string) {
	t.Helper()
	for name, value := range hidden {
		require.NotContains(t, text, strings.TrimSpace(value), "the value of %s is seen", name)
	}
}

func TestNoProviderShowsASecretWhenTheServerQuotesIt(t *testing.T) {
	for _, status := range []int{http.StatusUnprocessableEntity, http.StatusForbidden, http.StatusOK, http.StatusTooManyRequests} {
		address, _ := echo(t, status, "")
		var all []v1alpha1.MetricProvider
		for _, how := range ways(address) {
			c := v1alpha1.Connection{Authorization: &how}
			all = append(all, v1alpha1.MetricProvider{Prometheus: &v1alpha1.PrometheusProvider{Address: address, Query: "up", Connection: c}},
				v1alpha1.MetricProvider{Web: &v1alpha1.WebProvider{URL: address, JSONPath: "{.ratio}", Connection: c}},
				v1alpha1.MetricProvider{Graphite: &v1alpha1.GraphiteProvider{Address: address, Query: "a", Connection: c}})
		}
		all = append(all,
			v1alpha1.MetricProvider{Datadog: &v1alpha1.DatadogProvider{Address: address, Query: "a", APIKey: key("token"), ApplicationKey: key("password")}},
			v1alpha1.MetricProvider{NewRelic: &v1alpha1.NewRelicProvider{Address: address, AccountID: 1, Query: "a", UserKey: key("token")}},
			v1alpha1.MetricProvider{InfluxDB: &v1alpha1.InfluxDBProvider{Address: address, Organization: "o", Query: "a", Token: key("token")}},
			v1alpha1.MetricProvider{CloudWatch: &v1alpha1.CloudWatchProvider{Address: address, Region: "eu-central-1", Queries: []v1alpha1.CloudWatchQuery{{ID: "a", Expression: "1"}},
				Keys: v1alpha1.AWSKeys{AccessKeyID: key("access"), SecretAccessKey: key("private"), SessionToken: new(key("session"))}}})
		for _, p := range all {
			o, _ := opener(t, nil)
			_, err := o.Query(t.Context(), Request{Namespace: "shop", Provider: p}, analysis.Query{Text: "a", Window: time.Minute})
			if p.Web != nil && p.Web.URL != "" && err != nil {
				require.ErrorContains(t, err, address)
			}
			require.Error(t, err)
			requireNothingSeen(t, err.Error())
			requireNothingSeen(t, fmt.Sprintf("%+v", err))
		}
	}
}

func TestAGateIsAskedWithItsCredentialsAndShowsNone(t *testing.T) {
	for status, verdict := range map[int]analysis.Verdict{http.StatusOK: analysis.Inconclusive, http.StatusBadGateway: analysis.Error} {
		address, sent := echo(t, status, `{"verdict":"wait","reason":"Bearer tok-Qx81, pwd-Lm63"}`)
		o, _ := opener(t, nil)
		sample, err := o.Query(t.Context(), Request{Namespace: "shop", Gate: true, Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebProvider{URL: address + "/window",
			Connection: v1alpha1.Connection{Authorization: &v1alpha1.Authorization{Bearer: new(key("token"))}, Headers: []v1alpha1.Header{{Name: "X-Key", SecretKeyRef: new(key("password"))}}}}}},
			analysis.Query{Text: "{}", ID: "8f2e/1/1/window"})
		got := analysis.Judge(analysis.Metric{Gate: true}, analysis.Evidence{Sample: sample, Err: err})
		require.Equal(t, verdict, got.Verdict)
		require.Contains(t, got.Message, "***")
		requireNothingSeen(t, got.Message)
		require.Equal(t, []string{"Bearer tok-Qx81", hidden["password"], "8f2e/1/1/window"},
			[]string{(*sent)[0].Get("Authorization"), (*sent)[0].Get("X-Key"), (*sent)[0].Get("Idempotency-Key")})
	}
}

func TestAGateIsReachedOnlyWhereTheOperatorAllows(t *testing.T) {
	o, _ := opener(t, nil)
	_, err := o.Query(t.Context(), Request{Namespace: "shop", Gate: true, Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebProvider{URL: "http://169.254.169.254/latest"}}}, analysis.Query{})
	require.ErrorContains(t, err, "169.254.169.254 is refused")
}

func TestAServerThatAnswersWithWhatItWasSentGivesNoSecretAway(t *testing.T) {
	address, _ := echo(t, http.StatusOK, `{"status":"success","data":{"resultType":"vector","result":[`+
		`{"metric":{"seen":"from-the-token-server"},"value":[1,"1"]},{"metric":{"seen":"Bearer tok-Qx81"},"value":[1,"1"]}]}}`)
	how := ways(address)
	for secret, a := range map[string]v1alpha1.Authorization{"tok-Qx81": how["Bearer tok-Qx81"], "from-the-token-server": how["Bearer from-the-token-server"]} {
		o, _ := opener(t, nil)
		c := v1alpha1.Connection{Authorization: &a}
		for _, p := range []v1alpha1.MetricProvider{{Prometheus: &v1alpha1.PrometheusProvider{Address: address, Query: "up", Connection: c}}, {Web: &v1alpha1.WebProvider{URL: address, Connection: c}}} {
			got, err := o.Query(t.Context(), Request{Namespace: "shop", Provider: p}, analysis.Query{})
			require.NoError(t, err)
			require.NotContains(t, fmt.Sprint(got), secret)
			require.Contains(t, fmt.Sprint(got), "***")
		}
	}
}

func TestATokenServerThatRefusesShowsNoSecret(t *testing.T) {
	address, _ := echo(t, http.StatusOK, one)
	o, _ := opener(t, map[string]string{"id": "another"})
	how := ways(address)["Bearer from-the-token-server"]
	_, err := o.Query(t.Context(), Request{Namespace: "shop", Provider: v1alpha1.MetricProvider{Prometheus: &v1alpha1.PrometheusProvider{
		Address: address, Query: "up", Connection: v1alpha1.Connection{Authorization: &how}}}}, analysis.Query{Text: "up"})
	require.ErrorContains(t, err, "invalid_client")
	requireNothingSeen(t, err.Error())
}

func TestATokenServerIsReachedOnlyWhereTheOperatorAllows(t *testing.T) {
	address, _ := echo(t, http.StatusOK, one)
	o, _ := opener(t, nil)
	how := ways("http://127.0.0.2:1")["Bearer from-the-token-server"]
	_, err := o.Query(t.Context(), Request{Namespace: "shop", Provider: v1alpha1.MetricProvider{Prometheus: &v1alpha1.PrometheusProvider{
		Address: address, Query: "up", Connection: v1alpha1.Connection{Authorization: &how}}}}, analysis.Query{Text: "up"})
	require.ErrorContains(t, err, "127.0.0.2 is refused")
}

func TestATokenIsFetchedOnceAndKept(t *testing.T) {
	address, sent := echo(t, http.StatusOK, one)
	o, _ := opener(t, nil)
	now := time.Now()
	o.now = func() time.Time { return now }
	how := ways(address)["Bearer from-the-token-server"]
	r := Request{Namespace: "shop", Provider: v1alpha1.MetricProvider{Prometheus: &v1alpha1.PrometheusProvider{Address: address, Query: "up", Connection: v1alpha1.Connection{Authorization: &how}}}}
	for range 3 {
		_, err := o.Query(t.Context(), r, analysis.Query{Text: "up"})
		require.NoError(t, err)
		now = now.Add(2 * fresh)
	}
	require.Len(t, *sent, 4, "one for the token, three for the queries")
}

func TestARotatedSecretIsInUseAMinuteLater(t *testing.T) {
	address, sent := echo(t, http.StatusOK, one)
	o, secret := opener(t, nil)
	now := time.Now()
	o.now = func() time.Time { return now }
	how := v1alpha1.Authorization{Bearer: new(key("token"))}
	r := Request{Namespace: "shop", Provider: v1alpha1.MetricProvider{Prometheus: &v1alpha1.PrometheusProvider{Address: address, Query: "up", Connection: v1alpha1.Connection{Authorization: &how}}}}
	ask := func() string {
		_, err := o.Query(t.Context(), r, analysis.Query{Text: "up"})
		require.NoError(t, err)
		return (*sent)[len(*sent)-1].Get("Authorization")
	}
	require.Equal(t, "Bearer tok-Qx81", ask())
	secret = secret.DeepCopy()
	secret.Data["token"] = []byte("rotated")
	_, err := o.kube.CoreV1().Secrets("shop").Update(t.Context(), secret, metav1.UpdateOptions{})
	require.NoError(t, err)
	now = now.Add(2 * fresh)
	require.Equal(t, "Bearer rotated", ask())
}

func TestASecretThatIsMissingIsNamedWithItsFieldAndNamespace(t *testing.T) {
	o, _ := opener(t, nil)
	for want, ref := range map[string]v1alpha1.SecretKey{
		"datadog.apiKey: read Secret shop/none":                  {Name: "none", Key: "a"},
		`datadog.apiKey: Secret shop/keys has no key "passwort"`: {Name: "keys", Key: "passwort"},
	} {
		_, err := o.Query(t.Context(), Request{Namespace: "shop", Provider: v1alpha1.MetricProvider{Datadog: &v1alpha1.DatadogProvider{Query: "a", APIKey: ref, ApplicationKey: key("token")}}}, analysis.Query{})
		require.ErrorContains(t, err, want)
	}
	_, err := o.Query(t.Context(), Request{Namespace: "elsewhere", Provider: v1alpha1.MetricProvider{Datadog: &v1alpha1.DatadogProvider{Query: "a", APIKey: key("token"), ApplicationKey: key("token")}}}, analysis.Query{})
	require.ErrorContains(t, err, "read Secret elsewhere/keys", "a Secret is read from the Rollout's namespace only")
}

func TestTLSAcceptsTheAuthorityThatIsNamed(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"ratio":0.5}`) }))
	defer server.Close()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	o, _ := opener(t, map[string]string{"ca": ca, "junk": "junk-data"})
	ask := func(c *v1alpha1.ConnectionTLS) (analysis.Sample, error) {
		return o.Query(t.Context(), Request{Namespace: "shop", Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebProvider{URL: server.URL, JSONPath: "{.ratio}", Connection: v1alpha1.Connection{TLS: c}}}}, analysis.Query{})
	}
	got, err := ask(&v1alpha1.ConnectionTLS{CA: new(key("ca"))})
	require.NoError(t, err)
	require.Equal(t, 0.5, got.Series[0].Value)
	_, err = ask(nil)
	require.ErrorContains(t, err, "certificate")
	_, err = ask(&v1alpha1.ConnectionTLS{CA: new(key("junk"))})
	require.ErrorContains(t, err, "holds no certificate in PEM")
	_, err = ask(&v1alpha1.ConnectionTLS{InsecureSkipVerify: true})
	require.NoError(t, err)
}

func TestCheckNamesTheFieldTheValueAndTheWayOut(t *testing.T) {
	allow, err := outbound.ParseAllowList([]string{"*.example.com"})
	require.NoError(t, err)
	o := NewOpener(fake.NewClientset(), allow)
	for want, p := range map[string]v1alpha1.MetricProvider{
		`prometheus.address is "http://mimir.other": mimir.other is not among`:              {Prometheus: &v1alpha1.PrometheusProvider{Address: "http://mimir.other"}},
		`web.url is "http://169.254.169.254/latest": 169.254.169.254 is refused`:            {Web: &v1alpha1.WebProvider{URL: "http://169.254.169.254/latest"}},
		`web.url is "http://***@web.example.com/": it holds credentials`:                    {Web: &v1alpha1.WebProvider{URL: "http://u:p@web.example.com/"}},
		`job.spec.templat is an object, and there is no such field; did you mean template?`: {Job: &v1alpha1.JobProvider{Spec: runtime.RawExtension{Raw: []byte(`{"templat":{}}`)}}},
		`graphite.authorization.oauth2.tokenURL is "http://127.0.0.1/": 127.0.0.1 is refused`: {Graphite: &v1alpha1.GraphiteProvider{Address: "http://g.example.com",
			Connection: v1alpha1.Connection{Authorization: &v1alpha1.Authorization{OAuth2: &v1alpha1.OAuth2Authorization{TokenURL: "http://127.0.0.1/"}}}}},
	} {
		require.ErrorContains(t, o.Check(p), want)
	}
	require.NoError(t, o.Check(v1alpha1.MetricProvider{Web: &v1alpha1.WebProvider{URL: "https://web.example.com/x"}}))
}

func TestCheckSaysWhatTheSchemaHasNoRoomFor(t *testing.T) {
	allow, err := outbound.ParseAllowList([]string{"*"})
	require.NoError(t, err)
	o := NewOpener(fake.NewClientset(), allow)
	for text, want := range map[string]string{
		`{"prometheus":{"address":"","query":"up"}}`:                                                            `prometheus.address is "": it begins with ""`,
		`{"prometheus":{"address":"http://p","query":" "}}`:                                                     `prometheus.query is empty`,
		`{"web":{"url":"http://w","method":"DELETE"}}`:                                                          `web.method is "DELETE"; it must be GET, POST or PUT`,
		`{"web":{"url":"http://w","authorization":{}}}`:                                                         `web.authorization holds none of bearer, basic, oauth2, sigV4; write one of them`,
		`{"web":{"url":"http://w","headers":[{"name":"X Key","value":"a"}]}}`:                                   `web.headers[0].name is "X Key"`,
		`{"web":{"url":"http://w","headers":[{"name":"X","value":"a","secretKeyRef":{"name":"a","key":"b"}}]}}`: `web.headers[0] holds value and secretKeyRef; write one of them only`,
		`{"graphite":{"address":"http://g","query":"a","tls":{"key":{"name":"a","key":"b"}}}}`:                  `graphite.tls holds one of certificate and key`,
		`{"newRelic":{"accountID":0,"query":"a","userKey":{"name":"a","key":"b"}}}`:                             `newRelic.accountID is 0`,
		`{"kubernetes":{}}`: `kubernetes holds none of external, custom`,
		`{"kubernetes":{"custom":{"metric":"a","resource":"pods"}}}`:                                               `kubernetes.custom holds none of name, selector`,
		`{"kubernetes":{"external":{"metric":"a","selector":{"matchExpressions":[{"key":"a","operator":"Is"}]}}}}`: `kubernetes.external.selector: "Is" is not a valid label selector operator`,
		`{"cloudWatch":{"region":"moon","keys":` + awsKeys + `,"queries":[{"id":"a","expression":"1"}]}}`:          `cloudWatch.region is "moon"; write it like eu-central-1`,
		`{"cloudWatch":{"region":"eu-central-1","keys":` + awsKeys + `,"queries":[]}}`:                             `cloudWatch.queries is empty`,
		`{"cloudWatch":{"region":"eu-central-1","keys":` + awsKeys + `,"queries":[{"id":"A","expression":"1"}]}}`:  `cloudWatch.queries[0].id is "A"`,
		`{"cloudWatch":{"region":"eu-central-1","keys":` + awsKeys + `,"queries":[{"id":"a"}]}}`:                   `cloudWatch.queries[0] holds none of expression, metric`,
		`{"job":{"spec":{"template":{"spec":{"containers":[{"name":"a","imag":"b"}]}}}}}`:                          `job.spec.template.spec.containers[0].imag is a text, and there is no such field; did you mean image?`,
		`{"job":{"spec":{"backoffLimit":"1","template":{"spec":{"containers":[{"name":"a","image":"b"}]}}}}}`:      `job.spec.backoffLimit is "1", a text; it must be a whole number`,
	} {
		var p v1alpha1.MetricProvider
		require.NoError(t, json.Unmarshal([]byte(text), &p))
		require.NoError(t, p.Mistakes())
		require.ErrorContains(t, o.Check(p), want, text)
	}
}

const awsKeys = `{"accessKeyID":{"name":"a","key":"b"},"secretAccessKey":{"name":"a","key":"c"}}`

func TestAnArgumentStandsForACredentialAndInAHeaderAndIsSeenNowhere(t *testing.T) {
	secrets := map[string]v1alpha1.SecretKey{"token": key("token"), "password": key("password"), "unused": {Name: "none", Key: "none"}}
	web := func(address string) v1alpha1.MetricProvider {
		return v1alpha1.MetricProvider{Web: &v1alpha1.WebProvider{URL: address, JSONPath: "{.data.result[1]}", Connection: v1alpha1.Connection{
			Authorization: &v1alpha1.Authorization{Bearer: &v1alpha1.SecretKey{Argument: "token"}},
			Headers:       []v1alpha1.Header{{Name: "X-Key", Value: "Key {{args.password}}"}, {Name: "X-Plain", Value: "a"}}}}}
	}
	address, sent := echo(t, http.StatusOK, one)
	o, _ := opener(t, nil)
	_, err := o.Query(t.Context(), Request{Namespace: "shop", Secrets: secrets, Provider: web(address)}, analysis.Query{})
	require.NoError(t, err)
	require.Equal(t, []string{"Bearer tok-Qx81", "Key pwd-Lm63", "a"}, []string{(*sent)[0].Get("Authorization"), (*sent)[0].Get("X-Key"), (*sent)[0].Get("X-Plain")})

	address, _ = echo(t, http.StatusBadGateway, "")
	_, err = o.Query(t.Context(), Request{Namespace: "shop", Secrets: secrets, Provider: web(address)}, analysis.Query{})
	require.ErrorContains(t, err, "***")
	requireNothingSeen(t, err.Error())

	other := map[string]v1alpha1.SecretKey{"token": key("password"), "password": key("token")}
	address, sent = echo(t, http.StatusOK, one)
	for _, with := range []map[string]v1alpha1.SecretKey{secrets, other} {
		_, err = o.Query(t.Context(), Request{Namespace: "shop", Secrets: with, Provider: web(address)}, analysis.Query{})
		require.NoError(t, err)
	}
	require.Equal(t, "Bearer pwd-Lm63", (*sent)[1].Get("Authorization"), "the same provider with other secrets is another one")

	_, err = o.Query(t.Context(), Request{Namespace: "shop", Secrets: map[string]v1alpha1.SecretKey{"password": key("password"), "token": key("typo")}, Provider: web(address)}, analysis.Query{})
	require.ErrorContains(t, err, `web.authorization.bearer (the argument token): Secret shop/keys has no key "typo"`)
}

// A token is fetched after the source was made, which cuts its errors without knowing it.
func TestNoFragmentOfATokenIsLeftWhereAnErrorWasCut(t *testing.T) {
	const token = "from-the-token-server"
	for filler := 180; filler < 320; filler++ {
		address, _ := echo(t, http.StatusUnprocessableEntity, fmt.Sprintf(`{"status":"error","errorType":"execution","error":"%s %s"}`, strings.Repeat("x", filler), strings.Repeat(token, 8)))
		how := ways(address)["Bearer "+token]
		for _, p := range []v1alpha1.MetricProvider{{Prometheus: &v1alpha1.PrometheusProvider{Address: address, Query: "up", Connection: v1alpha1.Connection{Authorization: &how}}},
			{Web: &v1alpha1.WebProvider{URL: address, Connection: v1alpha1.Connection{Authorization: &how}}}} {
			o, _ := opener(t, nil)
			_, err := o.Query(t.Context(), Request{Namespace: "shop", Provider: p}, analysis.Query{})
			require.Error(t, err)
			require.NotContains(t, err.Error(), token[:3], "%d", filler)
		}
	}
}
