// Package datadog asks Datadog's metrics API (v1, timeseries). Datadog's own client is not used: it compiles the whole API
// into the program for one request.
package datadog

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
)

// DefaultAddress is the API of Datadog's site US1.
const DefaultAddress = "https://api.datadoghq.com"

// Source implements analysis.Source. It may be used by any number of goroutines.
type Source struct{ server outbound.Server }

var _ analysis.Source = (*Source)(nil)

// New makes a source of the site whose API is at an address like https://api.datadoghq.eu, with the two keys that Datadog
// wants. It connects to nothing. A nil transport stands for http.DefaultTransport.
func New(address, apiKey, applicationKey string, transport http.RoundTripper) (*Source, error) {
	u, err := outbound.ParseAddress(address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("address: %w", err)
	case apiKey == "":
		return nil, errors.New("apiKey is empty; put the API key of the organization into the Secret")
	case applicationKey == "":
		return nil, errors.New("applicationKey is empty; put an application key with the scope timeseries_query into the Secret")
	}
	if transport == nil {
		transport = http.DefaultTransport
	}
	client := outbound.Client(outbound.Authorized(transport, u, func(request *http.Request) error {
		request.Header.Set("DD-API-KEY", apiKey)
		request.Header.Set("DD-APPLICATION-KEY", applicationKey)
		return nil
	}))
	return &Source{outbound.Server{Kind: "Datadog", Address: strings.TrimSuffix(u.String(), "/"), Secrets: outbound.Hide(apiKey, applicationKey), Client: client}}, nil
}

type answer struct {
	// Status is ok, or error also with HTTP status 200.
	Status string `json:"status"`
	Error  string `json:"error"`
	Series *[]struct {
		Scope  string   `json:"scope"`
		TagSet []string `json:"tag_set"`
		// Points are pairs of a time in milliseconds and a value; both may be null.
		Points [][2]*float64 `json:"pointlist"`
	} `json:"series"`
}

// Query asks for a timeseries over the window. The value of a series is its newest point that isn't null; to judge the whole window
// the query rolls it up, for example with .rollup(sum, 60).
func (s *Source) Query(ctx context.Context, q analysis.Query) (analysis.Sample, error) {
	fail := func(err error) (analysis.Sample, error) {
		return analysis.Sample{}, s.server.Failed(q.Text, err, outbound.Reason(err))
	}
	to := q.At
	if to.IsZero() {
		to = time.Now()
	}
	form := url.Values{"query": {q.Text}, "from": {strconv.FormatInt(to.Add(-q.Window).Unix(), 10)}, "to": {strconv.FormatInt(to.Unix(), 10)}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.Address+"/api/v1/query?"+form.Encode(), nil)
	if err != nil {
		return fail(err)
	}
	request.Header.Set("Accept", "application/json")
	var a answer
	if err := s.server.JSON(request, &a); err != nil {
		return fail(err)
	}
	switch {
	case a.Status != "ok":
		return fail(fmt.Errorf("the answer has status %q: %s", a.Status, a.Error))
	case a.Error != "":
		return fail(errors.New(a.Error))
	case a.Series == nil:
		return fail(errors.New("the answer holds no series"))
	}
	var sample analysis.Sample
	for _, series := range *a.Series {
		for _, v := range slices.Backward(series.Points) {
			if value := v[1]; value != nil {
				sample.Series = append(sample.Series, analysis.Series{Labels: labels(series.Scope, series.TagSet), Value: *value})
				break
			}
		}
	}
	return sample, nil
}

// labels are the tags by which a query groups.
func labels(scope string, tags []string) map[string]string {
	if len(tags) == 0 {
		if scope == "" {
			return nil
		}
		return map[string]string{"scope": scope}
	}
	labels := map[string]string{}
	for _, tag := range tags {
		name, value, _ := strings.Cut(tag, ":")
		labels[name] = value
	}
	return labels
}
