// Package sourcetest is the contract of analysis.Source as tests: every implementation passes Run.
package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
)

// Harness is a source together with the double of the server it asks.
type Harness struct {
	Source analysis.Source
	// Query is one that the source accepts.
	Query analysis.Query
	// Answer makes the server answer all queries to come so. It may be called while queries are under way.
	Answer func(Answer)
	// Server is the name under which an error must name the server, for example its address.
	Server string
	// Secret is the credential that the source sends, and that no error may show.
	Secret string
	// Unspeakable says which answers the server's language has no words for, such as NaN in JSON; nil for none. They aren't
	// asked for.
	Unspeakable func(Answer) bool
}

// Answer is what the server says to a query. The zero Answer is an empty result.
type Answer struct {
	// Series are the values of as many series.
	Series []float64
	// Scalar: the first of Series is given as a bare number instead, where the server's language knows such a thing.
	Scalar bool
	// Warnings come with the result.
	Warnings []string
	// Status is the HTTP status of a failure; 0 is success. Body is then what it says.
	Status int
	// Body is given instead of a well-formed answer, if it isn't empty.
	Body string
	// Hang: the server doesn't answer as long as it is asked.
	Hang bool
	// Flood: the server begins to answer and never ends.
	Flood bool
}

// deadline is more than any source needs to answer a double, and little enough to wait for.
const deadline = time.Minute

// Run checks a source. The factory makes a fresh one for each test and cleans up after it with t.Cleanup.
func Run(t *testing.T, factory func(t *testing.T) Harness) {
	for name, check := range map[string]func(t *testing.T, h Harness){
		"AnswersAreSamples":                     answersAreSamples,
		"SeveralSeriesAreKeptApart":             severalSeriesAreKeptApart,
		"WarningsAreNoErrors":                   warningsAreNoErrors,
		"FailuresNameTheServerAndTheQuery":      failuresNameTheServerAndTheQuery,
		"ErrorsShowNoCredentials":               errorsShowNoCredentials,
		"AnEndlessAnswerIsAnError":              anEndlessAnswerIsAnError,
		"AQueryEndsWithItsContext":              aQueryEndsWithItsContext,
		"ACancelledContextAsksNothing":          aCancelledContextAsksNothing,
		"QueriesMayRunAtTheSameTime":            queriesMayRunAtTheSameTime,
		"ASourceWorksAgainAfterTheServerFailed": aSourceWorksAgainAfterTheServerFailed,
	} {
		t.Run(name, func(t *testing.T) { check(t, factory(t)) })
	}
}

func (h Harness) unspeakable(a Answer) bool { return h.Unspeakable != nil && h.Unspeakable(a) }

func (h Harness) ask(t *testing.T) (analysis.Sample, error) {
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	return h.Source.Query(ctx, h.Query)
}

func answersAreSamples(t *testing.T, h Harness) {
	for _, c := range []struct {
		name   string
		answer Answer
		want   analysis.Sample
	}{
		{"a value", Answer{Series: []float64{0.25}}, analysis.Number(0.25)},
		{"zero", Answer{Series: []float64{0}}, analysis.Number(0)},
		{"a tiny value", Answer{Series: []float64{5e-324}}, analysis.Number(5e-324)},
		{"a huge value", Answer{Series: []float64{-math.MaxFloat64}}, analysis.Number(-math.MaxFloat64)},
		{"infinity", Answer{Series: []float64{math.Inf(1)}}, analysis.Number(math.Inf(1))},
		{"a scalar", Answer{Series: []float64{3}, Scalar: true}, analysis.Number(3)},
		{"no series", Answer{}, analysis.Sample{}},
		{"not a number", Answer{Series: []float64{math.NaN()}}, analysis.Number(math.NaN())},
		{"a scalar that is not a number", Answer{Series: []float64{math.NaN()}, Scalar: true}, analysis.Number(math.NaN())},
	} {
		if h.unspeakable(c.answer) {
			continue
		}
		h.Answer(c.answer)
		got, err := h.ask(t)
		require.NoError(t, err, c.name)
		require.Equal(t, values(c.want), values(got), c.name)
	}
}

// values are the series' values, as texts because NaN equals nothing. A plain number may have labels.
func values(s analysis.Sample) []string {
	out := []string{}
	for _, series := range s.Series {
		out = append(out, strconv.FormatFloat(series.Value, 'g', -1, 64))
	}
	return out
}

