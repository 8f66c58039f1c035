// Package newrelic asks New Relic by NRQL through NerdGraph, its GraphQL API.
package newrelic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
)

// DefaultAddress is NerdGraph in New Relic's US region.
const DefaultAddress = "https://api.newrelic.com/graphql"

// document is what NerdGraph is asked. The NRQL is a variable, so that nothing in it can end the string it stands in.
const document = `query($account: Int!, $nrql: Nrql!) { actor { account(id: $account) { nrql(query: $nrql) { results } } } }`

// Source implements analysis.Source. It may be used by any number of goroutines.
type Source struct {
	server  outbound.Server
	account int64
}

var _ analysis.Source = (*Source)(nil)

// New makes a source for an account, with a user key. The address is NerdGraph's: https://api.eu.newrelic.com/graphql in the
// EU. It connects to nothing. A nil transport stands for http.DefaultTransport.
func New(address string, account int64, userKey string, transport http.RoundTripper) (*Source, error) {
	u, err := outbound.ParseAddress(address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("address: %w", err)
	case account <= 0:
		return nil, fmt.Errorf("accountID is %d; write the number of the account", account)
	case userKey == "":
		return nil, errors.New("userKey is empty; put a user key (NRAK-...) into the Secret")
	}
	if transport == nil {
		transport = http.DefaultTransport
	}
	client := outbound.Client(outbound.Authorized(transport, u, func(request *http.Request) error {
		request.Header.Set("API-Key", userKey)
		return nil
	}))
	return &Source{outbound.Server{Kind: "New Relic", Address: u.String(), Secrets: outbound.Hide(userKey), Client: client}, account}, nil
}

type answer struct {
	Data *struct {
		Actor struct {
			Account *struct {
				NRQL *struct {
					Results *[]map[string]any `json:"results"`
				} `json:"nrql"`
			} `json:"account"`
		} `json:"actor"`
	} `json:"data"`
	// Errors come with HTTP status 200, also beside data.
	Errors []struct {
		Message string `json:"message"`
	} `json:"errors"`
}

// Query asks by NRQL. Unless it says SINCE itself it looks back by the window. Every number of a result is a series, told
// apart by the label field and by the facets; the results are the Document.
func (s *Source) Query(ctx context.Context, q analysis.Query) (analysis.Sample, error) {
	fail := func(err error) (analysis.Sample, error) {
		return analysis.Sample{}, s.server.Failed(q.Text, err, outbound.Reason(err))
	}
	body, err := json.Marshal(map[string]any{"query": document, "variables": map[string]any{"account": s.account, "nrql": nrql(q)}})
	if err != nil {
		return fail(err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.server.Address, bytes.NewReader(body))
	if err != nil {
		return fail(err)
	}
	request.Header.Set("Content-Type", "application/json")
	var a answer
	if err := s.server.JSON(request, &a); err != nil {
		return fail(err)
	}
	switch {
	case len(a.Errors) > 0:
		return fail(errors.New(a.Errors[0].Message))
	case a.Data == nil || a.Data.Actor.Account == nil || a.Data.Actor.Account.NRQL == nil || a.Data.Actor.Account.NRQL.Results == nil:
		return fail(errors.New("the answer holds no results"))
	}
	return sampleOf(*a.Data.Actor.Account.NRQL.Results), nil
}

// nrql is the query over the window.
func nrql(q analysis.Query) string {
	text := strings.TrimSpace(q.Text)
	words := strings.Fields(strings.ToUpper(text))
	if q.Window > 0 && !slices.Contains(words, "SINCE") {
		text += fmt.Sprintf(" SINCE %d seconds ago", max(int64(q.Window/time.Second), 1))
	}
	return text
}

func sampleOf(results []map[string]any) analysis.Sample {
	sample := analysis.Sample{}
	if len(results) == 0 {
		return sample
	}
	list := []any{}
	for _, result := range results {
		list = append(list, result)
		numbers := map[string]float64{}
		facets := map[string]string{}
		for _, field := range slices.Sorted(maps.Keys(result)) {
			collect(field, result[field], numbers, facets)
		}
		for _, field := range slices.Sorted(maps.Keys(numbers)) {
			labels := maps.Clone(facets)
			labels["field"] = field
			sample.Series = append(sample.Series, analysis.Series{Labels: labels, Value: numbers[field]})
		}
	}
	sample.Document = list
	return sample
}

// collect takes the numbers and texts out of a field. percentile() gives an object with one number for each percentile,
// and TIMESERIES adds times, which are no measurement.
func collect(field string, value any, numbers map[string]float64, facets map[string]string) {
	switch v := value.(type) {
	case float64:
		if field != "beginTimeSeconds" && field != "endTimeSeconds" {
			numbers[field] = v
		}
	case string:
		facets[field] = v
	case map[string]any:
		for _, inner := range slices.Sorted(maps.Keys(v)) {
			collect(field+"."+inner, v[inner], numbers, facets)
		}
	}
}
