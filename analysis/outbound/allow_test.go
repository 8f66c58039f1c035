package outbound_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis/outbound"
)

func list(t *testing.T, entries ...string) *outbound.AllowList {
	l, err := outbound.ParseAllowList(entries)
	require.NoError(t, err)
	return l
}

func get(t *testing.T, l *outbound.AllowList, address string) error {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	response, err := outbound.Client(l.Transport(nil)).Do(request)
	if err == nil {
		response.Body.Close()
	}
	return err
}

func TestAddressesThatGiveAwayTheControllerAreRefused(t *testing.T) {
	l := list(t)
	l.Refuse([]netip.AddrPort{netip.MustParseAddrPort("10.96.0.1:443"), netip.MustParseAddrPort("[fd00::1]:443")})
	for address, why := range map[string]string{
		"http://127.0.0.1:9090":               "loopback",
		"http://127.8.8.8":                    "loopback",
		"http://[::1]":                        "loopback",
		"http://0.0.0.0":                      "unspecified",
		"http://[::]":                         "unspecified",
		"http://169.254.169.254/latest":       "metadata",
		"http://[fe80::1]":                    "metadata",
		"http://[fe80::1%25eth0]":             "metadata",
		"http://[::ffff:169.254.169.254]":     "metadata",
		"http://[::ffff:a9fe:a9fe]":           "metadata",
		"http://[64:ff9b::169.254.169.254]":   "metadata",
		"http://[64:ff9b:1::169.254.169.254]": "hide an IPv4",
		"http://[2002:a9fe:a9fe::]":           "hide an IPv4",
		"http://[fd00:ec2::254]":              "AWS",
		"http://100.100.100.200":              "Alibaba",
		"http://168.63.129.16":                "Azure",
		"http://192.0.0.192":                  "Oracle",
		"http://224.0.0.1":                    "multicast",
		"http://255.255.255.255":              "broadcast",
		"https://10.96.0.1":                   "the API server",
		"https://[::ffff:10.96.0.1]":          "the API server",
		"https://[fd00::1]":                   "the API server",
	} {
		err := l.Check(address)
		require.ErrorContains(t, err, why, address)
		require.ErrorContains(t, err, "--allow-metric-address", address)
		var refused *outbound.RefusedError
		require.ErrorAs(t, err, &refused, address)
		err = get(t, l, address)
		require.ErrorAs(t, err, &refused, "%s is refused when it is dialled too", address)
	}
	for _, address := range []string{"http://prometheus.monitoring:9090", "https://10.96.0.1:8443", "http://10.1.2.3", "https://8.8.8.8", "http://[2001:db8::1]"} {
		require.NoError(t, l.Check(address), address)
	}
}

func TestANameIsJudgedByWhatItResolvesTo(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	address := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	var refused *outbound.RefusedError
	for _, entries := range [][]string{nil, {"localhost"}, {"*"}, {"0.0.0.0/0", "::/0"}} {
		l := list(t, entries...)
		require.NoError(t, l.Check(address), "nothing is resolved to check")
		require.ErrorAs(t, get(t, l, address), &refused, "%v", entries)
	}
	require.NoError(t, get(t, list(t, "127.0.0.0/8", "::1"), address))
	require.NoError(t, get(t, list(t, "127.0.0.1/32"), server.URL))
}

func TestNamesThatAreWrittenAsNumbersReachNothingEither(t *testing.T) {
	for _, address := range []string{"http://2130706433/", "http://0x7f000001/", "http://127.1/", "http://017700000001/"} {
		require.Error(t, get(t, list(t), address), address)
	}
}

func TestARedirectIsNoWayAround(t *testing.T) {
	target := httptest.NewServer(http.NotFoundHandler())
	defer target.Close()
	server := httptest.NewServer(http.RedirectHandler(target.URL, http.StatusFound))
	defer server.Close()
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	var refused *outbound.RefusedError
	require.ErrorAs(t, get(t, list(t, u.Host), server.URL), &refused)
	require.Contains(t, refused.Address, "127.0.0.1")
	require.NoError(t, get(t, list(t, "127.0.0.1"), server.URL))
}

func TestAServerCannotRedirectForever(t *testing.T) {
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, server.URL, http.StatusFound) }))
	defer server.Close()
	require.ErrorContains(t, get(t, list(t, "127.0.0.1"), server.URL), "redirects more than 5 times")
}

func TestAListAllowsWhatItNamesAndNothingElse(t *testing.T) {
	l := list(t, "prometheus.monitoring:9090", "*.example.com", "192.0.2.7", "[2001:db8::1]:443", "Mixed.Case.")
	for _, address := range []string{"http://prometheus.monitoring:9090", "https://a.example.com", "https://a.b.EXAMPLE.com:8443", "http://192.0.2.7:1", "https://[2001:db8::1]", "http://mixed.case"} {
		require.NoError(t, l.Check(address), address)
	}
	for _, address := range []string{"http://192.0.2.8", "http://[2001:db8::1]"} {
		require.ErrorContains(t, l.Check(address), "not among the addresses that the operator allows", address)
	}
	names := list(t, "prometheus.monitoring:9090", "*.example.com")
	for _, address := range []string{"http://prometheus.monitoring", "http://prometheus.monitoring.evil:9090", "https://example.com", "https://example.com.evil", "https://badexample.com"} {
		require.ErrorContains(t, names.Check(address), "not among the addresses that the operator allows", address)
	}
}

func TestAWideEntryDoesNotOpenTheMetadataServiceNorTheAPIServer(t *testing.T) {
	l := list(t, "*", "0.0.0.0/0", "10.0.0.0/8")
	l.Refuse([]netip.AddrPort{netip.MustParseAddrPort("10.96.0.1:443")})
	require.ErrorContains(t, l.Check("http://169.254.169.254"), "metadata")
	require.ErrorContains(t, l.Check("https://10.96.0.1"), "the API server")

	l = list(t, "169.254.169.254", "10.96.0.1:443")
	l.Refuse([]netip.AddrPort{netip.MustParseAddrPort("10.96.0.1:443")})
	require.NoError(t, l.Check("http://169.254.169.254"))
	require.NoError(t, l.Check("https://10.96.0.1"))
}

func TestEntriesThatMeanNothingAreRefused(t *testing.T) {
	for _, entry := range []string{"", "*.", "a.*.b", "http://prometheus", "host:port", "host:0", "host:99999", "10.0.0.0/99", "user@host", "a b"} {
		_, err := outbound.ParseAllowList([]string{entry})
		require.ErrorContains(t, err, "--allow-metric-address is", entry)
	}
}

func TestAnAddressIsAURLWithoutCredentials(t *testing.T) {
	for address, want := range map[string]string{
		"prometheus:9090":         "begins with",
		"unix:///run/x.sock":      `begins with "unix"`,
		"http://":                 "no host",
		"http://u:hunter2@web/":   "credentials",
		"http://u:hunter2@we b/":  "not a URL",
		"http://web:hunter2/path": "not a URL",
	} {
		_, err := outbound.ParseAddress(address)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hunter2")
	}
}