func severalSeriesAreKeptApart(t *testing.T, h Harness) {
	answer, want := Answer{Series: []float64{1, math.NaN(), 1}}, []string{"1", "NaN", "1"}
	if h.unspeakable(answer) {
		answer, want = Answer{Series: []float64{1, 0, 1}}, []string{"1", "0", "1"}
	}
	if h.unspeakable(answer) {
		return
	}
	h.Answer(answer)
	got, err := h.ask(t)
	require.NoError(t, err)
	require.Equal(t, want, values(got))
	labels := map[string]bool{}
	for _, series := range got.Series {
		labels[fmt.Sprint(series.Labels)] = true
	}
	require.Len(t, labels, 3, "labels tell the series apart")
}

func warningsAreNoErrors(t *testing.T, h Harness) {
	h.Answer(Answer{Series: []float64{1}, Warnings: []string{"this took long"}})
	got, err := h.ask(t)
	require.NoError(t, err)
	require.Equal(t, values(analysis.Number(1)), values(got))
}

// failures are all ways in which a server says nothing.
var failures = map[string]Answer{
	"bad request":          {Status: http.StatusBadRequest},
	"unauthorized":         {Status: http.StatusUnauthorized, Body: "log in"},
	"not found":            {Status: http.StatusNotFound, Body: "404 page not found"},
	"too many requests":    {Status: http.StatusTooManyRequests},
	"unprocessable":        {Status: http.StatusUnprocessableEntity},
	"internal error":       {Status: http.StatusInternalServerError},
	"bad gateway":          {Status: http.StatusBadGateway, Body: "<html>bad gateway</html>"},
	"unavailable":          {Status: http.StatusServiceUnavailable},
	"a page":               {Body: "<html>welcome</html>"},
	"another API":          {Body: `{"items":[]}`},
	"an array":             {Body: `[1,2]`},
	"a truncated answer":   {Body: `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"`},
	"success without data": {Body: `{"status":"success"}`},
	"null":                 {Body: `null`},
}

func failuresNameTheServerAndTheQuery(t *testing.T, h Harness) {
	for name, answer := range failures {
		h.Answer(answer)
		sample, err := h.ask(t)
		require.Error(t, err, "%s says nothing about the metric", name)
		require.Zero(t, sample, name)
		h.requireNamed(t, err)
	}
}

func errorsShowNoCredentials(t *testing.T, h Harness) {
	require.NotEmpty(t, h.Secret, "the harness must give the source a credential")
	for name, answer := range failures {
		if answer.Status != 0 {
			// Servers in front of a source are known to quote the request that they refuse.
			answer.Body = "refused: " + h.Secret
		}
		h.Answer(answer)
		_, err := h.ask(t)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), h.Secret, name)
	}
}

func anEndlessAnswerIsAnError(t *testing.T, h Harness) {
	if h.unspeakable(Answer{Flood: true}) {
		return
	}
	h.Answer(Answer{Flood: true})
	sample, err := h.ask(t)
	require.Error(t, err)
	require.NotErrorIs(t, err, context.DeadlineExceeded, "the source must stop reading by itself")
	require.Zero(t, sample)
	require.Less(t, len(err.Error()), 2000)
	h.requireNamed(t, err)
}

func aQueryEndsWithItsContext(t *testing.T, h Harness) {
	h.Answer(Answer{Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := h.Source.Query(ctx, h.Query)
		done <- err
	}()
	select {
	case err := <-done:
		require.ErrorIs(t, err, context.DeadlineExceeded)
		h.requireNamed(t, err)
	case <-time.After(deadline):
		require.Fail(t, "the query goes on long after its deadline")
	}
}

func aCancelledContextAsksNothing(t *testing.T, h Harness) {
	h.Answer(Answer{Series: []float64{1}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	sample, err := h.Source.Query(ctx, h.Query)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, sample)
}

func queriesMayRunAtTheSameTime(t *testing.T, h Harness) {
	h.Answer(Answer{Series: []float64{1}})
	var group sync.WaitGroup
	errs := make(chan error, 64)
	for range cap(errs) {
		group.Go(func() {
			sample, err := h.ask(t)
			if err == nil && !slices.Equal(values(sample), []string{"1"}) {
				err = errors.New("another value than the server's")
			}
			errs <- err
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}

func aSourceWorksAgainAfterTheServerFailed(t *testing.T, h Harness) {
	for _, answer := range failures {
		h.Answer(answer)
		_, err := h.ask(t)
		require.Error(t, err)
	}
	h.Answer(Answer{Series: []float64{1}})
	got, err := h.ask(t)
	require.NoError(t, err)
	require.Equal(t, values(analysis.Number(1)), values(got))
}

// requireNamed: whoever reads the error must learn who was asked for what, in one line.
func (h Harness) requireNamed(t *testing.T, err error) {
	require.ErrorContains(t, err, h.Server)
	require.ErrorContains(t, err, h.Query.Text)
	require.False(t, strings.ContainsAny(err.Error(), "\n\r"), "%q is more than a line", err)
}
