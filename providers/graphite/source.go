// Package graphite asks Graphite's render API, as graphite-web and carbonapi serve it.
package graphite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
)

// Source implements analysis.Source. It may be used by any number of goroutines.
type Source struct{ server outbound.Server }

var _ analysis.Source = (*Source)(nil)

// New makes a source of the server at an address like http://graphite.monitoring. It connects to nothing. The client sends
// credentials, if there are any; the secrets are what it sends and no error shows.
func New(address string, client *http.Client, secrets ...string) (*Source, error) {
	u, err := outbound.ParseAddress(address)
	if err != nil {
		return nil, fmt.Errorf("address: %w", err)
	}
	return &Source{outbound.Server{Kind: "Graphite", Address: strings.TrimSuffix(u.String(), "/"), Secrets: outbound.Hide(secrets...), Client: client}}, nil
}

// target is one series of an answer. Its points are pairs of a value, which may be null, and a time in seconds.
type target struct {
	Target     *string            `json:"target"`
	Tags       map[string]any     `json:"tags"`
	Datapoints *[][2]*json.Number `json:"datapoints"`
}

// Query renders a target over the window. The value of a series is its newest point that isn't null: Graphite fills the
// end of a series with null until the point is written.
func (s *Source) Query(ctx context.Context, q analysis.Query) (analysis.Sample, error) {
	fail := func(err error) (analysis.Sample, error) {
		return analysis.Sample{}, s.server.Failed(q.Text, err, outbound.Reason(err))
	}
	until := q.At
	if until.IsZero() {
		until = time.Now()
	}
	form := url.Values{
		"target": {q.Text}, "format": {"json"},
		"from":  {strconv.FormatInt(until.Add(-q.Window).Unix(), 10)},
		"until": {strconv.FormatInt(until.Unix(), 10)},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.server.Address+"/render", strings.NewReader(form.Encode()))
	if err != nil {
		return fail(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var targets []target
	if err := s.server.JSON(request, &targets); err != nil {
		return fail(err)
	}
	if targets == nil {
		return fail(errors.New("the answer is null, not a list of series"))
	}
	var sample analysis.Sample
	for _, t := range targets {
		if t.Target == nil || t.Datapoints == nil {
			return fail(errors.New("the answer is not a list of series with target and datapoints"))
		}
		value, there, err := newest(*t.Datapoints)
		if err != nil {
			return fail(fmt.Errorf("series %s: %w", *t.Target, err))
		}
		if there {
			sample.Series = append(sample.Series, analysis.Series{Labels: t.labels(), Value: value})
		}
	}
	return sample, nil
}

// labels are the tags and the name of a series. A single series from a function may have the expression as its name.
func (t target) labels() map[string]string {
	labels := map[string]string{"target": *t.Target}
	for name, value := range t.Tags {
		labels[name] = fmt.Sprint(value)
	}
	return labels
}

func newest(points [][2]*json.Number) (float64, bool, error) {
	for _, point := range slices.Backward(points) {
		if point[0] == nil {
			continue
		}
		// graphite-web writes infinity as 1e9999, which no float64 holds.
		value, err := strconv.ParseFloat(point[0].String(), 64)
		if err != nil && !math.IsInf(value, 0) {
			return 0, false, fmt.Errorf("the point %q is no number", point[0])
		}
		return value, true, nil
	}
	return 0, false, nil
}
