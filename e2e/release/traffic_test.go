//go:build e2e

package release

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/e2e/load"
)

const (
	// requestsPerSecond is what clients send to a shop during the whole test.
	requestsPerSecond = 100
	// shareTolerance is how far, in percent, the share received may be from the weight.
	shareTolerance = 3
	// shareRequests is how many requests a share is measured with.
	shareRequests = 1000
	// listed is how many failures a test that found some shows.
	listed = 20
)

// clients send requests to a shop all the time.
type clients struct {
	*load.Load
	s *shop
}

// sendClients starts to send requests as soon as the gateway knows the shop.
func (s *shop) sendClients() *clients {
	s.t.Helper()
	s.awaitGateway()
	l, err := load.Start(s.ctx, load.Options{URL: s.URLs.Gateway, Host: s.host(), Rate: requestsPerSecond})
	require.NoError(s.t, err)
	s.t.Cleanup(l.Stop)
	c := &clients{Load: l, s: s}
	c.awaitRequests(requestsPerSecond, time.Time{})
	c.requireNoFailure()
	return c
}

func (s *shop) awaitGateway() {
	s.t.Helper()
	require.NoError(s.t, poll(s.ctx, "the gateway to know the shop", func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URLs.Gateway, nil)
		if err != nil {
			return err
		}
		request.Host = s.host()
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers %s", response.Status)
		}
		return nil
	}))
}

// awaitRequests waits until n requests that were sent after since have been answered.
func (c *clients) awaitRequests(n int, since time.Time) {
	c.s.t.Helper()
	require.NoError(c.s.t, c.WaitFor(c.s.ctx, n, since))
}

// requireShare measures the share that the new version v2 gets from now on, over enough requests.
func (c *clients) requireShare(percent float64) {
	c.s.t.Helper()
	from := time.Now()
	c.awaitRequests(shareRequests, from)
	received := c.Answers().Since(from)
	share := 100 * received.Share("v2")
	require.InDelta(c.s.t, percent, share, shareTolerance, "%s", received)
	c.s.figures.add(c.s.t.Name()+": share at weight "+fmt.Sprint(percent), "%.1f %% of %d requests", share, len(received))
}

// requireNoFailure requires that every client got what the application meant to answer.
func (c *clients) requireNoFailure() {
	c.s.t.Helper()
	requireNoFailure(c.s.t, c.Answers())
}

func requireNoFailure(t *testing.T, answers load.Answers) {
	t.Helper()
	failures := answers.Failures()
	var some []string
	for _, failure := range failures[:min(len(failures), listed)] {
		some = append(some, failure.String())
	}
	require.Empty(t, failures, "%s, for example\n%s", answers, strings.Join(some, "\n"))
}
