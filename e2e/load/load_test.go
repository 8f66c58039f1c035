package load_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/e2e/load"
)

// transport answers without a network, which has a clock of its own.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func answer(status int, headers map[string]string) *http.Response {
	response := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}
	for name, value := range headers {
		response.Header.Set(name, value)
	}
	return response
}

// after waits within the clock of the test.
func after(r *http.Request, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-r.Context().Done():
		return r.Context().Err()
	}
}

func start(t *testing.T, o load.Options) *load.Load {
	t.Helper()
	o.URL = "http://shop.test/"
	l, err := load.Start(t.Context(), o)
	require.NoError(t, err)
	return l
}

func TestTheRateDoesNotDependOnHowFastAnswersCome(t *testing.T) {
	for name, latency := range map[string]time.Duration{"fast": 0, "as slow as it may be": 10*time.Second - time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := start(t, load.Options{Rate: 200, Transport: transport(func(r *http.Request) (*http.Response, error) {
					return answer(http.StatusOK, map[string]string{"X-Version": "v1"}), after(r, latency)
				})})
				<-time.After(10*time.Second - time.Millisecond)
				l.Stop()

				answers := l.Answers()
				require.Len(t, answers, 2000)
				require.Empty(t, answers.Failures())
				require.Equal(t, latency, answers[0].Latency)
				require.Len(t, answers.Between(answers.First().Add(time.Second), answers.First().Add(2*time.Second)), 200)
			})
		})
	}
}

func TestARequestThatCanNotBeSentInTimeHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := start(t, load.Options{Rate: 10, Concurrency: 3, Transport: transport(func(r *http.Request) (*http.Response, error) {
			return answer(http.StatusOK, map[string]string{"X-Version": "v1"}), after(r, time.Minute)
		}), Timeout: time.Hour})
		<-time.After(950 * time.Millisecond)
		l.Stop()

		require.Len(t, l.Answers(), 10)
		require.Len(t, l.Answers().Failures(), 7)
		require.ErrorContains(t, l.Answers()[0].Err, "too many requests under way")
	})
}

func TestAnAnswerThatNeverComesHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := start(t, load.Options{Rate: 1, Timeout: 2 * time.Second, Transport: transport(func(r *http.Request) (*http.Response, error) {
			return nil, after(r, time.Hour)
		})})
		l.Stop()

		require.Len(t, l.Answers().Failures(), 1)
		require.ErrorIs(t, l.Answers()[0].Err, context.DeadlineExceeded)
		require.Equal(t, 2*time.Second, l.Answers()[0].Latency)
	})
}

func TestTheLoadEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := start(t, load.Options{Rate: 1, Longest: time.Minute - time.Second/2, Transport: transport(func(*http.Request) (*http.Response, error) {
			return answer(http.StatusOK, map[string]string{"X-Version": "v1"}), nil
		})})
		err := l.WaitFor(t.Context(), 1000, time.Time{})
		require.EqualError(t, err, "wait for 1000 answers: the load has ended (60 answers (v1: 60), 0 injected errors, 0 failed)")
	})
}

func TestWaitingEndsWithTheAnswersOrWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := start(t, load.Options{Rate: 100, Transport: transport(func(*http.Request) (*http.Response, error) {
			return answer(http.StatusOK, map[string]string{"X-Version": "v1"}), nil
		})})
		defer l.Stop()
		began := time.Now()
		require.NoError(t, l.WaitFor(t.Context(), 100, began.Add(time.Second)))
		require.Equal(t, 1990*time.Millisecond, time.Since(began))

		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("the test is over"))
		defer cancel()
		require.ErrorContains(t, l.WaitFor(ctx, 1000, time.Now()), "wait for 1000 answers: the test is over (so far ")
	})
}

func TestOnlyWhatTheApplicationMeantToAnswerIsNoFailure(t *testing.T) {
	app := map[string]string{"X-Version": "v2", "X-Pod": "shop-1"}
	injected := map[string]string{"X-Version": "v2", "X-Pod": "shop-1", "X-Injected": "true"}
	for name, c := range map[string]struct {
		response *http.Response
		err      error
		failed   bool
	}{
		"an answer":                       {response: answer(http.StatusOK, app)},
		"an injected error":               {response: answer(http.StatusInternalServerError, injected)},
		"an error nobody asked for":       {response: answer(http.StatusInternalServerError, app), failed: true},
		"no endpoint":                     {response: answer(http.StatusServiceUnavailable, nil), failed: true},
		"no route":                        {response: answer(http.StatusNotFound, nil), failed: true},
		"an answer of somebody else":      {response: answer(http.StatusOK, nil), failed: true},
		"a redirect":                      {response: answer(http.StatusFound, map[string]string{"Location": "/", "X-Version": "v2"}), failed: true},
		"a connection that can't be made": {err: errors.New("connection refused"), failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := start(t, load.Options{Rate: 1, Transport: transport(func(*http.Request) (*http.Response, error) { return c.response, c.err })})
				l.Stop()
				require.Len(t, l.Answers(), 1)
				require.Equal(t, c.failed, l.Answers()[0].Failed(), l.Answers()[0])
			})
		})
	}
}

func TestTheRecordTellsSharesAndTimes(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	ok := func(second int, version string) load.Answer {
		return load.Answer{Sent: at(second), Version: version, Status: http.StatusOK}
	}
	// In the order of their arrival: the first request was the slowest.
	answers := load.Answers{ok(2, "v1"), ok(3, "v2"), ok(4, "v1"), ok(1, "v1"), {Sent: at(5), Status: http.StatusBadGateway}}

	require.Equal(t, map[string]int{"v1": 3, "v2": 1, "": 1}, answers.Counts())
	require.Equal(t, 0.6, answers.Share("v1"))
	require.Equal(t, 1.0/3, answers.Between(at(2), at(5)).Share("v2"))
	require.Zero(t, answers.Since(at(6)).Share("v1"))
	require.Equal(t, at(1), answers.Of("v1").First())
	require.Equal(t, at(4), answers.Of("v1").Last())
	require.True(t, answers.Of("v3").Last().IsZero())
	require.Equal(t, "5 answers (nobody: 1, v1: 3, v2: 1), 0 injected errors, 1 failed", answers.String())
}

func TestRequestsReachARealServerOverKeptConnections(t *testing.T) {
	var connections atomic.Int32
	var hosts, testers atomic.Value
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hosts.Store(r.Host)
		testers.Store(r.Header.Get("X-Tester"))
		w.Header().Set("X-Version", "v1")
		w.Header().Set("X-Pod", "shop-1")
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()

	l, err := load.Start(t.Context(), load.Options{URL: server.URL, Host: "shop.example", Rate: 500, Header: http.Header{"X-Tester": {"yes"}}})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, l.WaitFor(ctx, 200, time.Time{}))
	l.Stop()

	require.Empty(t, l.Answers().Failures())
	require.Equal(t, 1.0, l.Answers().Share("v1"))
	require.Equal(t, "shop.example", hosts.Load())
	require.Equal(t, "yes", testers.Load())
	require.Less(t, int(connections.Load()), len(l.Answers()))
}

func TestImpossibleOptionsAreRefused(t *testing.T) {
	for want, o := range map[string]load.Options{
		"URL is empty":      {},
		"Rate is -1":        {URL: "http://shop.test", Rate: -1},
		"Concurrency is -1": {URL: "http://shop.test", Concurrency: -1},
		`URL is "http://[`:  {URL: "http://["},
	} {
		_, err := load.Start(t.Context(), o)
		require.ErrorContains(t, err, want)
	}
}
