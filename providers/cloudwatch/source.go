// Package cloudwatch asks Amazon CloudWatch through AWS's client.
package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
)

// regions are names like eu-central-1. AWS's client makes a host name of the region.
var regions = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]$`) // A regular expression is never written to.

// Options say whom to ask for what. Region, the two keys and at least one query are required.
type Options struct {
	Region string
	// AccessKeyID and SecretAccessKey sign the requests; SessionToken belongs to temporary ones. The identity of the process
	// itself is never used: it isn't that of the namespace's user.
	AccessKeyID, SecretAccessKey, SessionToken string
	// Address takes the place of CloudWatch's own, for example that of a VPC endpoint.
	Address string
	// Transport connects; nil stands for http.DefaultTransport.
	Transport http.RoundTripper
	Queries   []Query
}

// Query is one of those that CloudWatch answers together. Exactly one of Expression and Metric is set.
type Query struct {
	// ID is how expressions name it; a lower case letter, then letters, digits and _.
	ID string
	// Expression is one of metric math, or of Metrics Insights (SELECT ...).
	Expression string
	// Namespace, Metric, Dimensions and Statistic name a metric.
	Namespace, Metric, Statistic string
	Dimensions                   map[string]string
	// Period is the granularity, at least a second; by default a minute.
	Period time.Duration
	// Hidden queries are only for the expressions of others.
	Hidden bool
}

// Source implements analysis.Source. It may be used by any number of goroutines.
type Source struct {
	server  outbound.Server
	client  *cloudwatch.Client
	queries []types.MetricDataQuery
	text    string
}

var _ analysis.Source = (*Source)(nil)

// CheckRegion says what is wrong with the name of a region.
func CheckRegion(region string) error {
	if !regions.MatchString(region) {
		return fmt.Errorf("region is %q; write it like eu-central-1", region)
	}
	return nil
}

// New makes a source. It connects to nothing. The error names what is wrong with the options.
func New(o Options) (*Source, error) {
	if err := CheckRegion(o.Region); err != nil {
		return nil, err
	}
	switch {
	case o.AccessKeyID == "" || o.SecretAccessKey == "":
		return nil, errors.New("the access key is empty; put accessKeyID and secretAccessKey into the Secret")
	case len(o.Queries) == 0:
		return nil, errors.New("queries is empty; write at least one")
	}
	options := cloudwatch.Options{
		Region:           o.Region,
		Credentials:      credentials.NewStaticCredentialsProvider(o.AccessKeyID, o.SecretAccessKey, o.SessionToken),
		RetryMaxAttempts: 1, // Whoever measures tries again.
	}
	address := fmt.Sprintf("https://monitoring.%s.amazonaws.com", o.Region)
	if o.Address != "" {
		if _, err := outbound.ParseAddress(o.Address); err != nil {
			return nil, fmt.Errorf("address: %w", err)
		}
		address, options.BaseEndpoint = o.Address, aws.String(o.Address)
	}
	transport := o.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	options.HTTPClient = outbound.Client(outbound.Bounded(transport))
	s := &Source{server: outbound.Server{Kind: "CloudWatch", Address: address, Secrets: outbound.Hide(o.AccessKeyID, o.SecretAccessKey, o.SessionToken)}, client: cloudwatch.New(options)}
	for _, q := range o.Queries {
		s.queries = append(s.queries, q.data())
		if !q.Hidden && s.text == "" {
			s.text = q.text()
		}
	}
	if s.text == "" {
		return nil, errors.New("all queries are hidden; let at least one give its result")
	}
	return s, nil
}

func (q Query) data() types.MetricDataQuery {
	period := aws.Int32(int32(max(q.Period, time.Second) / time.Second))
	if q.Period == 0 {
		period = aws.Int32(60)
	}
	data := types.MetricDataQuery{Id: aws.String(q.ID), ReturnData: aws.Bool(!q.Hidden)}
	if q.Expression != "" {
		data.Expression, data.Period = aws.String(q.Expression), period
		return data
	}
	metric := &types.Metric{Namespace: aws.String(q.Namespace), MetricName: aws.String(q.Metric)}
	for name, value := range q.Dimensions {
		metric.Dimensions = append(metric.Dimensions, types.Dimension{Name: aws.String(name), Value: aws.String(value)})
	}
	data.MetricStat = &types.MetricStat{Metric: metric, Period: period, Stat: aws.String(q.Statistic)}
	return data
}

func (q Query) text() string {
	if q.Expression != "" {
		return q.Expression
	}
	return fmt.Sprintf("%s of %s/%s", q.Statistic, q.Namespace, q.Metric)
}

// Query asks for all queries over the window. The value of each result is its newest one; CloudWatch's newest period may
// still be filling.
func (s *Source) Query(ctx context.Context, q analysis.Query) (analysis.Sample, error) {
	fail := func(err error, text string) (analysis.Sample, error) {
		return analysis.Sample{}, s.server.Failed(s.text, err, text)
	}
	end := q.At
	if end.IsZero() {
		end = time.Now()
	}
	answer, err := s.client.GetMetricData(ctx, &cloudwatch.GetMetricDataInput{
		StartTime: aws.Time(end.Add(-q.Window)), EndTime: aws.Time(end),
		MetricDataQueries: s.queries, ScanBy: types.ScanByTimestampDescending,
	})
	if err != nil {
		return fail(err, reason(err))
	}
	if answer.MetricDataResults == nil {
		return fail(errors.New("no results"), "the answer holds no results")
	}
	if answer.NextToken != nil {
		return fail(errors.New("several pages"), "the answer has several pages; ask for less with a shorter window or a longer period")
	}
	var sample analysis.Sample
	for _, result := range answer.MetricDataResults {
		if result.StatusCode != types.StatusCodeComplete {
			return fail(errors.New("partial"), fmt.Sprintf("%s is %s%s", aws.ToString(result.Label), result.StatusCode, messages(result.Messages)))
		}
		if len(result.Values) == 0 {
			continue
		}
		labels := map[string]string{"id": aws.ToString(result.Id), "label": aws.ToString(result.Label)}
		sample.Series = append(sample.Series, analysis.Series{Labels: labels, Value: result.Values[0]})
	}
	return sample, nil
}

func messages(all []types.MessageData) string {
	var text strings.Builder
	for _, m := range all {
		text.WriteString(": " + aws.ToString(m.Value))
	}
	return text.String()
}

// reason is what the service said, without what the layers of the client say of themselves.
func reason(err error) string {
	if answer, ok := errors.AsType[smithy.APIError](err); ok {
		return answer.ErrorCode() + ": " + answer.ErrorMessage()
	}
	if operation, ok := errors.AsType[*smithy.OperationError](err); ok {
		err = operation.Err
	}
	return outbound.Reason(err)
}
