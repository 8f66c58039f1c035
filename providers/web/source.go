// Package web asks any server that answers with JSON.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"k8s.io/client-go/util/jsonpath"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
)

// Options say what is asked. Client and URL are required.
type Options struct {
	// Client sends the request, credentials and headers included.
	Client *http.Client
	// URL is asked by GET, or by Method with Body.
	URL, Method, Body string
	// Path is where in the document the answer is, as kubectl writes it: {.data.ratio}. Empty for the whole document.
	Path string
	// Secrets are what the client sends, and no error shows.
	Secrets []string
}

// Source implements analysis.Source. It may be used by any number of goroutines.
type Source struct {
	Options
	server outbound.Server
}

var _ analysis.Source = (*Source)(nil)

// New makes a source. It connects to nothing. The error names what is wrong with the options.
func New(o Options) (*Source, error) {
	u, err := outbound.ParseAddress(o.URL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	if _, err := parse(o.Path); err != nil {
		return nil, fmt.Errorf("jsonPath is %q: %w; write it like {.data.ratio}", o.Path, err)
	}
	if o.Method == "" {
		o.Method = http.MethodGet
	}
	return &Source{Options: o, server: outbound.Server{Kind: "web server", Address: u.Scheme + "://" + u.Host, Secrets: outbound.Hide(o.Secrets...), Client: o.Client}}, nil
}

func parse(path string) (*jsonpath.JSONPath, error) {
	if path == "" {
		path = "{@}"
	}
	p := jsonpath.New("jsonPath")
	return p, p.Parse(path)
}

// Query fetches the document. What the path selects is the Document, and its numbers are the Series: several results are
// as many. A boolean is 1 or 0, and a string counts if it is a number. The Text of the query, if there is one, is asked
// instead of the URL; the server must be the same.
func (s *Source) Query(ctx context.Context, q analysis.Query) (analysis.Sample, error) {
	address := s.URL
	if q.Text != "" {
		address = q.Text
	}
	fail := func(err error) (analysis.Sample, error) {
		return analysis.Sample{}, s.server.Failed(address, err, outbound.Reason(err))
	}
	if u, err := outbound.ParseAddress(address); err != nil || u.Scheme+"://"+u.Host != s.server.Address {
		return fail(errors.New("the variables of the query change the server; keep them behind the host"))
	}
	var body io.Reader
	if s.Body != "" {
		body = strings.NewReader(s.Body)
	}
	request, err := http.NewRequestWithContext(ctx, s.Method, address, body)
	if err != nil {
		return fail(err)
	}
	request.Header.Set("Accept", "application/json")
	if s.Body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	var document any
	if err := s.server.JSON(request, &document); err != nil {
		return fail(err)
	}
	sample, err := selected(document, s.Path)
	if err != nil {
		return fail(err)
	}
	return sample, nil
}

// selected evaluates the path. A path is parsed for every answer: evaluating one changes it.
func selected(document any, path string) (analysis.Sample, error) {
	if document == nil {
		return analysis.Sample{}, errors.New("the answer is null")
	}
	p, err := parse(path)
	if err != nil {
		return analysis.Sample{}, fmt.Errorf("jsonPath: %w", err)
	}
	groups, err := p.FindResults(document)
	if err != nil {
		return analysis.Sample{}, fmt.Errorf("%s isn't in the answer: %w", path, err)
	}
	results := []any{}
	for _, group := range groups {
		for _, one := range group {
			results = append(results, plain(one))
		}
	}
	sample := analysis.Sample{Document: results}
	if len(results) == 1 {
		sample.Document = results[0]
		results = elements(results[0])
	}
	for i, one := range results {
		value, is := number(one)
		if !is {
			continue
		}
		series := analysis.Series{Value: value}
		if len(results) > 1 {
			series.Labels = map[string]string{"index": strconv.Itoa(i)}
		}
		sample.Series = append(sample.Series, series)
	}
	return sample, nil
}

// elements of a list, or the value itself.
func elements(value any) []any {
	if list, ok := value.([]any); ok {
		return list
	}
	return []any{value}
}

func plain(value reflect.Value) any {
	if !value.IsValid() || !value.CanInterface() {
		return nil
	}
	return value.Interface()
}

func number(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case string:
		n, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		// ParseFloat reads NaN and Inf as words too; who writes them means them.
		return n, err == nil || math.IsInf(n, 0)
	}
	return 0, false
}
