// Package influxdb asks InfluxDB 2, or whatever speaks its API, by Flux.
package influxdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"
	"github.com/influxdata/influxdb-client-go/v2/api/query"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
)

// mostTables is more than anybody compares.
const mostTables = 1000

// Source implements analysis.Source. It may be used by any number of goroutines.
type Source struct {
	server       outbound.Server
	organization string
	client       influxdb2.Client
}

var _ analysis.Source = (*Source)(nil)

// New makes a source for an organization of the server at an address like http://influxdb.monitoring:8086. It connects to
// nothing. A nil transport stands for http.DefaultTransport.
func New(address, organization, token string, transport http.RoundTripper) (*Source, error) {
	u, err := outbound.ParseAddress(address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("address: %w", err)
	case organization == "":
		return nil, errors.New("organization is empty; write its name or ID")
	case token == "":
		return nil, errors.New("token is empty; put a token that may read the bucket into the Secret")
	}
	if transport == nil {
		transport = http.DefaultTransport
	}
	authorized := outbound.Authorized(onlyCSV{outbound.Bounded(transport)}, u, func(request *http.Request) error {
		request.Header.Set("Authorization", "Token "+token)
		return nil
	})
	address = strings.TrimSuffix(u.String(), "/")
	// The client is given no token: it would send it wherever the server redirects to.
	client := influxdb2.NewClientWithOptions(address, "", influxdb2.DefaultOptions().SetHTTPClient(outbound.Client(authorized)))
	return &Source{server: outbound.Server{Kind: "InfluxDB", Address: address, Secrets: outbound.Hide(token)}, organization: organization, client: client}, nil
}

// Query runs a Flux query. The value of a table is the _value of its last row; its labels are its group key. {{window}} in
// the query is how far to look back: range(start: -{{window}}).
func (s *Source) Query(ctx context.Context, q analysis.Query) (analysis.Sample, error) {
	fail := func(err error) (analysis.Sample, error) {
		return analysis.Sample{}, s.server.Failed(q.Text, err, reason(err))
	}
	tables, err := s.client.QueryAPI(s.organization).Query(ctx, q.Text)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = tables.Close() }() // Nothing follows from a body that was read to its end.
	var sample analysis.Sample
	last := -1
	for tables.Next() {
		record := tables.Record()
		value, there, err := number(record.Value())
		switch {
		case err != nil:
			return fail(err)
		case !there:
			continue
		}
		if record.Table() != last || len(sample.Series) == 0 {
			if len(sample.Series) == mostTables {
				return fail(fmt.Errorf("it gives more than %d tables; group them, for example with group() and sum()", mostTables))
			}
			sample.Series = append(sample.Series, analysis.Series{Labels: labels(tables.TableMetadata(), record)})
			last = record.Table()
		}
		sample.Series[len(sample.Series)-1].Value = value
	}
	if err := tables.Err(); err != nil {
		return fail(err)
	}
	return sample, nil
}

func number(value any) (float64, bool, error) {
	switch v := value.(type) {
	case nil:
		return 0, false, nil
	case float64:
		return v, true, nil
	case int64:
		return float64(v), true, nil
	case uint64:
		return float64(v), true, nil
	case bool:
		if v {
			return 1, true, nil
		}
		return 0, true, nil
	}
	return 0, false, fmt.Errorf("_value is a %T; make it a number, for example with toFloat()", value)
}

// labels are the texts of the group key.
func labels(table *query.FluxTableMetadata, record *query.FluxRecord) map[string]string {
	var labels map[string]string
	for _, column := range table.Columns() {
		text, ok := record.ValueByKey(column.Name()).(string)
		if !column.IsGroup() || !ok {
			continue
		}
		if labels == nil {
			labels = map[string]string{}
		}
		labels[column.Name()] = text
	}
	return labels
}

// reason is what the server or the network said.
func reason(err error) string {
	var answer *influxhttp.Error
	if errors.As(err, &answer) && answer.Err != nil {
		return outbound.Reason(answer.Err)
	}
	return outbound.Reason(err)
}

// onlyCSV refuses successful answers that aren't CSV: the client would read a page of a proxy as a result without rows.
type onlyCSV struct{ next http.RoundTripper }

func (o onlyCSV) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := o.next.RoundTrip(request)
	if err != nil || response.StatusCode < 200 || response.StatusCode > 299 {
		return response, err
	}
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err == nil && kind == "text/csv" {
		return response, nil
	}
	defer response.Body.Close()
	start, _ := io.ReadAll(io.LimitReader(response.Body, 512))
	return nil, fmt.Errorf("the answer is %q rather than text/csv: %s", kind, start)
}
