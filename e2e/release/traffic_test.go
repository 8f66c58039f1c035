//go:build e2e

package release

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	loads []*load.Load
	s     *shop
}

// sendClients starts to send requests as soon as the gateway knows the shop.
func (s *shop) sendClients() *clients {
	s.t.Helper()
	return s.send(load.Options{URL: s.gatewayURL(), Host: s.host(), Rate: requestsPerSecond})
}

// gatewayURL is where the gateway is at the node. The port that Docker publishes is for people: the process that carries requests from there
// ends for good when it runs out of files, which takes some seconds in which nobody answers.
func (s *shop) gatewayURL() string { return "http://" + s.gatewayPort("web") }

// gatewayPort is the address of one of the gateway's ports.
func (s *shop) gatewayPort(name string) string {
	s.t.Helper()
	const gateway = "traefik"
	found, err := s.kube.CoreV1().Services(gateway).Get(s.ctx, gateway, metav1.GetOptions{})
	require.NoError(s.t, err)
	at := slices.IndexFunc(found.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == name })
	require.GreaterOrEqual(s.t, at, 0, "Service %s has no port %s", gateway, name)
	return fmt.Sprintf("%s:%d", s.node, found.Spec.Ports[at].NodePort)
}

// sendThroughNode sends requests to a Service of type NodePort, which kube-proxy balances like one with a ClusterIP: each
// connection goes to one of the endpoints, and stays there. Half of the clients keep their connections, the others come with
// a new one every time, so that nothing hides a connection that is refused.
func (s *shop) sendThroughNode(service string, rate int) *clients {
	s.t.Helper()
	found, err := s.kube.CoreV1().Services(s.namespace).Get(s.ctx, service, metav1.GetOptions{})
	require.NoError(s.t, err)
	url := fmt.Sprintf("http://%s:%d", s.node, found.Spec.Ports[0].NodePort)
	return s.send(
		load.Options{URL: url, Rate: rate / 2, Timeout: patience},
		load.Options{URL: url, Rate: rate - rate/2, Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}},
	)
}

// send starts to send requests as soon as the first of the entrances answers.
func (s *shop) send(entrances ...load.Options) *clients {
	s.t.Helper()
	s.awaitAnswer(entrances[0])
	c := &clients{s: s}
	for _, entrance := range entrances {
		l, err := load.Start(s.ctx, entrance)
		require.NoError(s.t, err)
		s.t.Cleanup(l.Stop)
		c.loads = append(c.loads, l)
	}
	c.awaitRequests(len(entrances)*entrances[0].Rate, time.Time{})
	c.requireNoFailure()
	return c
}

func (s *shop) awaitGateway() {
	s.t.Helper()
	s.awaitAnswer(load.Options{URL: s.gatewayURL(), Host: s.host()})
}

// awaitAnswer waits until somebody answers at an entrance.
func (s *shop) awaitAnswer(entrance load.Options) {
	s.t.Helper()
	require.NoError(s.t, poll(s.ctx, "an answer of the shop", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, entrance.URL, nil)
		if err != nil {
			return err
		}
		request.Host = entrance.Host
		response, err := (&http.Client{Transport: entrance.Transport}).Do(request)
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

// Answers are all answers so far.
func (c *clients) Answers() load.Answers {
	var all load.Answers
	for _, l := range c.loads {
		all = append(all, l.Answers()...)
	}
	return all
}

// Stop sends no more requests and returns when the last answer has arrived.
func (c *clients) Stop() {
	for _, l := range c.loads {
		l.Stop()
	}
}

// awaitRequests waits until n requests that were sent after since have been answered.
func (c *clients) awaitRequests(n int, since time.Time) {
	c.s.t.Helper()
	for _, l := range c.loads {
		require.NoError(c.s.t, l.WaitFor(c.s.ctx, n/len(c.loads), since))
	}
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
	answers := c.Answers()
	failures := answers.Failures()
	slices.SortFunc(failures, func(a, b load.Answer) int { return a.Sent.Compare(b.Sent) })
	var some []string
	for _, failure := range failures[:min(len(failures), listed)] {
		some = append(some, failure.String())
	}
	require.Empty(c.s.t, failures, "%s, for example\n%s", answers, strings.Join(some, "\n"))
}
