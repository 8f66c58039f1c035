// Package prometheus asks a Prometheus server, or whatever speaks its HTTP API (Thanos, Mimir, VictoriaMetrics), and
// knows the metrics that gateways export to it.
package prometheus

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/prometheus/client_golang/api"
	apiv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
)

const (
	// mostSeries is more than anybody compares. A query that forgot to aggregate can have millions.
	mostSeries = 1000
	// mostBatches keeps a query of counts within what the server gives for one range.
	mostBatches = 100
)

// Source implements analysis.Source. It may be used by any number of goroutines.
type Source struct {
	api    apiv1.API
	server outbound.Server
}

var _ analysis.Source = (*Source)(nil)

// New makes a source of the server at an address like http://prometheus.monitoring:9090, with a path if there is a prefix and
// user:password@ for basic authentication. It connects to nothing. A nil transport stands for http.DefaultTransport; the
// secrets are what it sends on its own account, and no error shows them.
func New(address string, transport http.RoundTripper, secrets ...string) (*Source, error) {
	u, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	if transport == nil {
		transport = http.DefaultTransport
	}
	transport = outbound.Bounded(transport)
	hidden := outbound.Hide(secrets...)
	if user := u.User; user != nil {
		u.User = nil
		password, _ := user.Password()
		hidden = hidden.And(password, base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)))
		transport = outbound.Authorized(transport, u, func(request *http.Request) error {
			request.SetBasicAuth(user.Username(), password)
			return nil
		})
	}
	client, err := api.NewClient(api.Config{Address: u.String(), Client: outbound.Client(transport)})
	if err != nil {
		return nil, fmt.Errorf("use Prometheus at %s: %w", u, err)
	}
	return &Source{api: apiv1.NewAPI(client), server: outbound.Server{Kind: "Prometheus", Address: u.String(), Secrets: hidden}}, nil
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

// Query evaluates a PromQL expression at the server's present time, or the expressions of counts. Warnings of the server, for
// example that a part of a federation was slow, are not errors.
func (s *Source) Query(ctx context.Context, q analysis.Query) (analysis.Sample, error) {
	if q.Counts.Wanted() {
		return s.counts(ctx, q)
	}
	value, _, err := s.api.Query(ctx, q.Text, q.At, apiv1.WithLimit(mostSeries+1))
	if err != nil {
		return analysis.Sample{}, s.server.Failed(q.Text, err, reason(err))
	}
	sample, err := sampleOf(value)
	if err != nil {
		return analysis.Sample{}, s.server.Failed(q.Text, err, err.Error())
	}
	return sample, nil
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
		sample.Series = append(sample.Series, analysis.Series{Labels: labelsOf(one.Metric), Value: float64(one.Value)})
	}
	return sample, nil
}

func labelsOf(metric model.Metric) map[string]string {
	if len(metric) == 0 {
		return nil
	}
	labels := make(map[string]string, len(metric))
	for name, value := range metric {
		labels[string(name)] = string(value)
	}
	return labels
}
