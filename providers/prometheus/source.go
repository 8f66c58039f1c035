// Package prometheus asks a Prometheus server, or whatever speaks its HTTP API (Thanos, Mimir, VictoriaMetrics), and
// knows the metrics that gateways export to it.
package prometheus

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/prometheus/client_golang/api"
	apiv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/rollout-dev/rollout/analysis"
)

const (
	// mostSeries is more than anybody compares. A query that forgot to aggregate can have millions.
	mostSeries = 1000
	// mostBytes bounds an answer of a server that doesn't know the limit above (Prometheus before 3.0), or that isn't one.
	mostBytes = 1 << 20
	// mostText bounds what an error quotes of a query or of an answer, in characters.
	mostText = 300
)

// Source implements analysis.Source. It may be used by any number of goroutines.
type Source struct {
	api apiv1.API
	// server is the address without credentials.
	server string
	// secrets must not appear in an error.
	secrets []string
}

var _ analysis.Source = (*Source)(nil)

// New makes a source of the server at an address like http://prometheus.monitoring:9090, with a path if there is a prefix and
// user:password@ for basic authentication. It connects to nothing. A nil transport stands for http.DefaultTransport.
func New(address string, transport http.RoundTripper) (*Source, error) {
	u, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	if transport == nil {
		transport = http.DefaultTransport
	}
	user := u.User
	u.User = nil
	client, err := api.NewClient(api.Config{
		Address:      u.String(),
		RoundTripper: &guard{next: transport, user: user, scheme: u.Scheme, host: u.Host},
	})
	if err != nil {
		return nil, fmt.Errorf("use Prometheus at %s: %w", u, err)
	}
	return &Source{api: apiv1.NewAPI(client), server: u.String(), secrets: secretsOf(user)}, nil
}

func parseAddress(address string) (*url.URL, error) {
	const wanted = "write it like http://prometheus.monitoring:9090"
	u, err := url.Parse(address)
	switch {
	case err != nil: // err quotes the address, and with it a password
		return nil, errors.New("the address of Prometheus is not a URL; " + wanted)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("the address of Prometheus begins with %q rather than http:// or https://; %s", u.Scheme, wanted)
	case u.Host == "":
		return nil, errors.New("the address of Prometheus names no host; " + wanted)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("the address of Prometheus at %s has a ? or # part, which would be lost; %s", u.Host, wanted)
	}
	return u, nil
}

func secretsOf(user *url.Userinfo) []string {
	if user == nil {
		return nil
	}
	password, _ := user.Password()
	header := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
	var secrets []string
	for _, text := range []string{password, url.QueryEscape(password), url.PathEscape(password), header} {
		if text != "" {
			secrets = append(secrets, text)
		}
	}
	return secrets
}

// Query evaluates a PromQL expression at the server's present time. Warnings of the server, for example that a part of a
// federation was slow, are not errors.
func (s *Source) Query(ctx context.Context, q analysis.Query) (analysis.Sample, error) {
	value, _, err := s.api.Query(ctx, q.Text, q.At, apiv1.WithLimit(mostSeries+1))
	if err != nil {
		return analysis.Sample{}, s.failed(q.Text, err, reason(err))
	}
	sample, err := sampleOf(value)
	if err != nil {
		return analysis.Sample{}, s.failed(q.Text, err, err.Error())
	}
	return sample, nil
}

// queryError keeps the cause for errors.Is but not its text, which may be long or show a credential.
type queryError struct {
	text  string
	cause error
}

func (e *queryError) Error() string { return e.text }
func (e *queryError) Unwrap() error { return e.cause }

func (s *Source) failed(query string, cause error, text string) error {
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return &queryError{fmt.Sprintf("ask Prometheus at %s for %s: %s", s.server, oneLine(query), oneLine(text)), cause}
}

// reason takes off what the layers of the client say of themselves and what would repeat the address.
func reason(err error) string {
	var answer *apiv1.Error
	var transport *url.Error
	switch {
	case errors.As(err, &answer) && answer.Type != apiv1.ErrBadResponse:
		return answer.Msg
	case errors.As(err, &transport):
		return transport.Err.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return err.Error()
	}
	return "the answer is not one of Prometheus's API: " + err.Error()
}

func oneLine(text string) string {
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > mostText {
		return string(runes[:mostText]) + "…"
	}
	return string(runes)
}

// sampleOf takes the numbers out of what the server answered.
func sampleOf(value model.Value) (analysis.Sample, error) {
	switch v := value.(type) {
	case model.Vector:
		return seriesOf(v)
	case *model.Scalar:
		return analysis.Number(float64(v.Value)), nil
	case model.Matrix:
		return analysis.Sample{}, errors.New("it gives a range of samples; make it one number with rate(...[1m]) or last_over_time(...[1m])")
	}
	return analysis.Sample{}, errors.New("the answer holds no result")
}

func seriesOf(vector model.Vector) (analysis.Sample, error) {
	if len(vector) > mostSeries {
		return analysis.Sample{}, fmt.Errorf("it gives more than %d series; aggregate them with sum(...), max(...) or avg(...)", mostSeries)
	}
	var sample analysis.Sample
	for _, one := range vector {
		if one.Histogram != nil {
			return analysis.Sample{}, errors.New("it gives a histogram; make it one number with histogram_quantile(0.99, ...)")
		}
		var labels map[string]string
		for name, value := range one.Metric {
			if labels == nil {
				labels = map[string]string{}
			}
			labels[string(name)] = string(value)
		}
		sample.Series = append(sample.Series, analysis.Series{Labels: labels, Value: float64(one.Value)})
	}
	return sample, nil
}

// guard sends the credentials to the configured server only, not to where it redirects, and bounds what is read.
type guard struct {
	next         http.RoundTripper
	user         *url.Userinfo
	scheme, host string
}

func (g *guard) RoundTrip(request *http.Request) (*http.Response, error) {
	if g.user != nil && request.URL.Host == g.host && request.URL.Scheme == g.scheme {
		password, _ := g.user.Password()
		request = request.Clone(request.Context())
		request.SetBasicAuth(g.user.Username(), password)
	}
	response, err := g.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, mostBytes), response.Body}
	return response, nil
}
